/**
 * The layout of an XSAVE area (Intel SDM, "XSAVE Area"): the legacy region, the header, then the extended components, in the
 * standard format at fixed offsets and in the compacted one behind each other.
 *
 *     0    x87 control and pointers, ST0..ST7     24 MXCSR     160 XMM0..XMM15
 *     512  XSTATE_BV   520 XCOMP_BV   528..575 must be 0
 *     576  bits 255:128 of YMM0..YMM15
 */

import type { CpuFeature } from '../../spec/cpu-models.ts'
import { XCR0 } from '../../spec/cr-bits.ts'

export const LEGACY_BYTES = 512
export const HEADER_BYTES = 64

export interface StateComponent {
  /** In XCR0 and XSTATE_BV; the sub-leaf of CPUID leaf 0DH. */
  readonly bit: number
  readonly bytes: number
  /** In the standard format. */
  readonly offset: number
}

/** The components outside the legacy region. */
export const XSAVE_COMPONENTS: readonly StateComponent[] = [{ bit: XCR0.AVX, bytes: 256, offset: 576 }]

const bitOf = (position: number): bigint => 1n << BigInt(position)
export const X87_STATE = bitOf(XCR0.X87)
export const SSE_STATE = bitOf(XCR0.SSE)
export const AVX_STATE = bitOf(XCR0.AVX)

/** What XCR0 may hold on a CPU with these features. */
export const supportedState = (features: readonly CpuFeature[]): bigint =>
  X87_STATE | (features.includes('sse') ? SSE_STATE : 0n) | (features.includes('avx') ? AVX_STATE : 0n)

/** Bytes of an area in the standard format that holds these components. */
export function areaBytes(components: bigint): number {
  let end = LEGACY_BYTES + HEADER_BYTES
  for (const { bit, bytes, offset } of XSAVE_COMPONENTS) if ((components & bitOf(bit)) !== 0n) end = Math.max(end, offset + bytes)
  return end
}

/** Bytes of an area in the compacted format. */
export function compactedBytes(components: bigint): number {
  return XSAVE_COMPONENTS.reduce(
    (end, { bit, bytes }) => ((components & bitOf(bit)) !== 0n ? end + bytes : end),
    LEGACY_BYTES + HEADER_BYTES,
  )
}
