/** IN, OUT, INS and OUTS (Intel SDM, "I/O Instructions"; "Exit Qualification for I/O Instructions"). */

import { unsigned } from '../../../base/u64.ts'
import type { Instruction } from '../../../isa/instruction.ts'
import { DS, ES, type MemoryOperand, type Operand, RDI, RSI, type SegmentIndex } from '../../../isa/operands.ts'
import { portRead, portWrite } from '../../devices.ts'
import { emit } from '../../observe.ts'
import { addressSizeBits } from '../../vmx/instruction-information.ts'
import { guestHas } from '../../vmx/state.ts'
import { portMatches } from '../debug.ts'
import type { Engine } from '../engine.ts'
import { VmExit } from '../faults.ts'
import { requirePort } from './io-permission.ts'

interface Access {
  readonly port: number
  /** Bytes: 1, 2 or 4. */
  readonly bytes: number
  readonly input: boolean
  readonly string: boolean
  readonly immediate: boolean
}

/** Bits 2:0 size - 1, 3 input, 4 string, 5 REP, 6 port in the instruction, 31:16 port. */
function qualification(access: Access, repeat: boolean): bigint {
  const bits = (access.bytes - 1) | (access.input ? 8 : 0) | (access.string ? 16 : 0) | (repeat ? 32 : 0) | (access.immediate ? 64 : 0)
  return BigInt(bits) | (BigInt(access.port) << 16n)
}

function intercept(engine: Engine, access: Access, { repeat }: Instruction): void {
  const { vmx } = engine.cpu
  if (vmx.mode !== 'non-root') return
  const exits = guestHas(vmx, 'CPU_BASED_USE_IO_BITMAPS') ? inBitmap(engine, access) : guestHas(vmx, 'CPU_BASED_UNCOND_IO_EXITING')
  if (!exits) return
  const ofString = access.string
    ? { guestLinear: stringAddress(engine, access), instructionInformation: stringInformation(engine, access) }
    : {}
  throw new VmExit('EXIT_REASON_IO_INSTRUCTION', { byInstruction: true, qualification: qualification(access, repeat !== 0), ...ofString })
}

/** Bitmap A covers ports below 0x8000, B the others; any byte of the access counts. */
function inBitmap(engine: Engine, { port, bytes }: Access): boolean {
  const { ioBitmapA, ioBitmapB } = engine.cpu.vmx.controls
  for (let byte = 0; byte < bytes; byte++) {
    const at = (port + byte) & 0xffff
    const map = at < 0x8000 ? ioBitmapA : ioBitmapB
    if (((engine.memory.read8(map + ((at & 0x7fff) >> 3)) >> (at & 7)) & 1) === 1) return true
  }
  return port + bytes > 0x10000
}

const stringSegment = ({ current: { segment } }: Engine, input: boolean): SegmentIndex => (input ? ES : segment === -1 ? DS : segment)

const stringAddress = (engine: Engine, { input, bytes }: Access): bigint => {
  const pointer = engine.registers.gpr[input ? RDI : RSI]!
  const offset = unsigned(engine.current.addressSize, pointer)
  return engine.linear(stringSegment(engine, input), offset, bytes, input ? 'write' : 'read')
}

/** Address size and, of OUTS, the segment. */
const stringInformation = (engine: Engine, { input }: Access): number =>
  addressSizeBits(engine.current.addressSize) | (input ? 0 : stringSegment(engine, input) << 15)

function watchPort(engine: Engine, { port, bytes }: Access): void {
  if (engine.breakpoints !== null) engine.debugHits |= portMatches(engine.breakpoints, port, bytes)
}

function input(engine: Engine, access: Access): number {
  watchPort(engine, access)
  const value = portRead(engine.machine, engine.index, access.port, access.bytes)
  emit(engine.machine, engine.cpu, 'pio', { write: 0, port: access.port, size: access.bytes, value })
  return value
}

function output(engine: Engine, access: Access, value: number): void {
  const { machine, cpu } = engine
  watchPort(engine, access)
  emit(machine, cpu, 'pio', { write: 1, port: access.port, size: access.bytes, value })
  portWrite(machine, engine.index, access.port, access.bytes, value)
}

const portOf = (engine: Engine, operand: Operand): number => Number(engine.read(operand))

export function inInstruction(engine: Engine, i: Instruction): void {
  const access = {
    port: portOf(engine, i.src),
    bytes: (i.dst as { size: number }).size / 8,
    input: true,
    string: false,
    immediate: i.src.kind === 'immediate',
  }
  requirePort(engine, access.port, access.bytes)
  intercept(engine, access, i)
  engine.write(i.dst, BigInt(input(engine, access)))
}

export function outInstruction(engine: Engine, i: Instruction): void {
  const access = {
    port: portOf(engine, i.dst),
    bytes: (i.src as { size: number }).size / 8,
    input: false,
    string: false,
    immediate: i.dst.kind === 'immediate',
  }
  requirePort(engine, access.port, access.bytes)
  intercept(engine, access, i)
  output(engine, access, Number(engine.read(i.src)))
}

const DX = 2

const stringAccess = (engine: Engine, i: Instruction, isInput: boolean): Access => ({
  port: Number(engine.registers.gpr[DX]! & 0xffffn),
  bytes: stringBytes(i),
  input: isInput,
  string: true,
  immediate: false,
})

/** The letter of the mnemonic says the size. */
const stringBytes = (i: Instruction): 1 | 2 | 4 => (i.row.mnemonic.endsWith('B') ? 1 : i.row.mnemonic.endsWith('W') ? 2 : 4)

const memoryAt = (i: Instruction, base: number, segment: MemoryOperand['segment'], bytes: number): MemoryOperand => ({
  kind: 'memory',
  size: (bytes * 8) as 8 | 16 | 32,
  segment,
  addressSize: i.addressSize,
  base,
  index: -1,
  scale: 1,
  displacement: 0n,
  displacementBytes: 0,
})

export function insInstruction(engine: Engine, i: Instruction): void {
  const access = stringAccess(engine, i, true)
  requirePort(engine, access.port, access.bytes)
  intercept(engine, access, i)
  // The port is read only when its data has somewhere to go.
  const memory = memoryAt(i, RDI, ES, access.bytes)
  engine.modify(memory)
  engine.write(memory, BigInt(input(engine, access)))
}

export function outsInstruction(engine: Engine, i: Instruction): void {
  const access = stringAccess(engine, i, false)
  requirePort(engine, access.port, access.bytes)
  intercept(engine, access, i)
  output(engine, access, Number(engine.read(memoryAt(i, RSI, i.segment === -1 ? DS : i.segment, access.bytes))))
}
