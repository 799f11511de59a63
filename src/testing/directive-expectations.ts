/** `;! expect` and what stands behind an instruction as `;=`: one reader for each thing that can be expected. */

import type { DefectName } from '../kvm/defects.ts'
import { readConditions } from './directive-parts.ts'
import { GPRS, readComparison, readEvent, readExits, readTimePoint, readValue, readVector, seesRegister } from './directive-patterns.ts'
import { Refusal, type WordReader } from './directive-words.ts'
import type { Axis, EventPattern, Expectation, GuestTestPlan, Place } from './plan.ts'

/** A plan under construction. */
export type Draft = { -readonly [K in keyof GuestTestPlan]: GuestTestPlan[K] } & {
  name: string
  groups: string[]
  matrix: Axis[]
  features: Record<string, boolean>
  defects: DefectName[]
  expectations: Expectation[]
}

export interface Directive {
  /** Of its first word. */
  readonly place: Place
  readonly words: WordReader
  readonly draft: Draft
}

const SUBJECTS: Readonly<Record<string, (directive: Directive) => void>> = {
  exits({ place, words, draft }) {
    const exits = readExits(words)
    const comparison = readComparison(words)
    const count = words.number('a number of exits')
    draft.expectations.push({ kind: 'exits', place, exits, comparison, count, when: readConditions(words) })
  },
  irq({ place, words, draft }) {
    const vector = readVector(words)
    if (words.skip('in')) {
      const from = readTimePoint(words)
      words.sign('..')
      const to = readTimePoint(words)
      draft.expectations.push({ kind: 'irq-time', place, vector, from, to, when: readConditions(words) })
      return
    }
    if (!words.sees('sign'))
      throw new Refusal(words.place, '`in A .. B` or a comparison is expected here', 'as in `irq(0xec) in deadline .. deadline+64cyc`')
    const comparison = readComparison(words)
    const count = words.number('a number of interrupts')
    draft.expectations.push({ kind: 'irqs', place, vector, comparison, count, when: readConditions(words) })
  },
  order({ place, words, draft }) {
    words.sign(':')
    const events: EventPattern[] = []
    do events.push(readEvent(words))
    while (words.skip(','))
    draft.expectations.push({ kind: 'order', place, events, when: readConditions(words) })
  },
}

/** `exits(HLT) == 0`, `irq(0xEC) in deadline .. deadline+64cyc`, `order: arm, HLT, irq(0xEC), eoi`. */
export function readExpect(directive: Directive): void {
  SUBJECTS[directive.words.choice(Object.keys(SUBJECTS), 'something to expect')]!(directive)
}

const LINE_EXPECTATIONS: Readonly<Record<string, (directive: Directive) => void>> = {
  'no-exit': ({ place, words, draft }) => draft.expectations.push({ kind: 'no-exit', place, when: readConditions(words) }),
  exit({ place, words, draft }) {
    const exits = readExits(words)
    draft.expectations.push({ kind: 'exit', place, exits, when: readConditions(words) })
  },
  wakes({ place, words, draft }) {
    words.choice(['irq'], 'what can wake it')
    draft.expectations.push({ kind: 'wakes', place, vector: readVector(words), when: readConditions(words) })
  },
}

/** What may begin an expectation about a line, registers and flags aside. */
export const LINE_WORDS = Object.keys(LINE_EXPECTATIONS)

/** `no-exit`, `exit HLT`, `wakes irq 0xEC`, `rax=0x5 ZF=1`. */
export function readLineExpectation(directive: Directive): void {
  const { place, words, draft } = directive
  if (!seesRegister(words)) {
    LINE_EXPECTATIONS[words.choice([...LINE_WORDS, ...GPRS], 'an expectation about a line')]!(directive)
    return
  }
  const found = []
  while (seesRegister(words)) found.push(readValue(words))
  const when = readConditions(words)
  for (const wanted of found) draft.expectations.push({ kind: 'value', place, wanted, when })
}
