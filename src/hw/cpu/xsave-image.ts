/**
 * The x87, SSE and AVX registers as one XSAVE area in the standard format, with every component that there is: what root software's own
 * XSAVE and XRSTOR move (see `hw/cpu/extended-state` for the layout).
 */

import { AVX_STATE, areaBytes, SSE_STATE, X87_STATE, XSAVE_COMPONENTS } from './extended-state.ts'
import type { Registers } from './registers.ts'
import { X87 } from './registers.ts'

const ALL = X87_STATE | SSE_STATE | AVX_STATE
const INSTRUCTION_POINTER = 8
const DATA_POINTER = 16
const MXCSR = 24
const ST = 32
const XMM = 160
const XSTATE_BV = 512
const YMM_HIGH = XSAVE_COMPONENTS[0]!.offset

export const XSAVE_IMAGE_BYTES = areaBytes(ALL)

/** Where each 64-bit word of the registers lies in the area. */
function words({ x87, st, xmm, ymmHigh }: Registers): readonly (readonly [at: number, words: BigUint64Array, index: number])[] {
  const run = (at: number, from: BigUint64Array): (readonly [number, BigUint64Array, number])[] =>
    Array.from(from, (_, index) => [at + 8 * index, from, index] as const)
  return [
    [INSTRUCTION_POINTER, x87, X87.instruction],
    [DATA_POINTER, x87, X87.data],
    ...run(ST, st),
    ...run(XMM, xmm),
    ...run(YMM_HIGH, ymmHigh),
  ]
}

/** Control, status, abridged tag and last opcode, of 16 bits each. */
const HALVES = [X87.control, X87.status, X87.tag, X87.opcode] as const

export function xsaveImage(registers: Registers): Uint8Array {
  const bytes = new Uint8Array(XSAVE_IMAGE_BYTES)
  const view = new DataView(bytes.buffer)
  for (const [position, part] of HALVES.entries()) view.setUint16(2 * position, Number(registers.x87[part]!), true)
  view.setUint32(MXCSR, Number(registers.mxcsr[0]!), true)
  for (const [at, from, index] of words(registers)) view.setBigUint64(at, from[index]!, true)
  view.setBigUint64(XSTATE_BV, ALL, true)
  return bytes
}

export function loadXsaveImage(registers: Registers, bytes: Uint8Array): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  for (const [position, part] of HALVES.entries()) registers.x87[part] = BigInt(view.getUint16(2 * position, true))
  registers.mxcsr[0] = BigInt(view.getUint32(MXCSR, true))
  for (const [at, into, index] of words(registers)) into[index] = view.getBigUint64(at, true)
}
