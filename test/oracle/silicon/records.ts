/** Cases as the harness reads them, outcomes as it writes them. */

import type { Outcome, SiliconCase, VectorState, Window } from './case.ts'

const MODES = { 64: 0, 32: 1, 16: 2 } as const
const KINDS = ['fell', 'branched', 'fault', 'hung'] as const

export function caseRecord({ mode, code, gpr, flags, vectors, windows }: SiliconCase): Buffer {
  const size = 4 + 16 + 17 * 8 + (vectors === null ? 0 : 8 + 512) + windows.reduce((sum, { bytes }) => sum + 4 + bytes.length, 0)
  const record = Buffer.alloc(size)
  record.set([MODES[mode], vectors === null ? 0 : 1, code.length, windows.length])
  record.set(code, 4)
  let at = 20
  for (const value of [...gpr, BigInt(flags)]) at = record.writeBigUInt64LE(value, at)
  if (vectors !== null) {
    at = record.writeUInt32LE(vectors.mxcsr, at)
    at = record.writeUInt16LE(vectors.control, at)
    at = record.writeUInt16LE(vectors.status, at)
    for (const lane of [...vectors.low, ...vectors.high]) at = record.writeBigUInt64LE(lane, at)
  }
  for (const { offset, bytes } of windows) {
    at = record.writeUInt16LE(offset, at)
    at = record.writeUInt16LE(bytes.length, at)
    record.set(bytes, at)
    at += bytes.length
  }
  return record
}

/** Reads outcomes one after another. */
export class OutcomeReader {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  next(hasVectors: boolean): Outcome {
    const bytes = this.#bytes
    const start = this.#at
    const [kind, vector] = [bytes[start]!, bytes[start + 1]!]
    const runs = bytes.readUInt16LE(start + 2)
    const quad = (index: number): bigint => bytes.readBigUInt64LE(start + 8 + 8 * index)
    this.#at = start + 8 + 8 * 19
    const outcome: Outcome = {
      kind: KINDS[kind]!,
      vector,
      error: bytes.readUInt32LE(start + 4),
      address: quad(0),
      rip: quad(1),
      gpr: Array.from({ length: 16 }, (_, index) => quad(2 + index)),
      flags: Number(quad(18) & 0xffff_ffffn),
      vectors: hasVectors ? this.#vectors() : null,
      runs: [],
    }
    return { ...outcome, runs: Array.from({ length: runs }, () => this.#run()) }
  }

  #vectors(): VectorState {
    const bytes = this.#bytes
    const at = this.#at
    this.#at += 12 + 512
    const lanes = (from: number): bigint[] => Array.from({ length: 32 }, (_, lane) => bytes.readBigUInt64LE(at + from + 8 * lane))
    return {
      mxcsr: bytes.readUInt32LE(at),
      control: bytes.readUInt16LE(at + 4),
      status: bytes.readUInt16LE(at + 6),
      tag: bytes[at + 8]!,
      low: lanes(12),
      high: lanes(12 + 256),
    }
  }

  #run(): Window {
    const offset = this.#bytes.readUInt16LE(this.#at)
    const length = this.#bytes.readUInt16LE(this.#at + 2)
    const start = this.#at + 4
    this.#at = start + length
    return { offset, bytes: this.#bytes.subarray(start, start + length) }
  }
}
