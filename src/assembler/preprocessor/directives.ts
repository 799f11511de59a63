/** The preprocessor's other directives: files, macros, repetition, contexts, messages. */

import { nearest } from '../../base/suggest.ts'
import { lexSource } from '../lexer.ts'
import { OUTSIDE_PREPROCESSOR } from '../outside.ts'
import { type Token, type TokenLine, textOf } from '../tokens.ts'
import { DEFINITIONS } from './definitions.ts'
import { expandLine } from './expand.ts'
import { defineMacro } from './macros.ts'
import { numberOf, placeOfTokens } from './numbers.ts'
import { type Frame, LIMITS, type Preprocessor, topFrame } from './state.ts'

type Directive = (state: Preprocessor, directive: Token, rest: readonly Token[]) => void

const DIRECTIVES: Readonly<Record<string, Directive>> = {
  ...DEFINITIONS,
  '%include': include,
  '%macro': (state, directive, rest) => macro(state, directive, rest, false),
  '%imacro': (state, directive, rest) => macro(state, directive, rest, true),
  '%unmacro': unmacro,
  '%endmacro': (state, directive) => state.report('E0404', '`%endmacro` without %macro', directive),
  '%exitmacro': (state, directive) => leave(state, directive, 'macro'),
  '%rotate': rotate,
  '%rep': repeat,
  '%endrep': (state, directive) => state.report('E0404', '`%endrep` without %rep', directive),
  '%exitrep': (state, directive) => leave(state, directive, 'repeat'),
  '%push': push,
  '%pop': pop,
  '%repl': rename,
  '%error': (state, directive, rest) => state.report('E0406', message(state, rest), directive),
  '%warning': (state, directive, rest) => state.report('W0406', message(state, rest), directive),
  '%fatal': fatal,
  '%comment': (state, directive) => blockOf(state, directive, /^%comment$/i, /^%endcomment$/i),
  '%line': readOver,
  '%pragma': readOver,
}

export function runDirective(state: Preprocessor, name: string, directive: Token, rest: readonly Token[]): void {
  const run = DIRECTIVES[name]
  if (run) {
    run(state, directive, rest)
    return
  }
  const instead = OUTSIDE_PREPROCESSOR[name]
  if (instead !== undefined) {
    if (/^%i?rmacro$/.test(name)) blockOf(state, directive, /^%(i?r?)macro$/i, /^%endm(acro)?$/i)
    state.report('E0401', `\`${name}\` is outside the dialect that vtick reads`, directive, { help: [instead] })
    return
  }
  const suggestion = nearest(name, [...Object.keys(DIRECTIVES), '%if', '%ifdef', '%ifndef', '%elif', '%else', '%endif', '%ifidn'])
  state.report('E0401', `\`${directive.text}\` is not a directive that vtick reads`, directive, {
    hint: suggestion ? `did you mean \`${suggestion}\`?` : '',
  })
}

/** The lines up to the directive that closes this one, which are taken out of the frame. */
function blockOf(state: Preprocessor, directive: Token, opens: RegExp, closes: RegExp): readonly TokenLine[] | undefined {
  const frame = topFrame(state)
  let depth = 1
  for (let position = frame.position; position < frame.lines.length; position++) {
    const { text } = frame.lines[position]!.tokens[0] ?? { text: '' }
    if (opens.test(text)) depth++
    else if (closes.test(text) && --depth === 0) {
      const body = frame.lines.slice(frame.position, position)
      listSkipped(state, frame, position + 1)
      return body
    }
  }
  state.report('E0404', `\`${directive.text}\` is not closed`, directive, {
    help: [`%end${directive.text.slice(1).replace(/^i/, '')} closes it`],
  })
  listSkipped(state, frame, frame.lines.length)
  return undefined
}

/** The listing shows these lines too. */
function listSkipped(state: Preprocessor, frame: Frame, end: number): void {
  for (; frame.position < end; frame.position++) {
    const { source, line } = frame.lines[frame.position]!
    state.ready.push({ tokens: [], source, line, expansion: frame.expansion, depth: frame.depth })
  }
}

function macro(state: Preprocessor, directive: Token, rest: readonly Token[], ignoresCase: boolean): void {
  const body = blockOf(state, directive, /^%(i?r?)macro$/i, /^%endm(acro)?$/i)
  defineMacro(state, directive, expandTail(state, rest), body ?? [], ignoresCase)
}

/** The name stays as it is, the numbers behind it may come from single-line macros. */
const expandTail = (state: Preprocessor, rest: readonly Token[]): readonly Token[] => [
  ...rest.slice(0, 1),
  ...expandLine(state, rest.slice(1)),
]

function unmacro(state: Preprocessor, directive: Token, rest: readonly Token[]): void {
  const [name, count] = rest
  if (name === undefined) {
    state.report('E0402', '`%unmacro` needs a name', directive)
    return
  }
  const key = name.text.toLowerCase()
  const left = (state.macros.get(key) ?? []).filter(
    known => count !== undefined && !(known.minimum <= Number(count.text) && Number(count.text) <= known.maximum),
  )
  if (left.length > 0) state.macros.set(key, left)
  else state.macros.delete(key)
}

