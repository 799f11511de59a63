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

import { readConditions, readCpu, readExits, readMatrix } from './directive-parts.ts'
import { Refusal, suggestion, WordReader } from './directive-words.ts'
import { type Axis, BUDGETS, COMPARISONS, type Condition, type Expectation, type GuestTestPlan, type Place, type Problem } from './plan.ts'

type Draft = { -readonly [K in keyof GuestTestPlan]: GuestTestPlan[K] } & {
  name: string
  groups: string[]
  matrix: Axis[]
  features: Record<string, boolean>
  expectations: Expectation[]
}

interface Directive {
  /** Of its first word. */
  readonly place: Place
  readonly words: WordReader
  readonly draft: Draft
}

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
  expect({ place, words, draft }) {
    readSubject(words, 'exits', ['irq', 'order'])
    const exits = readExits(words)
    const comparison = readComparison(words)
    const count = words.number('a number of exits')
    draft.expectations.push({ kind: 'exits', place, exits, comparison, count, when: readConditions(words) })
  },
  never({ place, words, draft }) {
    const patterns = []
    do {
      readSubject(words, 'exit', ['irq'])
      patterns.push(readExits(words))
    } while (words.skip(','))
    const when = readConditions(words)
    for (const exits of patterns) draft.expectations.push({ kind: 'never', place, exits, when })
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

/** Words of the language that need what this machine cannot tell yet. */
const LATER_DIRECTIVES = ['same', 'golden', 'order']

const LINE_EXPECTATIONS: Readonly<Record<string, (directive: Directive) => void>> = {
  'no-exit': ({ place, words, draft }) => draft.expectations.push({ kind: 'no-exit', place, when: readConditions(words) }),
  exit({ place, words, draft }) {
    const exits = readExits(words)
    draft.expectations.push({ kind: 'exit', place, exits, when: readConditions(words) })
  },
}

function readComparison(words: WordReader): keyof typeof COMPARISONS {
  const { place } = words
  const sign = words.next('sign', 'a comparison')
  if (Object.hasOwn(COMPARISONS, sign)) return sign as keyof typeof COMPARISONS
  throw new Refusal(
    place,
    `\`${sign}\` is not a comparison`,
    sign === '=' ? 'did you mean `==`?' : `legal here: ${Object.keys(COMPARISONS).join(', ')}`,
  )
}

/** What an expectation is about; `later` are the subjects that exist in the language only. */
function readSubject(words: WordReader, subject: string, later: readonly string[]): void {
  const { place } = words
  const name = words.next('name', `\`${subject}(...)\``)
  if (later.includes(name))
    throw new Refusal(place, `\`${name}\` cannot be checked yet`, `what can be: ${subject}(REASON) and ${subject}(REASON, MSR)`)
  if (name !== subject) throw new Refusal(place, `\`${name}\` is not \`${subject}(...)\``, suggestion(name, [subject]))
}

export type ParseResult =
  | { readonly plan: GuestTestPlan; readonly problems: readonly [] }
  | { readonly plan: null; readonly problems: readonly Problem[] }

export function parseGuestTest(source: string): ParseResult {
  const draft: Draft = {
    name: '',
    place: { line: 1, column: 1 },
    groups: [],
    matrix: [],
    features: {},
    expectations: [],
    skip: null,
    only: false,
    fails: null,
  }
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
  for (const { when } of draft.expectations) for (const condition of when) attempt(() => checkCondition(condition, draft.matrix))
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
    const later = LATER_DIRECTIVES.find(word => words.stands(word))
    if (later !== undefined)
      throw new Refusal(place, `\`${later}\` cannot be checked yet`, `what can be: ${Object.keys(DIRECTIVES).join(', ')}`)
    DIRECTIVES[words.choice(Object.keys(DIRECTIVES), 'a directive')]!({ place, words, draft })
  } else {
    if (isMisplaced) throw new Refusal(place, 'this expectation stands behind the instruction that it is about')
    LINE_EXPECTATIONS[words.choice(Object.keys(LINE_EXPECTATIONS), 'an expectation about a line')]!({ place, words, draft })
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

interface Comment {
  readonly kind: '!' | '='
  /** Of the body, from 1. */
  readonly column: number
  readonly body: string
  readonly isMisplaced: boolean
}

/** Quoted text, which may hold a `;`, and whatever else comes before the first `;` outside it. */
const BEFORE_COMMENT = /^(?:"[^"]*"|'[^']*'|`[^`]*`|[^;"'`])*/

/** The directive or the expectations of a source line. Prose that mentions them is neither. */
function commentsOf(text: string): Comment[] {
  const start = BEFORE_COMMENT.exec(text)![0].length
  const isAlone = text.slice(0, start).trim() === ''
  if (isAlone && text.startsWith(';!', start)) return [{ kind: '!', column: start + 3, body: text.slice(start + 2), isMisplaced: false }]
  if (isAlone && !text.startsWith(';=', start)) return []
  return [...text.slice(start).matchAll(/;([=!])([^;]*)/g)].map(match => ({
    kind: match[1] as Comment['kind'],
    column: start + match.index + 3,
    body: match[2]!,
    isMisplaced: isAlone || match[1] === '!',
  }))
}
