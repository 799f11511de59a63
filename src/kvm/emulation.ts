/**
 * Where the emulation of one instruction stands, as plain data (Linux `struct x86_emulate_ctxt`, `mmio_fragments`). An instruction that reads
 * where only user space can answer is begun again when the answer is there; nothing that it does counts before it is complete. What it
 * writes to user space's devices then goes out one access after the other.
 */

export interface MmioAccess {
  /** Guest-physical address. */
  readonly address: number
  /** In bytes: 1, 2, 4 or 8. */
  readonly size: number
  readonly value: bigint
}

export interface Emulation {
  /** What the instruction has read of devices so far, in its order. */
  reads: MmioAccess[]
  /** The read that user space is asked for. */
  wanted: { readonly address: number; readonly size: number } | null
  /** What is still to be written. */
  writes: MmioAccess[]
}

/** The instruction needs what this emulator has not. */
export class Unhandled {}

/** Memory as the instruction addresses it; both throw a `Fault` of the guest's, and whatever ends the emulation early. */
export interface EmulatedMemory {
  read(linear: bigint, bytes: number): bigint
  write(linear: bigint, bytes: number, value: bigint): void
  /** Raises what a write would raise. */
  touch(linear: bigint, bytes: number): void
}
