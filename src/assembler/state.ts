/**
 * The state of one assembly. Passes run over the same lines until no label moves: the first hopes that every forward branch is
 * short, each later one uses the labels that the one before it found, as NASM does; the last one emits.
 */

import type { Fixup } from '../isa/encode.ts'
import type { LineNode } from './ast.ts'
import type { Diagnostic } from './diagnostics.ts'
import type { ImageSource } from './image.ts'
import type { LogicalLine } from './preprocessor/lines.ts'
import type { Span } from './tokens.ts'
import type { Value } from './value.ts'

export interface SymbolEntry {
  readonly name: string
  /** Of a label in a section it follows from `offset` (`symbolValue`); null until somebody asks. */
  value: Value | null
  /** Number of the section that a label stands in; -1 for everything else. */
  section: number
  offset: number
  /** 'extern' is defined in another file. */
  readonly kind: 'label' | 'constant' | 'extern'
  /** Whether anything refers to it. */
  used: boolean
  span: Span
  /** The pass that defined it last. */
  pass: number
  /** A constant that depends on no label: it has its value from the first pass on. */
  fixed: boolean
  /** The second definition of a name, made anew in each pass: where it stands is nobody's concern. */
  readonly stray: boolean
}

/** What the assembler makes: bytes alone, objects for a linker, or bytes in an ELF file that a loader and gdb read. */
export type OutputFormat = 'bin' | 'elf64' | 'elf32' | 'exec'

/** Whether sections get their addresses from a linker. */
export const isObject = (format: OutputFormat): boolean => format === 'elf64' || format === 'elf32'

/** A place that the linker fills in. */
export interface Relocation {
  readonly section: number
  readonly offset: number
  readonly bytes: number
  readonly relative: boolean
  readonly signed: boolean
  /** The section, or below -1 the extern, that the address counts from. */
  readonly target: number
  readonly addend: bigint
}

/** What GLOBAL says of a name. */
export interface GlobalName {
  readonly type: 'notype' | 'function' | 'data'
  readonly visibility: 'default' | 'internal' | 'hidden' | 'protected'
  readonly span: Span
  readonly scope: string
}

export interface Section {
  readonly name: string
  /** Its number in values; -1 is no section, an absolute address. */
  readonly index: number
  align: number
  nobits: boolean
  alloc: boolean
  write: boolean
  exec: boolean
  /** Which it was, from 1, of those that the source went to or put something into; 0 before that. */
  opened: number
  /** Bytes so far in this pass. */
  offset: number
  /** Bytes in the pass before. */
  size: number
  /** Address of its first byte, as far as known. */
  base: number
  bytes: Uint8Array
}

/** A line with its tree, and what need not be found out again in every pass. */
export interface Item {
  readonly line: LogicalLine
  readonly node: LineNode
  /** What its label defines. */
  symbol: SymbolEntry | null
  /** Bytes it takes, when no label can change that; -1 when one can. */
  size: number
  /** The bytes themselves, when they depend on nothing. */
  bytes: readonly number[] | null
  branch: Branch | null
}

/** A jump to a label, whose distance decides between two sizes. */
export interface Branch {
  readonly target: SymbolEntry
  /** Its bytes, some distance at their end. */
  readonly short: readonly number[]
  readonly near: readonly number[]
}

/** Where a line's bytes went: what the listing and the line table are made of. */
export interface Placement {
  readonly item: Item
  readonly section: number
  readonly offset: number
  readonly length: number
  readonly fixups: readonly Fixup[]
  /** Of `times`: bytes of one repetition; 0 when it is not a repetition. */
  readonly repeated: number
  /** Space rather than bytes. */
  readonly reserved: boolean
}

export interface Assembly {
  readonly format: OutputFormat
  /** By their names in full; only an object has any. */
  readonly globals: Map<string, GlobalName>
  /** Names of externs: the one at position n has the section number -2 - n. */
  readonly externs: string[]
  readonly relocations: Relocation[]
  readonly sources: ImageSource[]
  readonly diagnostics: Diagnostic[]
  readonly symbols: Map<string, SymbolEntry>
  readonly sections: Section[]
  readonly placements: Placement[]
  origin: number | null
  originSpan: Span | null
  // Where the pass stands.
  pass: number
  final: boolean
  /** A symbol got another value than in the pass before. */
  moved: boolean
  /** The present expression asked for a label, `$` or `$$`: what it gives may change. */
  touched: boolean
  /** Nothing that the present line evaluated can change. */
  stable: boolean
  /** What the present line evaluated may change its size in the next pass. */
  volatile: boolean
  /** The present expression may only use names defined above it. */
  critical: boolean
  bits: 16 | 32 | 64
  bitsStated: boolean
  /** The mode of the first instruction. */
  firstBits: 16 | 32 | 64 | null
  /** DEFAULT REL. As in NASM, what the end of the source leaves holds from its start in the passes after the first. */
  relative: boolean
  /** In the first pass, an address was taken as absolute that DEFAULT REL would have made relative. */
  tookAbsolute: boolean
  /** The last label that was not local. */
  scope: string
  /** Null inside ABSOLUTE and STRUC, where `absolute` counts. */
  section: Section | null
  absolute: number
  item: Item | null
  /** Reports so far, made or, before the last pass, kept back: a line without any may be taken as it was. */
  reports: number
  /** Repetitions of `times` in this pass, over all lines. */
  repetitions: number
  /** Start of the line, which `$` means. */
  here: number
  readonly structures: Structure[]
  /** Names that the preprocessor knows (%define, macros), and the number behind one, for suggestions. */
  knownNames: () => readonly string[]
  macroNames: () => readonly string[]
  constantOf: (name: string) => bigint | undefined
  readonly readBinary: (name: string, from: number) => Uint8Array | undefined
}

/** A STRUC being defined or an ISTRUC being filled. */
export interface Structure {
  readonly kind: 'struc' | 'istruc'
  readonly name: string
  readonly before: Section | null
  readonly absoluteBefore: number
  readonly start: number
  readonly span: Span
}

/** More than any guest needs; `times` and `resb` beyond it are a slip. */
export const MAX_IMAGE_BYTES = 64 * 1024 * 1024
