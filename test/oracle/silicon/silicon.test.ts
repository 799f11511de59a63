/** The CPU against what a real processor made of the same cases (see docs/silicon.md). */

import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { renderSilicon, SILICON_DOC } from '../../../scripts/silicon-doc.ts'
import { INSTRUCTIONS } from '../../../src/isa/table.ts'
import { isFull, slice } from '../../slice.ts'
import { GENERATOR_VERSION } from './cases.ts'
import { byRow, checkCase, newTally } from './check.ts'
import { createEmulator } from './emulator.ts'
import { HAND_TESTED } from './hand-tested.ts'
import { NOT_ASKED, type Section, sectionsOf, userForms } from './sections.ts'
import { HARNESS_VERSION, openVectors, type SiliconVectors, VECTOR_FILE } from './vectors.ts'

const ROOT = join(import.meta.dirname, '../../..')

function opened(): SiliconVectors {
  const vectors = openVectors()
  if (vectors === null) throw new Error('there is no vectors.bin: npm run oracle:cpu makes it')
  return vectors
}

const vectors = opened()
const sections = ([64, 32, 16] as const).flatMap(mode => sectionsOf(mode))

/** In npm test a few cases of some sections, in the full run all. */
const CASES_IN_SLICE = 3
const SECTIONS_IN_SLICE = 900

function checkRow(name: string, own: readonly Section[]): string[] {
  const tally = newTally()
  const runs = vectors.runs(name, own, isFull ? Number.POSITIVE_INFINITY : CASES_IN_SLICE)
  for (const section of own) {
    const ran = runs.get(section.key)
    for (const [number, outcome] of (ran?.outcomes ?? []).entries()) checkCase(emulator, section, ran!.cases[number]!, outcome, tally)
  }
  return tally.unexplained
}

const emulator = createEmulator()

describe('the CPU agrees with the processor', () => {
  const chosen = byRow(slice(sections, SECTIONS_IN_SLICE))
  const initials = [...new Set([...chosen.keys()].map(name => name[0]!))].sort()
  test.each(initials)('on every case of the instructions with %s', { timeout: 600_000 }, initial => {
    const unexplained = [...chosen].filter(([name]) => name[0] === initial).flatMap(([name, own]) => checkRow(name, own))
    expect(unexplained.slice(0, 10)).toEqual([])
  })
})

describe('the vectors', () => {
  test('are of this generator and this harness', () => {
    expect([vectors.header.generator, vectors.header.harness]).toEqual([GENERATOR_VERSION, HARNESS_VERSION])
  })

  test('are at least 400,000, and at least 50 for each form, operand size and mode that they have', () => {
    const counts = vectors.header.rows.flatMap(row => row.sections.map(([, cases]) => cases))
    expect(counts.reduce((total, cases) => total + cases, 0)).toBeGreaterThanOrEqual(400_000)
    expect(Math.min(...counts)).toBeGreaterThanOrEqual(50)
  })

  test('cover at least 95 % of the forms that a user program can run', () => {
    expect(sections.filter(section => vectors.count(section) === 0).map(({ key }) => key)).toEqual([])
    const covered = new Set(sections.map(({ form }) => form))
    const forms = userForms()
    expect(forms.filter(form => covered.has(form)).length / forms.length).toBeGreaterThanOrEqual(0.95)
  })

  test('stay under 10 MB', () => {
    expect(statSync(VECTOR_FILE).size).toBeLessThan(10_000_000)
  })
})

describe('an instruction that the processor is not asked about', () => {
  const asked = byRow(sections)
  const names = INSTRUCTIONS.map(({ mnemonic }) => mnemonic).filter(name => !asked.has(name) || name in HAND_TESTED)

  test('has a reason', () => {
    const hasForms = (name: string): boolean => INSTRUCTIONS.find(row => row.mnemonic === name)!.forms.some(form => !form.encodeOnly)
    expect(names.filter(name => !asked.has(name) && hasForms(name) && !(name in NOT_ASKED))).toEqual([])
  })

  test('is named in the file of tests that HAND_TESTED says', () => {
    const lacking = names
      .filter(name => name in NOT_ASKED || name in HAND_TESTED)
      .filter(name => {
        const file = HAND_TESTED[name]
        if (file === undefined || !existsSync(join(ROOT, file))) return true
        return !new RegExp(`\\b${name.replace(/64$/, '')}\\b`, 'i').test(readFileSync(join(ROOT, file), 'utf8'))
      })
    expect(lacking).toEqual([])
  })
})

test('docs/silicon.md is fresh', () => {
  expect(readFileSync(SILICON_DOC, 'utf8') === renderSilicon(vectors), 'npm run docs').toBe(true)
})
