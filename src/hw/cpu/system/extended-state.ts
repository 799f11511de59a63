/**
 * FXSAVE and the XSAVE family, XCR0 and MXCSR (Intel SDM, "FXSAVE", "XSAVE", "XSAVEOPT", "XSAVEC", "XSAVES" and their restoring
 * twins; "Managing State Using the XSAVE Feature Set"). A component is in use when it is not in its initial state, and XSAVEOPT
 * has the init optimization without the modified one, as the SDM allows.
 */

import { assert } from '../../../base/assert.ts'
import { shiftRight } from '../../../base/u64.ts'
import type { Instruction } from '../../../isa/instruction.ts'
import type { MemoryOperand } from '../../../isa/operands.ts'
import { CR0 } from '../../../spec/cr-bits.ts'
import type { Engine } from '../engine.ts'
import {
  AVX_STATE,
  areaBytes,
  compactedBytes,
  HEADER_BYTES,
  LEGACY_BYTES,
  SSE_STATE,
  supportedState,
  X87_STATE,
  XSAVE_COMPONENTS,
} from '../extended-state.ts'
import { Fault, generalProtection, VECTOR } from '../faults.ts'
import { MXCSR_AT_RESET } from '../reset.ts'
import {
  loadAt,
  loadLegacySse,
  loadLegacyX87,
  loadMxcsr,
  MXCSR_MASK,
  storeAt,
  storeLegacySse,
  storeLegacyX87,
  storeMxcsr,
} from './legacy-area.ts'
import { requireRing0 } from './privilege.ts'
import { INITIAL_CONTROL, initializeX87 } from './x87.ts'

const TASK_SWITCHED = 1n << BigInt(CR0.TS)
const COMPACTED = 1n << 63n
const XSTATE_BV = LEGACY_BYTES
const XCOMP_BV = LEGACY_BYTES + 8

const low32 = (value: bigint): bigint => value & 0xffff_ffffn
const edxEax = ({ registers }: Engine): bigint => (low32(registers.gpr[2]!) << 32n) | low32(registers.gpr[0]!)

/** Components whose state is not the initial one. */
function inUse({ registers }: Engine): bigint {
  const { x87, st, xmm, ymmHigh } = registers
  const x87Initial = x87[0] === INITIAL_CONTROL && x87.every((word, index) => index === 0 || word === 0n) && st.every(word => word === 0n)
  return (
    (x87Initial ? 0n : X87_STATE) |
    (xmm.every(lane => lane === 0n) ? 0n : SSE_STATE) |
    (ymmHigh.every(lane => lane === 0n) ? 0n : AVX_STATE)
  )
}

const isWide = ({ form }: Instruction): boolean => form.wide

/** The area's linear address; every byte of it must be there before any is written. */
function areaOf(engine: Engine, i: Instruction, alignment: 16 | 64): bigint {
  if ((engine.registers.cr[0]! & TASK_SWITCHED) !== 0n) throw new Fault(VECTOR.NM, null)
  const operand = i.dst as MemoryOperand
  const access = i.row.mnemonic.includes('SAVE') ? 'write' : 'read'
  const linear = engine.linear(operand.segment, engine.address(operand), LEGACY_BYTES, access)
  if (linear % BigInt(alignment) !== 0n) throw generalProtection()
  return linear
}

function fxsave(engine: Engine, i: Instruction): void {
  const area = areaOf(engine, i, 16)
  engine.touchLinear(LEGACY_BYTES, area)
  storeLegacyX87(engine, area, isWide(i))
  storeMxcsr(engine, area)
  storeLegacySse(engine, area, i.bits)
}

function fxrstor(engine: Engine, i: Instruction): void {
  const area = areaOf(engine, i, 16)
  loadAt(engine, 8, area, 0)
  loadAt(engine, 64, area, LEGACY_BYTES - 8)
  loadMxcsr(engine, area)
  loadLegacyX87(engine, area, isWide(i))
  loadLegacySse(engine, area, i.bits)
}

/** Registers that the mode shows: the others are not saved, and keep their values. */
const registersOf = (bits: Instruction['bits']): number => (bits === 64 ? 16 : 8)

