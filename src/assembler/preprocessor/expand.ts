/**
 * Single-line macros at work: names in a line are replaced until none is left. A macro does not expand inside its own
 * expansion. What comes out stands, for diagnostics, where the name stood.
 */

import { lexAt } from '../lexer.ts'
import { quoted } from '../literals.ts'
import { OUTSIDE_MACROS } from '../outside.ts'
import { isWord, type Token, type Via } from '../tokens.ts'
import { contextOf, definesNamed } from './define-table.ts'
import { type Define, LIMITS, type Preprocessor } from './state.ts'

/** Names that are being expanded, innermost first. */
interface Active {
  readonly name: Define
  readonly outer: Active | null
  readonly depth: number
}

const isActive = (define: Define, active: Active | null): boolean => {
  for (let entry = active; entry !== null; entry = entry.outer) if (entry.name === define) return true
  return false
}

/** The line with all its single-line macros expanded; the same array when there are none. */
export function expandLine(state: Preprocessor, tokens: readonly Token[]): readonly Token[] {
  if (!mayExpand(state, tokens)) return tokens
  state.madeTokens = 0
  return paste(expand(state, inPlace(state, tokens), null))
}

function mayExpand(state: Preprocessor, tokens: readonly Token[]): boolean {
  for (const token of tokens) {
    if (token.type === 'preprocessor') return true
    if (isWord(token) && (definesNamed(state, token) !== undefined || token.text.startsWith('__'))) return true
  }
  return false
}

/** `%[...]`: expanded where it stands, before anything else. */
function inPlace(state: Preprocessor, tokens: readonly Token[]): readonly Token[] {
  const start = tokens.findIndex(token => token.text === '%[')
  if (start === -1) return tokens
  let depth = 1
  let end = start + 1
  for (; end < tokens.length && depth > 0; end++) {
    if (tokens[end]!.text === '[' || tokens[end]!.text === '%[') depth++
    else if (tokens[end]!.text === ']') depth--
  }
  if (depth > 0) {
    state.report('E0101', '`%[` is not closed', tokens[start]!, { help: ['`]` closes it'] })
    return tokens.toSpliced(start, 1)
  }
  const inner = expand(state, inPlace(state, tokens.slice(start + 1, end - 1)), null)
  const glued = inner.map((token, position) => (position === 0 ? { ...token, space: tokens[start]!.space } : token))
  return inPlace(state, joinAdjacent([...tokens.slice(0, start), ...glued, ...tokens.slice(end)]))
}

/** Everything that `%[...]` in a definition's body means at once. */
export const expandInPlace = (state: Preprocessor, tokens: readonly Token[]): readonly Token[] => inPlace(state, tokens)

function expand(state: Preprocessor, tokens: readonly Token[], active: Active | null): Token[] {
  const out: Token[] = []
  for (let position = 0; position < tokens.length; position++) {
    const token = tokens[position]!
    if (state.madeTokens > LIMITS.tokensInLine) return out
    const special = specialMacro(state, token)
    if (special !== undefined) {
      out.push(...special)
      continue
    }
    const defines = isWord(token) || token.type === 'preprocessor' ? definesNamed(state, token) : undefined
    if (defines === undefined) {
      out.push(contextLabel(state, token))
      continue
    }
    const call = readCall(state, defines, tokens, position)
    if (call === undefined || isActive(call.define, active)) {
      out.push(token)
      continue
    }
    if ((active?.depth ?? 0) >= LIMITS.expansionDepth) {
      state.report('E0603', `macros are nested more than ${LIMITS.expansionDepth} deep`, token)
      state.madeTokens = Number.POSITIVE_INFINITY
      return out
    }
    // Counted before it is made: a body that is too long is not made in vain.
    count(state, call.define.body.length, token)
    if (state.madeTokens > LIMITS.tokensInLine) return out
    const body = instantiate(state, call, token)
    count(state, Math.max(0, body.length - call.define.body.length), token)
    const made = expand(state, body, { name: call.define, outer: active, depth: (active?.depth ?? 0) + 1 })
    for (const one of made) out.push(one)
    position = call.end - 1
  }
  return out
}

function count(state: Preprocessor, made: number, at: Token): void {
  const before = state.madeTokens
  state.madeTokens += made
  if (before <= LIMITS.tokensInLine && state.madeTokens > LIMITS.tokensInLine)
    state.report('E0606', `the line grows beyond ${LIMITS.tokensInLine} tokens`, at, {
      help: ['a macro that contains another twice, many times over, grows like that'],
    })
}

/** `%$name` that no %define gave a meaning is a label of the context. */
function contextLabel(state: Preprocessor, token: Token): Token {
  if (token.type !== 'preprocessor') return token
  const local = contextOf(state, token.text)
  return local?.context ? { ...token, type: 'name', text: `..@${local.context.id}.${local.rest}` } : token
}

interface Call {
  readonly define: Define
  readonly arguments: readonly (readonly Token[])[]
  /** Behind the call. */
  readonly end: number
}

