/**
 * The file of what a processor gave: a header that says which one, then for each row of the table its outcomes, deflated. Inputs
 * are not in it; they come from the seed.
 *
 *     length of the header (32 bits), deflated header (JSON), deflated rows
 */

import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { deflateRawSync, inflateRawSync } from 'node:zlib'
import type { Outcome, SiliconCase } from './case.ts'
import { GENERATOR_VERSION, makeCase } from './cases.ts'
import { packOutcome, Reader, unpackOutcome } from './pack.ts'
import type { Section } from './sections.ts'

/** Rises when harness.c gives other outcomes for the same cases. */
export const HARNESS_VERSION = 1

export interface Header {
  readonly vendor: string
  readonly family: number
  readonly model: number
  readonly stepping: number
  readonly harness: number
  readonly generator: number
  readonly seed: number
  readonly rows: readonly RowHeader[]
}

export interface RowHeader {
  readonly name: string
  /** Of its deflated outcomes. */
  readonly bytes: number
  /** How many cases each section has, in order. */
  readonly sections: readonly (readonly [key: string, cases: number])[]
  /** What the comparison gave when the vectors were made. */
  readonly faults: number
  readonly undefinedFlags: number
  readonly explained: Readonly<Record<string, number>>
}

export const VECTOR_FILE = join(import.meta.dirname, 'vectors.bin')

export class SiliconVectors {
  readonly header: Header
  readonly #rows: ReadonlyMap<string, Buffer>
  readonly #counts: ReadonlyMap<string, number>

  constructor(file: Buffer) {
    const length = file.readUInt32LE(0)
    this.header = JSON.parse(inflateRawSync(file.subarray(4, 4 + length)).toString()) as Header
    let at = 4 + length
    const rows = new Map<string, Buffer>()
    for (const { name, bytes } of this.header.rows) {
      rows.set(name, file.subarray(at, at + bytes))
      at += bytes
    }
    this.#rows = rows
    this.#counts = new Map(this.header.rows.flatMap(({ sections }) => sections))
  }

  /** How many cases of a section there are; 0 for one that the file has not. */
  count(section: Section): number {
    return this.#counts.get(section.key) ?? 0
  }

  /** The cases of these sections, which are one row's, and what the processor made of them: each up to `most`, by key. */
  runs(name: string, sections: readonly Section[], most: number): Map<string, SectionRun> {
    const row = this.header.rows.find(candidate => candidate.name === name)
    const found = new Map<string, SectionRun>()
    if (row === undefined) return found
    const reader = new Reader(inflateRawSync(this.#rows.get(name)!))
    const byKey = new Map(sections.map(section => [section.key, section]))
    for (const [key, cases] of row.sections) {
      const bytes = Number(reader.number())
      const own = new Reader(reader.take(bytes))
      const section = byKey.get(key)
      if (section === undefined) continue
      const made = Array.from({ length: Math.min(cases, most) }, (_, number) => makeCase(section, this.header.seed, number))
      found.set(key, { cases: made, outcomes: made.map(c => unpackOutcome(c, own)) })
    }
    return found
  }
}

export const openVectors = (): SiliconVectors | null => (existsSync(VECTOR_FILE) ? new SiliconVectors(readFileSync(VECTOR_FILE)) : null)

/** What a section's cases came to. */
export interface SectionRun {
  readonly cases: readonly SiliconCase[]
  readonly outcomes: readonly Outcome[]
}

const sizePrefix = (length: number): number[] => {
  const bytes: number[] = []
  let rest = length
  for (; rest > 0x7f; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80)
  return [...bytes, rest]
}

export function deflateRow(sections: readonly SectionRun[]): Buffer {
  const parts = sections.map(({ cases, outcomes }) => {
    const bytes = outcomes.flatMap((outcome, number) => packOutcome(cases[number]!, outcome))
    return Buffer.from([...sizePrefix(bytes.length), ...bytes])
  })
  return deflateRawSync(Buffer.concat(parts), { level: 9 })
}

/** Writes the file; `rows` are deflated already. */
export function writeVectors(
  processor: Pick<Header, 'vendor' | 'family' | 'model' | 'stepping'>,
  seed: number,
  rows: readonly (Omit<RowHeader, 'bytes'> & { readonly deflated: Buffer })[],
  path = VECTOR_FILE,
): void {
  const { vendor, family, model, stepping } = processor
  const header: Header = {
    vendor,
    family,
    model,
    stepping,
    harness: HARNESS_VERSION,
    generator: GENERATOR_VERSION,
    seed,
    rows: rows.map(({ deflated, ...row }) => ({ ...row, bytes: deflated.length })),
  }
  const head = deflateRawSync(Buffer.from(JSON.stringify(header)), { level: 9 })
  const length = Buffer.alloc(4)
  length.writeUInt32LE(head.length)
  writeFileSync(path, Buffer.concat([length, head, ...rows.map(({ deflated }) => deflated)]))
}
