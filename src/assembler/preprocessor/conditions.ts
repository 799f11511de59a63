/** %if and its kin: which lines are read. */

import { isWord, type Token } from '../tokens.ts'
import { contextOf, definesNamed } from './define-table.ts'
import { expandLine } from './expand.ts'
import { numberOf } from './numbers.ts'
import { type Condition, type Frame, type Preprocessor, topFrame } from './state.ts'

/** Whether the present line is read or skipped. */
export const isReading = (frame: Frame): boolean => frame.conditions.every(condition => condition.state === 'taken')

const IF = /^%(el)?if([a-z]*)$/

/** Whether this directive belongs to conditions: only those count in skipped lines. */
export const isConditional = (name: string): boolean => name === '%else' || name === '%endif' || IF.test(name)

export function runConditional(state: Preprocessor, name: string, directive: Token, rest: readonly Token[]): void {
  const frame = topFrame(state)
  const open = frame.conditions.at(-1)
  if (name === '%endif') {
    if (frame.conditions.pop() === undefined) withoutIf(state, directive)
    return
  }
  if (name === '%else') {
    if (open === undefined) {
      withoutIf(state, directive)
      return
    }
    if (open.sawElse) state.report('E0404', 'this %if already has an %else', directive)
    open.sawElse = true
    open.state = open.state === 'waiting' ? 'taken' : 'done'
    return
  }
  const [, branch, what] = IF.exec(name)!
  if (branch) {
    if (open === undefined) {
      withoutIf(state, directive)
      return
    }
    if (open.sawElse) state.report('E0404', '%elif stands behind %else', directive)
    if (open.hidden || open.state !== 'waiting') open.state = 'done'
    else if (test(state, what!, directive, rest)) open.state = 'taken'
    return
  }
  const hidden = !isReading(frame)
  const holds = !hidden && test(state, what!, directive, rest)
  frame.conditions.push({ span: directive, state: hidden ? 'done' : holds ? 'taken' : 'waiting', hidden, sawElse: false })
}

const withoutIf = (state: Preprocessor, directive: Token): void => state.report('E0404', `\`${directive.text}\` without %if`, directive)

export function reportOpenConditions(state: Preprocessor, conditions: readonly Condition[]): void {
  for (const { span } of conditions) state.report('E0404', 'this %if is not closed', span, { help: ['%endif closes it'] })
}

type Test = (state: Preprocessor, rest: readonly Token[], directive: Token) => boolean

const TESTS: Readonly<Record<string, Test>> = {
  '': (state, rest, directive) => (numberOf(state, rest, directive) ?? 0n) !== 0n,
  def: (state, rest) => rest.every(token => token.type === ',' || isDefined(state, token)),
  macro: macroExists,
  ctx: (state, rest) => rest.some(token => state.contexts.at(-1)?.name === token.text),
  idn: (state, rest, directive) => same(state, rest, directive, text => text),
  idni: (state, rest, directive) => same(state, rest, directive, text => text.toLowerCase()),
  id: (state, rest) => first(state, rest)?.type !== undefined && isWord(first(state, rest)!),
  num: (state, rest) => isNumber(expandLine(state, rest)),
  str: (state, rest) => first(state, rest)?.type === 'string',
  empty: (state, rest) => expandLine(state, rest).length === 0,
  token: (state, rest) => expandLine(state, rest).length === 1,
  env: () => false,
}

const first = (state: Preprocessor, rest: readonly Token[]): Token | undefined => expandLine(state, rest)[0]

function test(state: Preprocessor, what: string, directive: Token, rest: readonly Token[]): boolean {
  const plain = TESTS[what]
  if (plain) return plain(state, rest, directive)
  // %ifn, %ifndef, %ifnidn: the same test, turned round.
  const negated = what.startsWith('n') ? TESTS[what.slice(1)] : undefined
  if (negated) return !negated(state, rest, directive)
  state.report('E0401', `unknown condition \`${directive.text}\``, directive, {
    help: [
      `conditions are ${Object.keys(TESTS)
        .map(name => `%if${name}`)
        .join(', ')}`,
    ],
  })
  return false
}

function isNumber(tokens: readonly Token[]): boolean {
  const unsigned = tokens[0]?.type === '-' || tokens[0]?.type === '+' ? tokens.slice(1) : tokens
  return unsigned.length >= 1 && unsigned[0]!.type === 'number'
}

function isDefined(state: Preprocessor, token: Token): boolean {
  if (contextOf(state, token.text) !== undefined) return definesNamed(state, token) !== undefined
  return definesNamed(state, token) !== undefined || /^__\??(LINE|FILE|BITS)\??__$/.test(token.text)
}

/** `%ifmacro name 1-3`: whether a multi-line macro exists that takes so many. */
function macroExists(state: Preprocessor, rest: readonly Token[]): boolean {
  const [name, ...count] = rest
  if (name === undefined) return false
  const range = /^(\d+)(?:-(\d+|\*))?\+?$/.exec(count.map(token => token.text).join(''))
  const least = range ? Number(range[1]) : 0
  const most = !range || range[2] === '*' ? Number.POSITIVE_INFINITY : Number(range[2] ?? range[1])
  const known = (state.macros.get(name.text.toLowerCase()) ?? []).filter(macro => macro.ignoresCase || macro.name === name.text)
  return known.some(macro => macro.minimum <= most && (macro.greedy || macro.maximum >= least))
}

/** Compares the tokens on both sides of the first comma. As in NASM, white space before the comma counts, other does not. */
function same(state: Preprocessor, rest: readonly Token[], directive: Token, fold: (text: string) => string): boolean {
  const tokens = expandLine(state, rest)
  const comma = tokens.findIndex(token => token.type === ',')
  if (comma === -1) {
    state.report('E0402', `\`${directive.text}\` compares two things with a comma between`, directive)
    return false
  }
  if (tokens[comma]!.space) return false
  const side = (part: readonly Token[]) =>
    part.map(token => (token.type === 'string' ? `'${fold(token.text.slice(1, -1))}'` : fold(token.text)))
  const [left, right] = [side(tokens.slice(0, comma)), side(tokens.slice(comma + 1))]
  return left.length === right.length && left.every((text, index) => text === right[index])
}
