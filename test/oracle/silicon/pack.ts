/**
 * An outcome in few bytes: only what differs from the case's inputs, as exclusive-or with them in groups of seven bits.
 *
 *     kind 1:0, flags changed 2, memory changed 3, vectors changed 4
 *     fault: vector, error, address, RIP    branched: RIP
 *     mask of changed registers, then each    flags    runs of memory    changed lanes and words
 */

import type { Outcome, SiliconCase, VectorState, Window } from './case.ts'
import { comparableFlags } from './emulator.ts'

const KINDS = ['fell', 'branched', 'fault', 'hung'] as const
const FLAGS = 4
const MEMORY = 8
const VECTORS = 16

class Writer {
  readonly bytes: number[] = []
  number(value: bigint | number): void {
    let rest = BigInt(value)
    while (rest > 0x7fn) {
      this.bytes.push(Number(rest & 0x7fn) | 0x80)
      rest /= 128n
    }
    this.bytes.push(Number(rest))
  }
}

export class Reader {
  readonly #bytes: Uint8Array
  #at = 0
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }
  byte(): number {
    return this.#bytes[this.#at++]!
  }
  number(): bigint {
    let value = 0n
    for (let shift = 0n; ; shift += 7n) {
      const byte = this.byte()
      value |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) return value
    }
  }
  take(count: number): Uint8Array {
    this.#at += count
    return this.#bytes.subarray(this.#at - count, this.#at)
  }
}

const visible = ({ mode }: SiliconCase, gpr: readonly bigint[]): bigint[] =>
  gpr.map((value, index) => (mode === 64 ? value : index < 8 ? value & 0xffff_ffffn : 0n))

const words = ({ mxcsr, control, status, tag, low, high }: VectorState): bigint[] => [
  BigInt(mxcsr),
  BigInt(control),
  BigInt(status),
  BigInt(tag),
  ...low,
  ...high,
]

const hiddenLanes = (c: SiliconCase, index: number): boolean => c.mode !== 64 && index >= 4 && ((index - 4) & 31) >= 16

export function packOutcome(c: SiliconCase, outcome: Outcome): number[] {
  const writer = new Writer()
  const flags = comparableFlags(outcome.flags) ^ comparableFlags(c.flags)
  const before = c.vectors === null || outcome.vectors === null || outcome.kind === 'fault' ? [] : words(c.vectors)
  const after = before.length === 0 ? [] : words(outcome.vectors!)
  const changed = before.flatMap((word, index) => (word === after[index] || hiddenLanes(c, index) ? [] : [index]))
  writer.bytes.push(
    KINDS.indexOf(outcome.kind) |
      (flags === 0 ? 0 : FLAGS) |
      (outcome.runs.length === 0 ? 0 : MEMORY) |
      (changed.length === 0 ? 0 : VECTORS),
  )
  if (outcome.kind === 'fault') for (const value of [outcome.vector, outcome.error, outcome.address]) writer.number(value)
  if (outcome.kind !== 'fell') writer.number(outcome.rip)
  const [was, is] = [visible(c, c.gpr), visible(c, outcome.gpr)]
  writer.number(is.reduce((mask, value, index) => (value === was[index] ? mask : mask | (1 << index)), 0))
  for (const [index, value] of is.entries()) if (value !== was[index]) writer.number(value ^ was[index]!)
  if (flags !== 0) writer.number(flags)
  if (outcome.runs.length > 0) packRuns(writer, outcome.runs)
  if (changed.length > 0) {
    writer.number(changed.length)
    for (const index of changed) {
      writer.number(index)
      writer.number(before[index]! ^ after[index]!)
    }
  }
  return writer.bytes
}

function packRuns(writer: Writer, runs: readonly Window[]): void {
  writer.number(runs.length)
  for (const { offset, bytes } of runs) {
    writer.number(offset)
    writer.number(bytes.length)
    writer.bytes.push(...bytes)
  }
}

export function unpackOutcome(c: SiliconCase, reader: Reader): Outcome {
  const head = reader.byte()
  const kind = KINDS[head & 3]!
  const [vector, error, address] = kind === 'fault' ? [Number(reader.number()), Number(reader.number()), reader.number()] : [0, 0, 0n]
  const rip = kind === 'fell' ? 0n : reader.number()
  const mask = Number(reader.number())
  const gpr = visible(c, c.gpr).map((value, index) => ((mask >> index) & 1 ? value ^ reader.number() : value))
  const flags = comparableFlags(c.flags) ^ ((head & FLAGS) === 0 ? 0 : Number(reader.number()))
  const runs = (head & MEMORY) === 0 ? [] : Array.from({ length: Number(reader.number()) }, () => unpackRun(reader))
  const vectors =
    c.vectors === null || kind === 'fault' ? null : unpackVectors(c.vectors, (head & VECTORS) === 0 ? 0 : Number(reader.number()), reader)
  return { kind, vector, error, address, rip, gpr, flags, vectors, runs }
}

function unpackRun(reader: Reader): Window {
  const offset = Number(reader.number())
  return { offset, bytes: reader.take(Number(reader.number())) }
}

function unpackVectors(before: VectorState, count: number, reader: Reader): VectorState {
  const after = words(before)
  for (let turn = 0; turn < count; turn++) {
    const index = Number(reader.number())
    after[index] = after[index]! ^ reader.number()
  }
  const [mxcsr, control, status, tag] = after.slice(0, 4).map(Number) as [number, number, number, number]
  return { mxcsr, control, status, tag, low: after.slice(4, 36), high: after.slice(36) }
}
