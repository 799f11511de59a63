/** Multi-line macros: %macro ... %endmacro, and the lines that call one. */

import { isWord, type Span, spanOf, type Token, type TokenLine, textOf } from '../tokens.ts'
import { unbraced } from './expand.ts'
import type { Expansion } from './lines.ts'
import { type Invocation, LIMITS, type MultiMacro, type Preprocessor, topFrame } from './state.ts'

/** Arguments at the commas that no braces protect. */
export function splitArguments(tokens: readonly Token[]): Token[][] {
  if (tokens.length === 0) return []
  const values: Token[][] = [[]]
  let braces = 0
  for (const token of tokens) {
    if (token.type === '{') braces++
    else if (token.type === '}') braces--
    if (token.type === ',' && braces === 0) values.push([])
    else values.at(-1)!.push(token)
  }
  return values.map(unbraced)
}

/** `%macro name 1-3+.nolist default, default`. */
export function defineMacro(
  state: Preprocessor,
  directive: Token,
  tokens: readonly Token[],
  body: readonly TokenLine[],
  ignoresCase: boolean,
): void {
  const [name, ...rest] = tokens
  if (name === undefined || !isWord(name)) {
    state.report('E0402', `\`${directive.text}\` needs a name`, name ?? directive)
    return
  }
  const count = /^(\d+)(?:-(\d+|\*))?(\+?)$/
  let used = 0
  let text = ''
  while (used < rest.length && /^[\d\-+*]+$/.test(rest[used]!.text) && (used === 0 || !rest[used]!.space)) text += rest[used++]!.text
  const match = count.exec(text)
  if (match === null) {
    state.report('E0402', `the number of parameters of \`${name.text}\` is missing`, rest[0] ?? name, {
      help: [`\`%macro ${name.text} 2\` takes two, \`1-3\` one to three, \`1-*\` one or more`],
    })
    return
  }
  if (rest[used]?.text.toLowerCase() === '.nolist') used++
  const minimum = Number(match[1])
  const maximum = match[2] === '*' ? Number.POSITIVE_INFINITY : Number(match[2] ?? match[1])
  if (maximum < minimum) state.report('E0402', 'the least number of parameters is greater than the most', rest[0]!)
  const macro: MultiMacro = {
    name: name.text,
    ignoresCase,
    minimum,
    maximum: Math.max(minimum, maximum),
    greedy: match[3] === '+',
    defaults: splitArguments(rest.slice(used)),
    body,
    span: name,
    running: 0,
  }
  const key = name.text.toLowerCase()
  const others = (state.macros.get(key) ?? []).filter(
    other => other.name !== macro.name || other.minimum > macro.maximum || macro.minimum > other.maximum,
  )
  state.macros.set(key, [...others, macro])
}

const callable = (state: Preprocessor, token: Token | undefined): readonly MultiMacro[] => {
  if (token === undefined || !isWord(token)) return []
  return (state.macros.get(token.text.toLowerCase()) ?? []).filter(macro => macro.ignoresCase || macro.name === token.text)
}

/** When the line calls a macro: starts it and gives the tokens of the label in front; else undefined. */
export function callMacro(state: Preprocessor, tokens: readonly Token[]): readonly Token[] | undefined {
  if (state.macros.size === 0 || tokens.length === 0) return undefined
  let at = 0
  if (callable(state, tokens[0]).length === 0) {
    if (!isWord(tokens[0]!)) return undefined
    at = tokens[1]?.type === ':' ? 2 : 1
  }
  const candidates = callable(state, tokens[at])
  if (candidates.length === 0) return undefined
  const given = splitArguments(tokens.slice(at + 1))
  const macro = candidates.find(candidate => given.length >= candidate.minimum && (given.length <= candidate.maximum || candidate.greedy))
  const name = tokens[at]!
  if (macro === undefined || macro.running > 0) {
    // A macro may have the name of an instruction, and then does not hide the instruction's other uses.
    if (name.type !== 'name') return undefined
    if (macro)
      state.report('E0408', `the macro \`${name.text}\` calls itself`, name, { help: ['NASM’s macros do not recurse: %rep repeats'] })
    else wrongCount(state, candidates, given.length, spanOf(name, tokens.at(-1)!), name)
    return []
  }
  startMacro(state, macro, given, tokens, at)
  return usesLabel(macro) ? [] : tokens.slice(0, at)
}

function wrongCount(state: Preprocessor, candidates: readonly MultiMacro[], given: number, span: Span, name: Token): void {
  const takes = candidates.map(countText).join(' or ')
  state.report('E0403', `the macro \`${name.text}\` takes ${takes} argument${takes === '1' ? '' : 's'}, not ${given}`, span, {
    related: candidates.map(candidate => ({ span: candidate.span, text: 'defined' })),
    help: given > 1 ? ['braces keep a comma inside one argument: `{a, b}`'] : [],
  })
}

const countText = ({ minimum, maximum }: MultiMacro): string =>
  maximum === Number.POSITIVE_INFINITY ? `${minimum} or more` : minimum === maximum ? String(minimum) : `${minimum} to ${maximum}`

const usesLabel = (macro: MultiMacro): boolean => macro.body.some(line => line.tokens.some(token => token.text === '%00'))

function startMacro(state: Preprocessor, macro: MultiMacro, given: Token[][], tokens: readonly Token[], at: number): void {
  if (state.frames.length >= LIMITS.macros) {
    state.report('E0603', `macros are nested more than ${LIMITS.macros} deep`, tokens[at]!)
    return
  }
  const parent = topFrame(state)
  const values = fitted(macro, given)
  const expansion: Expansion = {
    name: macro.name,
    arguments: values.map(value => textOf(value)),
    definition: macro.span,
    call: tokens[at]!,
    parent: parent.expansion,
  }
  const label = at > 0 ? tokens[0]! : null
  const invocation: Invocation = { macro, arguments: values, given: values.length, id: state.nextId++, label, rotation: 0 }
  macro.running++
  state.frames.push({
    kind: 'macro',
    lines: macro.body,
    position: 0,
    invocation,
    expansion,
    depth: parent.depth + 1,
    conditions: [],
    remaining: 0,
  })
}

/** Defaults behind what was given; what is too much goes, with its commas, into a greedy last parameter. */
function fitted(macro: MultiMacro, given: Token[][]): Token[][] {
  if (macro.greedy && given.length > macro.maximum) {
    const last: Token[] = []
    for (const [index, value] of given.slice(macro.maximum - 1).entries()) {
      if (index > 0) last.push({ ...(value[0] ?? last.at(-1) ?? given[0]![0]!), type: ',', text: ',', space: false })
      last.push(...value)
    }
    return [...given.slice(0, macro.maximum - 1), last]
  }
  const values = [...given]
  while (values.length < macro.maximum && values.length - macro.minimum < macro.defaults.length)
    values.push([...macro.defaults[values.length - macro.minimum]!])
  return values
}
