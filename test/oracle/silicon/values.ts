/** Values that operands take: edges and random ones, addresses in the middle of the data or at its rims, contents of the windows. */

import type { Mode, VectorState } from './case.ts'
import { CODE, DATA, DATA_BYTES, MIDDLE_WINDOW, SELECTORS, START } from './place.ts'
import type { Random } from './random.ts'

const EDGES: readonly bigint[] = [
  0n,
  1n,
  2n,
  0x7fn,
  0x80n,
  0xffn,
  0x7fffn,
  0x8000n,
  0xffffn,
  0x7fff_ffffn,
  0x8000_0000n,
  0xffff_ffffn,
  0x7fff_ffff_ffff_ffffn,
  0x8000_0000_0000_0000n,
  0xffff_ffff_ffff_ffffn,
]

export const operandValue = (random: Random): bigint =>
  random.chance(40) ? random.pick(EDGES) : random.chance(15) ? BigInt(random.below(70)) : random.quad()

/** Where the data begins for an effective address: 16-bit segments have it as their base. */
export const dataBase = (mode: Mode): bigint => (mode === 16 ? 0n : BigInt(DATA))

/** An effective address for an operand of so many bytes; `aligned` most of the time where the instruction asks for it. */
export function operandAddress(random: Random, mode: Mode, bytes: number, aligned: boolean): bigint {
  const base = dataBase(mode)
  const turn = random.below(100)
  if (turn < 4) return base + BigInt(DATA_BYTES - random.below(bytes + 4))
  if (turn < 6) return base + BigInt(DATA_BYTES + random.below(4096))
  if (turn < 8 && mode === 64) return random.quad() | (1n << 62n)
  if (turn < 8 && mode === 16) return BigInt(0x1_0000 - random.below(bytes + 1))
  const middle = MIDDLE_WINDOW.offset + 16 + random.below(96 - Math.min(bytes, 32))
  return base + BigInt(aligned && turn < 90 ? middle & ~(bytes - 1) : middle)
}

/** Somewhere for a branch to go: into the page of code, where nothing is mapped, or in 64-bit mode nowhere. */
export function branchTarget(random: Random, mode: Mode): bigint {
  const turn = random.below(10)
  const base = mode === 16 ? 0n : BigInt(CODE)
  if (turn < 6) return base + BigInt(START + 0x80 + random.below(0xd00))
  if (turn < 9 || mode !== 64)
    return mode === 16 ? BigInt(0x2000 + random.below(0xd000)) : 0x2000_0000n + BigInt(random.word() % 0x1000_0000)
  return random.quad() | (1n << 62n)
}

/** Selectors that exist, that are beyond the tables, the null ones. */
export const selectorValue = (random: Random): number =>
  random.pick([
    0,
    1,
    3,
    0x10,
    0x18,
    ...Object.values(SELECTORS),
    SELECTORS.data,
    SELECTORS.data,
    random.word() & 0xffff,
    0x80 + (random.word() & 0xff),
  ])

const STATUS_FLAGS = [0x1, 0x4, 0x10, 0x40, 0x80, 0x800] as const

/** RFLAGS with interrupts on, as the kernel gives them to a program. */
export function flagsValue(random: Random, withDirection: boolean): number {
  let flags = 0x202
  for (const flag of STATUS_FLAGS) if (random.chance(50)) flags |= flag
  if (withDirection && random.chance(50)) flags |= 0x400
  return flags
}

const EXCEPTIONS_MASKED = 0x1f80

/** Registers that are in use, so that what the processor knows of their initial state is no matter. */
export function vectorState(random: Random, x87: boolean): VectorState {
  const lane = (): bigint => (random.chance(25) ? random.pick(EDGES) | 1n : random.quad() | 1n)
  return {
    mxcsr: random.chance(50) ? EXCEPTIONS_MASKED : random.word() & 0xffff,
    control: x87 ? (random.word() & 0x1f3f) | 0x40 : 0x340 | 0x3f,
    status: x87 ? random.word() & 0x7f7f : 0,
    tag: 0,
    low: Array.from({ length: 32 }, lane),
    high: Array.from({ length: 32 }, lane),
  }
}