function readCall(state: Preprocessor, defines: readonly Define[], tokens: readonly Token[], at: number): Call | undefined {
  const plain = defines.find(define => define.parameters === null)
  if (plain) return { define: plain, arguments: [], end: at + 1 }
  if (tokens[at + 1]?.type !== '(') return undefined
  const parsed = readArguments(tokens, at + 2)
  if (parsed === undefined) {
    state.report('E0101', `the call of \`${tokens[at]!.text}\` is not closed`, tokens[at]!, { help: ['`)` closes its arguments'] })
    return undefined
  }
  const given = parsed.values.length === 1 && parsed.values[0]!.length === 0 ? 0 : parsed.values.length
  const define =
    defines.find(candidate => candidate.parameters!.length === given) ??
    defines.find(candidate => candidate.parameters!.length === parsed.values.length)
  if (define) return { define, arguments: given === 0 && define.parameters!.length === 0 ? [] : parsed.values, end: parsed.end }
  const takes = defines.map(candidate => candidate.parameters!.length).join(' or ')
  state.report('E0403', `the macro \`${tokens[at]!.text}\` takes ${takes} argument${takes === '1' ? '' : 's'}, not ${given}`, tokens[at]!, {
    related: defines.flatMap(candidate => (candidate.span ? [{ span: candidate.span, text: 'defined' }] : [])),
  })
  return undefined
}

/** Arguments up to the closing parenthesis; commas inside parentheses and braces do not separate. */
function readArguments(tokens: readonly Token[], start: number): { values: Token[][]; end: number } | undefined {
  const values: Token[][] = [[]]
  let depth = 0
  let braces = 0
  for (let position = start; position < tokens.length; position++) {
    const token = tokens[position]!
    if (braces === 0 && token.type === ')' && depth === 0) return { values: values.map(unbraced), end: position + 1 }
    if (token.type === ',' && depth === 0 && braces === 0) {
      values.push([])
      continue
    }
    if (token.type === '(' || token.type === '[') depth++
    else if (token.type === ')' || token.type === ']') depth--
    else if (token.type === '{') braces++
    else if (token.type === '}') braces--
    values.at(-1)!.push(token)
  }
  return undefined
}

/** Braces around a whole argument only protect its commas. */
export function unbraced(argument: Token[]): Token[] {
  return argument[0]?.type === '{' && argument.at(-1)?.type === '}' ? argument.slice(1, -1) : argument
}

function instantiate(state: Preprocessor, { define, arguments: values }: Call, at: Token): Token[] {
  const { source, line, column, length } = at
  const via: Via = { name: define.name, definition: define.span }
  const body: Token[] = []
  for (let position = 0; position < define.body.length; position++) {
    const token = define.body[position]!
    const { type, text } = token
    const space = position === 0 ? at.space : token.space
    const parameter = define.parameters === null ? -1 : define.parameters.indexOf(text)
    if (parameter !== -1) {
      for (const [index, value] of values[parameter]!.entries()) body.push(index === 0 ? { ...value, space } : value)
    } else if (text === '%?' || text === '%??') body.push({ ...at, type: 'name', text: text === '%?' ? at.text : define.name, space, via })
    else body.push({ type, text, source, line, column, length, space, via })
  }
  return inPlace(state, body) as Token[]
}

/** Macros that are not the same everywhere. */
function specialMacro(state: Preprocessor, token: Token): Token[] | undefined {
  if (!token.text.startsWith('__')) return undefined
  switch (token.text.replace(/^__\??|\??__$/g, '')) {
    case 'LINE':
      return lexAt(String(outermostLine(state) ?? token.line), token)
    case 'FILE':
      return lexAt(quoted(state.options.sources[token.source]?.file ?? ''), token)
    case 'BITS':
      return lexAt(String(state.options.bits()), token)
    default:
      return refusedMacro(state, token)
  }
}

/** A standard macro of NASM's that is refused by its name stands for nothing, or where a value must stand for 0. */
function refusedMacro(state: Preprocessor, token: Token): Token[] | undefined {
  const name = /^__\??(\w+?)\??__$/.exec(token.text)?.[1] ?? ''
  const instead = OUTSIDE_MACROS[name] ?? OUTSIDE_MACROS[FLOAT_NAMES[name] ?? '']
  if (instead === undefined || definesNamed(state, token) !== undefined) return undefined
  state.report('E0401', `\`${token.text}\` is outside the dialect that vtick reads`, token, { help: [instead] })
  return name === 'SECT' || /^(b?float|utf)\d/.test(name) ? [] : lexAt('0', token)
}

/** The old spellings of these are in lower case. */
const FLOAT_NAMES: Readonly<Record<string, string>> = { infinity: 'Infinity', nan: 'NaN', qnan: 'QNaN', snan: 'SNaN' }

/** Inside a macro, the line is that of the outermost call. */
function outermostLine(state: Preprocessor): number | undefined {
  let expansion = state.frames.at(-1)?.expansion ?? null
  while (expansion?.parent) expansion = expansion.parent
  return expansion?.call.line
}

/** `a %+ b` becomes `ab`. */
function paste(tokens: Token[]): Token[] {
  if (!tokens.some(token => token.text === '%+')) return tokens
  const out: Token[] = []
  for (let position = 0; position < tokens.length; position++) {
    const token = tokens[position]!
    const next = tokens[position + 1]
    const before = out.at(-1)
    if (token.text === '%+' && before !== undefined && next !== undefined) {
      out.pop()
      out.push(...lexAt(before.text + next.text, before))
      position++
    } else if (token.text !== '%+') out.push(token)
  }
  return out
}

const GLUES: ReadonlySet<string> = new Set(['number', 'float', 'here', 'start'])
const canGlue = (token: Token): boolean => isWord(token) || GLUES.has(token.type)

/** Words and numbers that stand side by side without space, because a parameter was put between them, become one. */
export function joinAdjacent(tokens: readonly Token[]): Token[] {
  const out: Token[] = []
  for (const token of tokens) {
    const before = out.at(-1)
    if (before !== undefined && !token.space && canGlue(token) && canGlue(before) && before.type !== 'start' && isWord(before)) {
      out.pop()
      out.push(...lexAt(before.text + token.text, before))
    } else out.push(token)
  }
  return out
}
