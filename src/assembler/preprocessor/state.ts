/** What the preprocessor keeps while it reads: where it stands in which text, what is defined, which conditions are open. */

import type { DiagnosticCode } from '../diagnostic-codes.ts'
import type { Diagnostic, DiagnosticNotes } from '../diagnostics.ts'
import type { ImageSource } from '../image.ts'
import type { Span, Token, TokenLine } from '../tokens.ts'
import type { Value } from '../value.ts'
import type { Expansion, LogicalLine } from './lines.ts'

/** A single-line macro; several may share a name with different numbers of parameters. */
export interface Define {
  readonly name: string
  readonly parameters: readonly string[] | null
  readonly body: readonly Token[]
  /** Null for what the command line or the assembler itself defines. */
  readonly span: Span | null
  readonly ignoresCase: boolean
}

export interface MultiMacro {
  readonly name: string
  readonly ignoresCase: boolean
  readonly minimum: number
  readonly maximum: number
  readonly greedy: boolean
  readonly defaults: readonly (readonly Token[])[]
  readonly body: readonly TokenLine[]
  readonly span: Span
  /** Calls that have not ended: NASM's macros do not call themselves. */
  running: number
}

export interface Invocation {
  readonly macro: MultiMacro
  readonly arguments: (readonly Token[])[]
  readonly given: number
  /** Makes `%%name` unlike that of every other call. */
  readonly id: number
  readonly label: Token | null
  rotation: number
}

export interface Condition {
  readonly span: Span
  /** 'done': an earlier branch was taken. */
  state: 'taken' | 'waiting' | 'done'
  /** The whole %if stands in a branch that is not read. */
  readonly hidden: boolean
  sawElse: boolean
}

export interface Frame {
  readonly kind: 'file' | 'macro' | 'repeat'
  readonly lines: readonly TokenLine[]
  position: number
  readonly invocation: Invocation | null
  readonly expansion: Expansion | null
  readonly depth: number
  readonly conditions: Condition[]
  /** Of a repetition: how often it still starts over. */
  remaining: number
}

export interface Context {
  readonly name: string
  readonly id: number
  readonly defines: Map<string, Define[]>
}

export interface PreprocessorOptions {
  readonly sources: ImageSource[]
  readonly include: (name: string, from: string) => ImageSource | undefined
  readonly report: (diagnostic: Diagnostic) => void
  /** Labels, `$` and constants as far as the assembly has come. */
  readonly symbol: (name: Token) => Value | undefined
  readonly here: () => Value
  readonly sectionStart: () => Value
  readonly bits: () => number
}

export interface Preprocessor {
  readonly options: PreprocessorOptions
  readonly frames: Frame[]
  readonly defines: Map<string, Define[]>
  /** By lower-case name. */
  readonly foldedDefines: Map<string, Define[]>
  readonly macros: Map<string, MultiMacro[]>
  readonly contexts: Context[]
  readonly lexed: Map<number, readonly TokenLine[]>
  /** Lines that are ready to be handed on. */
  readonly ready: LogicalLine[]
  nextId: number
  /** Lines handed on so far, and tokens made by macros in the present line. */
  emitted: number
  madeTokens: number
  /** %fatal, or a limit: nothing is read any more. */
  stopped: boolean
  /** A condition or a number depended on a label: the next pass must read everything again. */
  dependsOnLayout: boolean
  readonly report: (code: DiagnosticCode, message: string, span: Span, notes?: DiagnosticNotes) => void
}

export const LIMITS = {
  files: 64,
  macros: 1000,
  repetitions: 1_000_000,
  lines: 1_000_000,
  tokensInLine: 100_000,
  expansionDepth: 500,
} as const

export const topFrame = (state: Preprocessor): Frame => state.frames.at(-1)!