function include(state: Preprocessor, directive: Token, rest: readonly Token[]): void {
  const [name] = expandLine(state, rest)
  if (name?.type !== 'string') {
    state.report('E0402', '`%include` takes the name of a file in quotes', name ?? directive)
    return
  }
  if (state.frames.filter(frame => frame.kind === 'file').length >= LIMITS.files) {
    state.report('E0603', `files include each other more than ${LIMITS.files} deep`, name, {
      help: ['%ifndef and %define around a file’s contents make it harmless to include twice'],
    })
    return
  }
  const file = name.text.slice(1, -1)
  const from = state.options.sources[name.source]?.file ?? ''
  const found = state.options.include(file, from)
  if (found === undefined) {
    state.report('E0405', `the file \`${file}\` cannot be found`, name, { help: ['-I adds a folder to the search path'] })
    return
  }
  openFile(state, sourceIndex(state, found.file, found.text))
}

function sourceIndex(state: Preprocessor, file: string, text: string): number {
  const { sources } = state.options
  const known = sources.findIndex(source => source.file === file && source.text === text)
  return known !== -1 ? known : sources.push({ file, text }) - 1
}

export function openFile(state: Preprocessor, source: number): void {
  const lines = state.lexed.get(source) ?? lexSource(state.options.sources[source]!.text, source)
  state.lexed.set(source, lines)
  const depth = state.frames.at(-1)?.depth ?? 0
  state.frames.push({ kind: 'file', lines, position: 0, invocation: null, expansion: null, depth, conditions: [], remaining: 0 })
}

function repeat(state: Preprocessor, directive: Token, rest: readonly Token[]): void {
  const counted = rest.at(-1)?.text.toLowerCase() === '.nolist' ? rest.slice(0, -1) : rest
  const count = numberOf(state, counted, directive) ?? 0n
  const lines = blockOf(state, directive, /^%rep$/i, /^%endrep$/i)
  if (count > BigInt(LIMITS.repetitions)) {
    state.report('E0602', `%rep ${count} is more than ${LIMITS.repetitions} times`, placeOfTokens(counted, directive), {
      help: ['`times` repeats a single line'],
    })
    return
  }
  if (lines === undefined || lines.length === 0 || count <= 0n) return
  const { invocation, expansion, depth } = topFrame(state)
  if (state.frames.length >= LIMITS.macros) {
    state.report('E0603', `repetitions are nested more than ${LIMITS.macros} deep`, directive)
    return
  }
  state.frames.push({
    kind: 'repeat',
    lines,
    position: 0,
    invocation,
    expansion,
    depth: depth + 1,
    conditions: [],
    remaining: Number(count) - 1,
  })
}

/** Ends the innermost macro or repetition, and what was begun inside it. */
function leave(state: Preprocessor, directive: Token, kind: Frame['kind']): void {
  const index = state.frames.findLastIndex(frame => frame.kind === kind)
  if (index === -1) {
    state.report('E0404', `\`${directive.text}\` outside of ${kind === 'macro' ? 'a macro' : '%rep'}`, directive)
    return
  }
  for (const frame of state.frames.slice(index)) {
    frame.position = frame.lines.length
    frame.remaining = 0
    frame.conditions.length = 0
  }
}

function rotate(state: Preprocessor, directive: Token, rest: readonly Token[]): void {
  const { invocation } = topFrame(state)
  if (invocation === null) {
    state.report('E0404', '`%rotate` outside of a macro', directive)
    return
  }
  const by = numberOf(state, rest, directive)
  const count = invocation.arguments.length
  if (by === undefined || count === 0) return
  invocation.rotation = Number((((BigInt(invocation.rotation) + by) % BigInt(count)) + BigInt(count)) % BigInt(count))
}

function push(state: Preprocessor, directive: Token, rest: readonly Token[]): void {
  if (state.contexts.length >= LIMITS.macros) {
    state.report('E0603', `contexts are nested more than ${LIMITS.macros} deep`, directive)
    return
  }
  state.contexts.push({ name: rest[0]?.text ?? '', id: state.nextId++, defines: new Map() })
}

function pop(state: Preprocessor, directive: Token, rest: readonly Token[]): void {
  const open = state.contexts.at(-1)
  if (open === undefined) {
    state.report('E0404', '`%pop` without %push', directive)
    return
  }
  if (rest[0] !== undefined && rest[0].text !== open.name)
    state.report('E0404', `the open context is \`${open.name}\`, not \`${rest[0].text}\``, rest[0])
  state.contexts.pop()
}

function rename(state: Preprocessor, directive: Token, rest: readonly Token[]): void {
  const open = state.contexts.pop()
  if (open === undefined) {
    state.report('E0404', '`%repl` without %push', directive)
    return
  }
  state.contexts.push({ ...open, name: rest[0]?.text ?? '' })
}

function readOver(state: Preprocessor, directive: Token): void {
  state.report('W0407', `\`${directive.text}\` has no effect here`, directive, {
    help: ['messages and line tables name the lines of the file itself'],
  })
}

/** Quotes around the text of %error are not part of it. */
function message(state: Preprocessor, rest: readonly Token[]): string {
  const tokens = expandLine(state, rest)
  return tokens
    .map((token, index) => `${index > 0 && token.space ? ' ' : ''}${token.type === 'string' ? token.text.slice(1, -1) : token.text}`)
    .join('')
}

function fatal(state: Preprocessor, directive: Token, rest: readonly Token[]): void {
  state.report('E0406', textOf(rest) === '' ? 'fatal' : message(state, rest), directive)
  state.stopped = true
}
