/** The bytes of a case: prefixes, opcode, ModRM with an address that leads where the case wants it, immediates. */

import type { Form } from '../../../src/isa/notation.ts'
import { acceptsMemory, acceptsRegister, ignoresMod } from '../../../src/isa/table.ts'
import type { Mode } from './case.ts'
import { CODE, START } from './place.ts'
import type { Random } from './random.ts'
import type { Section } from './sections.ts'

/** What is still open while a case is put together. */
export interface Draft {
  readonly section: Section
  readonly random: Random
  readonly gpr: bigint[]
  /** Registers whose values the case needs as they are. */
  readonly pinned: Set<number>
  readonly addressSize: 16 | 32 | 64
  /** ModRM.reg and, where it is a register, ModRM.rm; with their extensions. */
  reg: number
  rm: number
  isMemory: boolean
  /** Effective address, where there is one. */
  target: bigint
  /** 0x64, 0x65 or another override; 0 for none. */
  override: number
  lock: boolean
  repeat: 0 | 0xf2 | 0xf3
  vvvv: number
  immediates: number[]
}

interface Address {
  readonly modrm: number
  readonly tail: readonly number[]
  readonly rexX: number
  readonly rexB: number
}

const wrap = (size: 16 | 32 | 64, value: bigint): bigint =>
  size === 64 ? BigInt.asUintN(64, value) : size === 32 ? BigInt.asUintN(32, value) : BigInt.asUintN(16, value)

export const littleEndian = (value: bigint, count: number): number[] => {
  const bits = BigInt.asUintN(64, value)
  return Array.from({ length: count }, (_, index) => Number((bits >> BigInt(8 * index)) & 0xffn))
}

/** Sets a register so that a sum with it comes to the target, keeping the upper half of what narrower addressing does not see. */
function solve(draft: Draft, index: number, value: bigint): void {
  const { gpr, addressSize } = draft
  const low = wrap(addressSize, value)
  if (addressSize === 64) gpr[index] = low
  else if (addressSize === 32) gpr[index] = draft.random.chance(50) ? low : (gpr[index]! & 0xffff_ffff_0000_0000n) | low
  else gpr[index] = (gpr[index]! & ~0xffffn) | low
}

const displacementOf = (random: Random, kind: 0 | 1 | 4 | 2): bigint =>
  kind === 0
    ? 0n
    : kind === 1
      ? BigInt.asIntN(8, BigInt(random.word()))
      : kind === 2
        ? BigInt.asIntN(16, BigInt(random.word()))
        : BigInt.asIntN(32, BigInt(random.word()))

const PAIRS: readonly (readonly [number, number])[] = [
  [3, 6],
  [3, 7],
  [5, 6],
  [5, 7],
  [6, -1],
  [7, -1],
  [5, -1],
  [3, -1],
]

function address16(draft: Draft): Address {
  const { random, gpr, pinned, target } = draft
  const rm = random.below(8)
  const [base, index] = PAIRS[rm]!
  const mod = random.below(3)
  const direct = mod === 0 && rm === 6
  const kind = direct ? 2 : mod === 0 ? 0 : mod === 1 ? 1 : 2
  if (direct || pinned.has(base)) return { modrm: 6, tail: littleEndian(target, 2), rexX: 0, rexB: 0 }
  const displacement = displacementOf(random, kind as 0 | 1 | 2)
  const rest = index < 0 ? 0n : gpr[index]!
  solve(draft, base, target - displacement - rest)
  return { modrm: (mod << 6) | rm, tail: littleEndian(displacement, kind), rexX: 0, rexB: 0 }
}

/** A base that is free to take a value; -1 when the case pinned too many. */
function freeRegister({ random, pinned }: Draft, count: number): number {
  for (let turn = 0; turn < 40; turn++) {
    const index = random.below(count)
    if (index !== 4 && !pinned.has(index)) return index
  }
  return -1
}

function address32(draft: Draft, codeLength: number): Address {
  const { random, gpr, section, target, addressSize } = draft
  const is64 = section.mode === 64
  const free = freeRegister(draft, is64 ? 16 : 8)
  const choice = random.below(10)
  const isNear = section.mode !== 64 || (target >= 0n && target < 0x7000_0000n)
  if ((free < 0 || choice === 0) && isNear) {
    if (!is64) return { modrm: 5, tail: littleEndian(target, 4), rexX: 0, rexB: 0 }
    // RIP-relative, or an absolute address by SIB without base and index; either reaches 32 bits far.
    if (random.chance(50)) return { modrm: 5, tail: littleEndian(target - BigInt(CODE + START + codeLength + 5), 4), rexX: 0, rexB: 0 }
    return { modrm: 4, tail: [0x25, ...littleEndian(target, 4)], rexX: 0, rexB: 0 }
  }
  const base = Math.max(free, 0)
  const mod = (base & 7) === 5 ? 1 + random.below(2) : random.below(3)
  const bytes = mod === 0 ? 0 : mod === 1 ? 1 : 4
  const displacement = displacementOf(random, bytes)
  if (choice < 6 && (base & 7) !== 4) {
    solve(draft, base, target - displacement)
    return { modrm: (mod << 6) | (base & 7), tail: littleEndian(displacement, bytes), rexX: 0, rexB: base >> 3 }
  }
  const drawn = random.below(is64 ? 16 : 8)
  const index = drawn === base && !isNear ? 4 : drawn
  const scale = random.below(4)
  const rest = index === 4 ? 0n : (index === base ? 0n : gpr[index]!) << BigInt(scale)
  if (index === base) gpr[base] = 0n
  const sib = (scale << 6) | ((index & 7) << 3) | (base & 7)
  if (index === base) {
    // base * (1 + scale) must come out: use the index as nothing else than a multiple of 0.
    solve(draft, base, 0n)
    return { modrm: 4, tail: [(4 << 3) | 5, ...littleEndian(target, 4)], rexX: 0, rexB: 0 }
  }
  solve(draft, base, wrap(addressSize, target - displacement - rest))
  return { modrm: (mod << 6) | 4, tail: [sib, ...littleEndian(displacement, bytes)], rexX: index >> 3, rexB: base >> 3 }
}

