/** An exception that an instruction raises, as engines that work on values throw it. It is not an `Error`: the guest did something. */

export const VECTOR = {
  DE: 0,
  DB: 1,
  NMI: 2,
  BP: 3,
  OF: 4,
  BR: 5,
  UD: 6,
  NM: 7,
  DF: 8,
  TS: 10,
  NP: 11,
  SS: 12,
  GP: 13,
  PF: 14,
  MF: 16,
  AC: 17,
  MC: 18,
} as const

/** An exception. `errorCode` is null where the vector pushes none; `cr2` is the address of a page fault, or what a debug exception sets in DR6. */
export class Fault {
  readonly vector: number
  readonly errorCode: number | null
  readonly cr2: bigint
  constructor(vector: number, errorCode: number | null, cr2 = 0n) {
    this.vector = vector
    this.errorCode = errorCode
    this.cr2 = cr2
  }
}
