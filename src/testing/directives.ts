/**
 * The directives of a guest test: comments `;!` on lines of their own, and expectations `;=` behind the line that they are about.
 *
 *     ;! test    "a deadline fires without an exit"
 *     ;! matrix  apic_timer_virt = 0, 1
 *     ;! expect  exits(MSR_WRITE, 0x6e0) == 0     when apic_timer_virt=1
 *             wrmsr                   ;= no-exit when apic_timer_virt=1
 *
 * A wrong directive is a `Problem` with its place; all of a file are found in one reading.
 */

import { type Comment, commentsOf } from './directive-comments.ts'
import { type Directive, type Draft, readExpect, readLineExpectation } from './directive-expectations.ts'
import { readCell, readConditions, readCpu, readDefect, readMatrix } from './directive-parts.ts'
import { readEvent } from './directive-patterns.ts'
import { Refusal, suggestion, WordReader } from './directive-words.ts'
import { type Axis, BUDGETS, type Condition, type EventPattern, type GuestTestPlan, type Place, type Problem, SAMENESS } from './plan.ts'

const DIRECTIVES: Readonly<Record<string, (directive: Directive) => void>> = {
  test({ place, words, draft }) {
    if (draft.name !== '')
      throw new Refusal(place, 'a file is one test, and it has a name already', 'the values that differ go into `;! matrix`')
    draft.name = words.next('text', 'the name in double quotes')
    draft.place = place
  },
  group({ words, draft }) {
    do draft.groups.push(words.next('name', "a group's name"))
    while (!words.isAtEnd)
  },
  matrix({ words, draft }) {
    do draft.matrix.push(readMatrix(words, draft.matrix))
    while (!words.isAtEnd)
  },
  cpu({ words, draft }) {
    do Object.assign(draft.features, readCpu(words))
    while (!words.isAtEnd)
  },
  defect({ words, draft }) {
    do draft.defects.push(readDefect(words))
    while (!words.isAtEnd)
  },
  budget({ words, draft }) {
    const found: { place: Place; budget: (typeof BUDGETS)[number]; limit: number }[] = []
    do {
      const { place } = words
      const budget = words.choice(BUDGETS, 'a budget')
      words.sign('<=')
      found.push({ place, budget, limit: words.number('a number') })
    } while (!words.isAtEnd && !words.stands('when'))
    const when = readConditions(words)
    for (const entry of found) draft.expectations.push({ kind: 'budget', ...entry, when })
  },
  expect: readExpect,
  never({ place, words, draft }) {
    const found: { event: EventPattern; isTwice: boolean }[] = []
    do found.push({ event: readEvent(words), isTwice: words.skip('twice') })
    while (words.skip(','))
    const when = readConditions(words)
    for (const entry of found) draft.expectations.push({ kind: 'never', place, ...entry, when })
  },
  prints({ place, words, draft }) {
    const lines: string[] = []
    do lines.push(words.next('text', 'a line in double quotes'))
    while (words.skip(','))
    draft.expectations.push({ kind: 'prints', place, lines, when: readConditions(words) })
  },
  same({ place, words, draft }) {
    const by = words.choice(SAMENESS, 'what must be the same')
    if (!words.skip('as'))
      throw new Refusal(words.place, '`as` and a cell of the matrix are expected here', 'as in `same arch as apic_timer_virt=0`')
    draft.expectations.push({ kind: 'same', place, by, cell: readCell(words), when: readConditions(words) })
  },
  golden({ place, words, draft }) {
    words.choice(['exits'], 'what can be kept')
    draft.expectations.push({ kind: 'golden', place, when: readConditions(words) })
  },
  input({ words, draft }) {
    draft.input += words.next('text', 'the text in double quotes').replaceAll('\\n', '\n')
  },
  skip({ words, draft }) {
    draft.skip = words.next('text', 'the reason in double quotes')
  },
  only({ draft }) {
    draft.only = true
  },
  fails({ words, draft }) {
    draft.fails = words.next('text', 'the reason in double quotes')
  },
}

export type ParseResult =
  | { readonly plan: GuestTestPlan; readonly problems: readonly [] }
  | { readonly plan: null; readonly problems: readonly Problem[] }

/** What a file without directives says. */
export const emptyDraft = (): Draft => ({
  name: '',
  place: { line: 1, column: 1 },
  groups: [],
  matrix: [],
  features: {},
  defects: [],
  expectations: [],
  input: '',
  skip: null,
  only: false,
  fails: null,
})

export function parseGuestTest(source: string): ParseResult {
  const draft = emptyDraft()
  const problems: Problem[] = []
  const attempt = (what: () => void): void => {
    try {
      what()
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      problems.push(error.problem)
    }
  }
  source.split(/\r?\n/).forEach((text, index) => {
    for (const comment of commentsOf(text)) attempt(() => readOne(comment, index + 1, draft))
  })
  for (const wanted of draft.expectations) {
    const conditions = [...wanted.when, ...(wanted.kind === 'same' ? wanted.cell : [])]
    for (const condition of conditions) attempt(() => checkCondition(condition, draft.matrix))
  }
  if (draft.name === '' && problems.length === 0)
    problems.push({
      place: draft.place,
      message: 'this guest test has no name',
      help: 'begin it with `;! test "a sentence that it proves"`',
    })
  if (problems.length > 0) return { plan: null, problems: problems.toSorted((a, b) => a.place.line - b.place.line) }
  return { plan: draft, problems: [] }
}

function readOne({ kind, body, column, isMisplaced }: Comment, line: number, draft: Draft): void {
  const words = new WordReader(body, line, column)
  const { place } = words
  if (kind === '!') {
    if (isMisplaced)
      throw new Refusal(place, 'a directive stands on a line of its own', 'behind an instruction: `;= no-exit` or `;= exit REASON`')
    DIRECTIVES[words.choice(Object.keys(DIRECTIVES), 'a directive')]!({ place, words, draft })
  } else {
    if (isMisplaced) throw new Refusal(place, 'this expectation stands behind the instruction that it is about')
    readLineExpectation({ place, words, draft })
  }
  words.end()
}

function checkCondition({ axis, value, place }: Condition, matrix: readonly Axis[]): void {
  const known = matrix.find(({ name }) => name === axis)
  const names = matrix.map(({ name }) => name)
  if (known === undefined)
    throw new Refusal(
      place,
      `\`${axis}\` is not an axis of the matrix`,
      names.length === 0 ? 'this test has no `;! matrix`' : suggestion(axis, names),
    )
  if (!known.values.includes(value))
    throw new Refusal(place, `\`${axis}\` is never ${value} in the matrix`, `its values: ${known.values.join(', ')}`)
}