export const memoryAllowed = (form: Form): boolean =>
  form.modrm !== null && form.modrm.kind !== 'byte' && acceptsMemory(form) && !ignoresMod(form)
export const registerAllowed = (form: Form): boolean => acceptsRegister(form)

const usesByteRegister = (form: Form): boolean => form.operands.some(operand => operand.size === 8)

const regField = (draft: Draft): number => {
  const { modrm } = draft.section.form
  return modrm?.kind === 'digit' ? modrm.digit : draft.reg & 7
}

function legacyPrefixes(draft: Draft): number[] {
  const { section, random, addressSize, override, lock, repeat } = draft
  const { form, size, mode } = section
  const prefixes: number[] = []
  const natural = mode === 16 ? 16 : 32
  const toggled = mode === 64 ? size === 16 : form.vex === null && !form.only32or64 && size !== natural
  if (lock) prefixes.push(0xf0)
  if (override !== 0) prefixes.push(override)
  if (addressSize !== mode) prefixes.push(0x67)
  if (form.vex === null && (form.mandatory === 0x66 || (toggled && form.mandatory !== 'NP'))) prefixes.push(0x66)
  if (prefixes.length > 1 && random.chance(20)) prefixes.reverse()
  if (form.vex === null && (form.mandatory === 0xf2 || form.mandatory === 0xf3)) prefixes.push(form.mandatory)
  if (repeat !== 0) prefixes.push(repeat)
  return prefixes
}

function vexPrefix({ section, random, vvvv, reg }: Draft, rexX: number, rexB: number): number[] {
  const { form, size, mode } = section
  const { long, wide } = form.vex!
  const w = wide === 'operand' ? Number(size === 64) : wide === 'any' ? random.below(2) : wide
  const pp = form.mandatory === 0x66 ? 1 : form.mandatory === 0xf3 ? 2 : form.mandatory === 0xf2 ? 3 : 0
  const r = mode === 64 && form.modrm?.kind === 'r' ? (reg >> 3) & 1 : 0
  const usesVvvv = form.operands.some(operand => operand.place === 'vvvv')
  const inverted = ~(usesVvvv ? vvvv : 0) & 15
  const last = (inverted << 3) | (long << 2) | pp
  if (form.map === 1 && rexX === 0 && rexB === 0 && w === 0 && random.chance(50)) return [0xc5, ((1 - r) << 7) | last]
  return [0xc4, ((1 - r) << 7) | ((1 - rexX) << 6) | ((1 - rexB) << 5) | form.map, (w << 7) | last]
}

const OPCODE_MAPS: readonly (readonly number[])[] = [[], [0x0f], [0x0f, 0x38], [0x0f, 0x3a]]

/** All bytes; registers of the draft take the values that the address wants. */
export function bytesOf(draft: Draft): number[] {
  const { section, random } = draft
  const { form, size, mode } = section
  const prefixes = legacyPrefixes(draft)
  const map = form.vex === null ? OPCODE_MAPS[form.map]! : []
  const rough = prefixes.length + (form.vex === null ? 1 : 3) + map.length + 1 + draft.immediates.length
  let modrm: number[] = []
  let rexX = 0
  let rexB = form.plusRegister || !draft.isMemory ? (draft.rm >> 3) & 1 : 0
  if (form.modrm !== null) {
    if (form.modrm.kind === 'byte') {
      modrm = [form.modrm.byte]
      rexB = 0
    } else if (draft.isMemory) {
      const address = draft.addressSize === 16 ? address16(draft) : address32(draft, rough)
      modrm = [address.modrm | (regField(draft) << 3), ...address.tail]
      ;({ rexX, rexB } = address)
    } else modrm = [0xc0 | (regField(draft) << 3) | (draft.rm & 7)]
  }
  const opcode = form.opcode + (form.plusRegister ? draft.rm & 7 : 0)
  if (form.vex !== null) return [...prefixes, ...vexPrefix(draft, rexX, rexB), opcode, ...modrm, ...draft.immediates]
  const wide = mode === 64 && size === 64 && !form.default64 && !form.force64 ? 8 : 0
  const rexR = form.modrm?.kind === 'r' && form.operands.some(o => o.place === 'reg' && o.kind !== 'segment') ? (draft.reg >> 3) & 1 : 0
  const extension = wide | (rexR << 2) | (rexX << 1) | rexB
  const plain = mode === 64 && (extension !== 0 || (usesByteRegister(form) && random.chance(30)))
  return [...prefixes, ...(plain ? [0x40 | extension] : []), ...map, opcode, ...modrm, ...draft.immediates]
}

/** Bytes of an immediate of the form. */
export function immediateLength(token: Form['immediates'][number], size: 16 | 32 | 64, addressSize: Mode): number {
  switch (token) {
    case 'ib':
    case 'cb':
      return 1
    case 'iw':
      return 2
    case 'id':
      return 4
    case 'iq':
      return 8
    case 'oa':
      return addressSize / 8
    case 'iv':
      return size / 8
    default:
      return size === 16 ? 2 : 4
  }
}