/** The component's bytes in YMM registers, to or from memory. */
function moveYmm(engine: Engine, area: bigint, i: Instruction, toMemory: boolean): void {
  const { ymmHigh } = engine.registers
  for (let lane = 0; lane < 2 * registersOf(i.bits); lane++) {
    if (toMemory) storeAt(engine, 64, area, 8 * lane, ymmHigh[lane]!)
    else ymmHigh[lane] = loadAt(engine, 64, area, 8 * lane)
  }
}

const offsetOf = (components: bigint, isCompacted: boolean): number => {
  const avx = XSAVE_COMPONENTS[0]
  assert(avx !== undefined, 'AVX state is the first extended component')
  return isCompacted ? compactedBytes(components & (AVX_STATE - 1n)) : avx.offset
}

function storeComponents(engine: Engine, i: Instruction, area: bigint, saved: bigint, layout: bigint, isCompacted: boolean): void {
  if ((saved & X87_STATE) !== 0n) storeLegacyX87(engine, area, isWide(i))
  if ((saved & SSE_STATE) !== 0n) storeLegacySse(engine, area, i.bits)
  if ((saved & AVX_STATE) !== 0n) moveYmm(engine, area + BigInt(offsetOf(layout, isCompacted)), i, true)
}

/** XSAVE and XSAVEOPT: the standard format. */
function xsave(engine: Engine, i: Instruction, optimized: boolean): void {
  const area = areaOf(engine, i, 64)
  const wanted = edxEax(engine) & engine.registers.xcr0[0]!
  engine.touchLinear(areaBytes(wanted), area)
  const used = inUse(engine)
  const before = loadAt(engine, 64, area, XSTATE_BV)
  storeComponents(engine, i, area, optimized ? wanted & used : wanted, wanted, false)
  if ((wanted & (SSE_STATE | AVX_STATE)) !== 0n) storeMxcsr(engine, area)
  storeAt(engine, 64, area, XSTATE_BV, (before & ~wanted) | (wanted & used))
}

/** XSAVEC and XSAVES: the compacted format, without what is in its initial state. */
function xsaveCompacted(engine: Engine, i: Instruction): void {
  const area = areaOf(engine, i, 64)
  const wanted = edxEax(engine) & engine.registers.xcr0[0]!
  engine.touchLinear(compactedBytes(wanted), area)
  const mxcsr = engine.registers.mxcsr[0] === MXCSR_AT_RESET ? 0n : SSE_STATE
  const saved = wanted & (inUse(engine) | mxcsr)
  storeComponents(engine, i, area, saved, wanted, true)
  if ((saved & SSE_STATE) !== 0n) storeMxcsr(engine, area)
  storeAt(engine, 64, area, XSTATE_BV, saved)
  storeAt(engine, 64, area, XCOMP_BV, wanted | COMPACTED)
}

interface Header {
  readonly state: bigint
  readonly layout: bigint
}

/** XSTATE_BV and XCOMP_BV, checked as the manual's page of each instruction says. */
function headerOf(engine: Engine, area: bigint, mustBeCompacted: boolean): Header {
  const words = Array.from({ length: HEADER_BYTES / 8 }, (_, index) => loadAt(engine, 64, area, XSTATE_BV + 8 * index))
  const [state, layout, ...reserved] = words as [bigint, bigint, ...bigint[]]
  const xcr0 = engine.registers.xcr0[0]!
  const isCompacted = (layout & COMPACTED) !== 0n
  if (mustBeCompacted && !isCompacted) throw generalProtection()
  if (isCompacted && !engine.features.has('xsavec')) throw generalProtection()
  const components = layout & ~COMPACTED
  const isValid = isCompacted
    ? (components & ~xcr0) === 0n && (state & ~components) === 0n && reserved.every(word => word === 0n)
    : (state & ~xcr0) === 0n && layout === 0n && reserved[0] === 0n
  if (!isValid) throw generalProtection()
  return { state, layout }
}

