/**
 * The 512 bytes of FXSAVE, with which an XSAVE area begins (Intel SDM, "FXSAVE—Save x87 FPU, MMX Technology, and SSE State").
 *
 *     0 FCW   2 FSW   4 abridged FTW   6 FOP   8 FIP   16 FDP   24 MXCSR   28 its mask   32 ST0..ST7   160 XMM0..XMM15
 *
 * With REX.W the pointers have 64 bits; without it they are 32-bit offsets, and the selectors behind them are 0 (FCS and FDS
 * are deprecated).
 */

import type { Size } from '../../../base/u64.ts'
import type { Engine } from '../engine.ts'
import { generalProtection } from '../faults.ts'
import { X87 } from '../registers.ts'
import { controlWord, settleSummary } from './x87.ts'

/** Bits of MXCSR that exist, denormals-are-zeros among them. */
export const MXCSR_MASK = 0xffffn
const ST = 32
const XMM = 160
const OPCODE_BITS = 0x7ffn

/** Parts of a save area, by their offset in it. */
export const loadAt = (engine: Engine, size: Size, area: bigint, offset: number): bigint => engine.loadLinear(size, area + BigInt(offset))
export const storeAt = (engine: Engine, size: Size, area: bigint, offset: number, value: bigint): void =>
  engine.storeLinear(size, area + BigInt(offset), value)

export function storeLegacyX87(engine: Engine, area: bigint, wide: boolean): void {
  const { x87, st } = engine.registers
  const words = x87[X87.control]! | (x87[X87.status]! << 16n) | (x87[X87.tag]! << 32n) | (x87[X87.opcode]! << 48n)
  const pointer = (value: bigint): bigint => (wide ? value : value & 0xffff_ffffn)
  storeAt(engine, 64, area, 0, words)
  storeAt(engine, 64, area, 8, pointer(x87[X87.instruction]!))
  storeAt(engine, 64, area, 16, pointer(x87[X87.data]!))
  for (let word = 0; word < 16; word++) storeAt(engine, 64, area, ST + 8 * word, st[word]!)
}

export function loadLegacyX87(engine: Engine, area: bigint, wide: boolean): void {
  const { x87, st } = engine.registers
  const pointer = (offset: number): bigint => loadAt(engine, wide ? 64 : 32, area, offset)
  x87[X87.control] = controlWord(loadAt(engine, 16, area, 0))
  x87[X87.status] = loadAt(engine, 16, area, 2)
  x87[X87.tag] = loadAt(engine, 8, area, 4)
  x87[X87.opcode] = loadAt(engine, 16, area, 6) & OPCODE_BITS
  x87[X87.instruction] = pointer(8)
  x87[X87.data] = pointer(16)
  for (let word = 0; word < 16; word += 2) {
    st[word] = loadAt(engine, 64, area, ST + 8 * word)
    st[word + 1] = loadAt(engine, 16, area, ST + 8 * word + 8)
  }
  settleSummary(x87)
}

export function storeMxcsr(engine: Engine, area: bigint): void {
  storeAt(engine, 64, area, 24, engine.registers.mxcsr[0]! | (MXCSR_MASK << 32n))
}

export function loadMxcsr(engine: Engine, area: bigint): void {
  const value = loadAt(engine, 32, area, 24)
  if ((value & ~MXCSR_MASK) !== 0n) throw generalProtection()
  engine.registers.mxcsr[0] = value
}

/** Outside 64-bit mode there are eight registers. */
const lanesOf = (bits: 16 | 32 | 64): number => (bits === 64 ? 32 : 16)

export function storeLegacySse(engine: Engine, area: bigint, bits: 16 | 32 | 64): void {
  for (let lane = 0; lane < lanesOf(bits); lane++) storeAt(engine, 64, area, XMM + 8 * lane, engine.registers.xmm[lane]!)
}

export function loadLegacySse(engine: Engine, area: bigint, bits: 16 | 32 | 64): void {
  for (let lane = 0; lane < lanesOf(bits); lane++) engine.registers.xmm[lane] = loadAt(engine, 64, area, XMM + 8 * lane)
}
