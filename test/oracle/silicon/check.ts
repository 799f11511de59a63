/** Cases of one row checked against what a processor made of them. */

import type { Outcome, SiliconCase } from './case.ts'
import { compare } from './compare.ts'
import { reasonOf } from './differences.ts'
import { type Emulator, emulate } from './emulator.ts'
import type { Section } from './sections.ts'

export interface Tally {
  cases: number
  faults: number
  /** Cases in which flags differ that the row says are undefined. */
  undefinedFlags: number
  /** Cases by the reason that explains their difference. */
  readonly explained: Map<string, number>
  /** Lines about cases that nothing explains. */
  readonly unexplained: string[]
}

export const newTally = (): Tally => ({ cases: 0, faults: 0, undefinedFlags: 0, explained: new Map(), unexplained: [] })

export function checkCase(emulator: Emulator, section: Section, c: SiliconCase, silicon: Outcome, tally: Tally): void {
  const ours = emulate(emulator, c)
  const { undefinedDiffers, differences } = compare(section, c, silicon, ours)
  tally.cases++
  if (silicon.kind === 'fault') tally.faults++
  if (undefinedDiffers) tally.undefinedFlags++
  if (differences.length === 0) return
  const reason = reasonOf(silicon, ours, section, c)
  if (reason !== undefined) tally.explained.set(reason, (tally.explained.get(reason) ?? 0) + 1)
  else tally.unexplained.push(`${section.key} ${Buffer.from(c.code).toString('hex')}: ${differences.join('; ')}`)
}

/** The sections of all modes by the row they belong to. */
export function byRow(sections: readonly Section[]): Map<string, Section[]> {
  const rows = new Map<string, Section[]>()
  for (const section of sections) {
    const list = rows.get(section.row.mnemonic)
    if (list === undefined) rows.set(section.row.mnemonic, [section])
    else list.push(section)
  }
  return rows
}
