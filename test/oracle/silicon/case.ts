/** One case: bytes of an instruction, and everything that it can see. */

export type Mode = 64 | 32 | 16

export interface VectorState {
  readonly mxcsr: number
  readonly control: number
  readonly status: number
  /** Abridged tag word. */
  readonly tag: number
  /** Sixteen registers, low quadword first; then the upper halves alike. */
  readonly low: readonly bigint[]
  readonly high: readonly bigint[]
}

export interface Window {
  readonly offset: number
  readonly bytes: Uint8Array
}

export interface SiliconCase {
  readonly mode: Mode
  readonly code: readonly number[]
  readonly gpr: readonly bigint[]
  readonly flags: number
  readonly vectors: VectorState | null
  readonly windows: readonly Window[]
}

/** fell: went on to the next instruction. branched: to `rip`. fault: an exception, with registers as its handler finds them. */
export interface Outcome {
  readonly kind: 'fell' | 'branched' | 'fault' | 'hung'
  readonly vector: number
  readonly error: number
  readonly address: bigint
  /** Of a branch its target, of a fault the saved RIP; else 0. */
  readonly rip: bigint
  readonly gpr: readonly bigint[]
  readonly flags: number
  readonly vectors: VectorState | null
  /** What changed in the data pages. */
  readonly runs: readonly Window[]
}
