/**
 * `npm run oracle:cpu [-- --seed N] [--cases N]`: runs the cases on the processor under us, compares our CPU with it, and keeps the
 * outcomes in vectors.bin when nothing is left unexplained. Wants gcc and an x86-64 Linux that lets programs use the LDT.
 */

import { parseArgs } from 'node:util'
import { makeCase } from './cases.ts'
import { byRow, checkCase, newTally } from './check.ts'
import { createEmulator } from './emulator.ts'
import { openProcessor } from './processor.ts'
import { type Section, sectionsOf } from './sections.ts'
import { deflateRow, writeVectors } from './vectors.ts'

const { values } = parseArgs({ options: { seed: { type: 'string', default: '1' }, cases: { type: 'string', default: '100' } } })
const seed = Number(values.seed)
/** In 64-bit mode twice as many. */
const perSection = Number(values.cases)
const countOf = ({ mode }: Section): number => (mode === 64 ? 2 * perSection : perSection)

const processor = openProcessor()
const emulator = createEmulator()
const unexplained: string[] = []
const rows = []
for (const [name, sections] of byRow([64, 32, 16].flatMap(mode => sectionsOf(mode as 64 | 32 | 16)))) {
  const cases = sections.map(section => Array.from({ length: countOf(section) }, (_, number) => makeCase(section, seed, number)))
  const all = processor.run(cases.flat())
  const ran = sections.map((section, index) => ({ section, cases: cases[index]!, outcomes: all.splice(0, cases[index]!.length) }))
  const tally = newTally()
  for (const { section, cases: own, outcomes } of ran)
    for (const [number, outcome] of outcomes.entries()) checkCase(emulator, section, own[number]!, outcome, tally)
  rows.push({
    name,
    sections: ran.map(({ section, outcomes }) => [section.key, outcomes.length] as const),
    faults: tally.faults,
    undefinedFlags: tally.undefinedFlags,
    explained: Object.fromEntries(tally.explained),
    deflated: deflateRow(ran),
  })
  unexplained.push(...tally.unexplained)
}
processor.close()
const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0)
const reasons = [...new Set(rows.flatMap(({ explained }) => Object.keys(explained)))]
const line = (count: number, what: string): void => console.log(`${String(count).padStart(7)}  ${what}`)
line(
  sum(rows.flatMap(({ sections }) => sections.map(([, count]) => count))),
  `cases of ${sum(rows.map(({ sections }) => sections.length))} forms, sizes and modes`,
)
line(sum(rows.map(({ faults }) => faults)), 'of them exceptions')
for (const reason of reasons) line(sum(rows.map(({ explained }) => explained[reason] ?? 0)), reason)
line(sum(rows.map(({ undefinedFlags }) => undefinedFlags)), 'flags that the manual leaves undefined')
line(unexplained.length, 'unexplained')
for (const text of unexplained.slice(0, 40)) console.log(text.slice(0, 400))
if (unexplained.length === 0) writeVectors(processor, seed, rows)
else process.exitCode = 1