function xrstor(engine: Engine, i: Instruction, supervisor: boolean): void {
  const area = areaOf(engine, i, 64)
  loadAt(engine, 8, area, 0)
  const { state, layout } = headerOf(engine, area, supervisor)
  const isCompacted = (layout & COMPACTED) !== 0n
  const wanted = edxEax(engine) & engine.registers.xcr0[0]!
  const loaded = wanted & state
  const bytes = isCompacted ? compactedBytes(layout & ~COMPACTED) : areaBytes(wanted)
  loadAt(engine, 64, area, bytes - 8)
  restoreMxcsr(engine, area, wanted, loaded, isCompacted)
  const { registers } = engine
  const visible = 2 * registersOf(i.bits)
  if ((loaded & X87_STATE) !== 0n) loadLegacyX87(engine, area, isWide(i))
  else if ((wanted & X87_STATE) !== 0n) initializeX87(registers)
  if ((loaded & SSE_STATE) !== 0n) loadLegacySse(engine, area, i.bits)
  else if ((wanted & SSE_STATE) !== 0n) registers.xmm.fill(0n, 0, visible)
  if ((loaded & AVX_STATE) !== 0n) moveYmm(engine, area + BigInt(offsetOf(layout, isCompacted)), i, false)
  else if ((wanted & AVX_STATE) !== 0n) registers.ymmHigh.fill(0n, 0, visible)
}

/** MXCSR comes with SSE or AVX in the standard format whatever XSTATE_BV says, and with SSE state in the compacted one. */
function restoreMxcsr(engine: Engine, area: bigint, wanted: bigint, loaded: bigint, isCompacted: boolean): void {
  if (isCompacted) {
    if ((loaded & SSE_STATE) !== 0n) loadMxcsr(engine, area)
    else if ((wanted & SSE_STATE) !== 0n) engine.registers.mxcsr[0] = MXCSR_AT_RESET
  } else if ((wanted & (SSE_STATE | AVX_STATE)) !== 0n) loadMxcsr(engine, area)
}

export function extendedState(engine: Engine, i: Instruction): void {
  switch (i.row.mnemonic.replace('64', '')) {
    case 'FXSAVE':
      return fxsave(engine, i)
    case 'FXRSTOR':
      return fxrstor(engine, i)
    case 'XSAVE':
      return xsave(engine, i, false)
    case 'XSAVEOPT':
      return xsave(engine, i, true)
    case 'XSAVEC':
      return xsaveCompacted(engine, i)
    case 'XSAVES':
      requireRing0(engine)
      return xsaveCompacted(engine, i)
    case 'XRSTOR':
      return xrstor(engine, i, false)
    case 'XRSTORS':
      requireRing0(engine)
      return xrstor(engine, i, true)
    case 'LDMXCSR': {
      const value = engine.read(i.dst)
      if ((value & ~MXCSR_MASK) !== 0n) throw generalProtection()
      engine.registers.mxcsr[0] = value
      return
    }
    case 'STMXCSR':
      return engine.write(i.dst, engine.registers.mxcsr[0]!)
    default:
      assert(false, `${i.row.mnemonic} saves or restores extended state`)
  }
}

/** XCR0, or with ECX = 1 which of its components are in use. */
export function xgetbv(engine: Engine): void {
  const { gpr, xcr0 } = engine.registers
  const selector = low32(gpr[1]!)
  if (selector > 1n || (selector === 1n && !engine.features.has('xgetbv1'))) throw generalProtection()
  const value = selector === 0n ? xcr0[0]! : xcr0[0]! & inUse(engine)
  gpr[0] = low32(value)
  gpr[2] = shiftRight(value, 32)
}

/** Whether XCR0 takes a value: x87 always, AVX with SSE only, nothing that the CPU has not. */
export function isXcr0(engine: Engine, value: bigint): boolean {
  const supported = supportedState(engine.machine.config.features)
  const avxWithoutSse = (value & AVX_STATE) !== 0n && (value & SSE_STATE) === 0n
  return (value & X87_STATE) !== 0n && (value & ~supported) === 0n && !avxWithoutSse
}

export function xsetbv(engine: Engine): void {
  requireRing0(engine)
  const value = edxEax(engine)
  if (low32(engine.registers.gpr[1]!) !== 0n || !isXcr0(engine, value)) throw generalProtection()
  engine.registers.xcr0[0] = value
}
