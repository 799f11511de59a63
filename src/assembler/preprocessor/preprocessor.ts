/**
 * Lines of a source, one after another, with files included, macros expanded and conditions decided. It works on tokens and
 * before the grammar, and gives a line only when it is asked, so that %if and %assign may use what the lines before defined.
 */

import { diagnostic, type MacroCall } from '../diagnostics.ts'
import { lexSource } from '../lexer.ts'
import { NO_TOKENS, type Token, type TokenLine } from '../tokens.ts'
import { isConditional, isReading, reportOpenConditions, runConditional } from './conditions.ts'
import { addDefine } from './define-table.ts'
import { openFile, runDirective } from './directives.ts'
import { expandLine } from './expand.ts'
import type { Expansion, LogicalLine } from './lines.ts'
import { callMacro } from './macros.ts'
import { substitute } from './parameters.ts'
import { type Frame, LIMITS, type Preprocessor, type PreprocessorOptions } from './state.ts'

/** NASM's version that this dialect follows, under both of its spellings. */
const STANDARD_DEFINES: Readonly<Record<string, string>> = {
  NASM_MAJOR: '2',
  NASM_MINOR: '16',
  NASM_SUBMINOR: '1',
  NASM_VERSION_ID: '0x02100100',
  NASM_VER: '"2.16.01"',
}

export function createPreprocessor(
  options: PreprocessorOptions,
  defines: Readonly<Record<string, string>>,
  lexed: Map<number, readonly TokenLine[]>,
): Preprocessor {
  const state: Preprocessor = {
    options,
    frames: [],
    defines: new Map(),
    foldedDefines: new Map(),
    macros: new Map(),
    contexts: [],
    lexed,
    ready: [],
    nextId: 1,
    emitted: 0,
    madeTokens: 0,
    stopped: false,
    dependsOnLayout: false,
    report: (code, message, span, notes) =>
      options.report(diagnostic(code, message, span, { ...notes, calls: callChain(state.frames.at(-1)?.expansion ?? null) })),
  }
  for (const [name, text] of Object.entries(STANDARD_DEFINES))
    for (const spelling of [`__${name}__`, `__?${name}?__`]) defineText(state, spelling, text)
  for (const [name, text] of Object.entries(defines)) defineText(state, name, text)
  openFile(state, 0)
  return state
}

function defineText(state: Preprocessor, name: string, text: string): void {
  addDefine(state, { name, parameters: null, body: lexSource(text, 0)[0]!.tokens, span: null, ignoresCase: false })
}

function callChain(innermost: Expansion | null): MacroCall[] {
  const calls: MacroCall[] = []
  for (let call = innermost; call !== null; call = call.parent) {
    calls.push({ name: call.name, arguments: call.arguments, definition: call.definition, call: call.call, expansion: '' })
  }
  return calls
}

/** The next line; undefined at the end. Lines that give the grammar nothing come without tokens, for the listing. */
export function nextLine(state: Preprocessor): LogicalLine | undefined {
  for (;;) {
    const ready = state.ready.shift()
    if (ready !== undefined) return ready
    const frame = state.frames.at(-1)
    if (frame === undefined || state.stopped) return undefined
    if (frame.position >= frame.lines.length) endFrame(state, frame)
    else readLine(state, frame, frame.lines[frame.position++]!)
  }
}

function endFrame(state: Preprocessor, frame: Frame): void {
  reportOpenConditions(state, frame.conditions)
  frame.conditions.length = 0
  if (frame.remaining > 0) {
    frame.remaining--
    frame.position = 0
    return
  }
  state.frames.pop()
  if (frame.kind === 'macro' && frame.invocation) frame.invocation.macro.running--
}

function readLine(state: Preprocessor, frame: Frame, raw: TokenLine): void {
  const { source, line } = raw
  const hand = (tokens: readonly Token[]) => state.ready.push({ tokens, source, line, expansion: frame.expansion, depth: frame.depth })
  if (++state.emitted > LIMITS.lines) {
    if (!state.stopped)
      state.report('E0606', `the source grows beyond ${LIMITS.lines} lines`, raw.tokens[0] ?? { source, line, column: 0, length: 1 })
    state.stopped = true
    return
  }
  const first = raw.tokens[0]
  if (first === undefined) {
    hand(NO_TOKENS)
    return
  }
  const name = first.type === 'preprocessor' && /^%[a-z]/i.test(first.text) ? first.text.toLowerCase() : ''
  if (!isReading(frame)) {
    hand(NO_TOKENS)
    if (isConditional(name)) runConditional(state, name, first, raw.tokens.slice(1))
    return
  }
  const tokens = frame.invocation ? substitute(state, raw.tokens, frame.invocation) : raw.tokens
  if (name !== '') {
    hand(NO_TOKENS)
    const rest = tokens.slice(1)
    if (isConditional(name)) runConditional(state, name, first, rest)
    else runDirective(state, name, first, rest)
    return
  }
  const expanded = expandLine(state, tokens)
  const called = callMacro(state, expanded)
  if (called === undefined) hand(expanded)
  else if (called.length === 0) hand(NO_TOKENS)
  else hand(called.at(-1)!.type === ':' ? called : [...called, colonBehind(called.at(-1)!)])
}

/** A label in front of a macro call needs no colon; as a line of its own it gets one, so that nobody warns. */
const colonBehind = (label: Token): Token => ({ ...label, type: ':', text: ':', space: false })
