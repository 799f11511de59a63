/**
 * Source lines for debuggers (DWARF 4, "Line Number Information"): one compilation unit, whose line table says which line of which
 * file the bytes at an address came from. Addresses and offsets between the sections are left to relocations; where the addresses are
 * final, `base` is added here and nobody relocates.
 */

import { ByteWriter } from './byte-writer.ts'

/** Bytes of one section, and the line they came from. */
export interface LineRow {
  readonly offset: number
  readonly length: number
  /** Index into the files. */
  readonly file: number
  readonly line: number
}

/** A stretch of code: the lines of one section in the order of their places. */
export interface LineSequence {
  readonly section: number
  readonly base: number
  readonly rows: readonly LineRow[]
}

export interface DebugSection {
  readonly name: string
  readonly bytes: Uint8Array
  /** Places that hold an address in another section: by its number in `sequences`, or by its name among these. */
  readonly references: readonly { readonly at: number; readonly bytes: 4 | 8; readonly to: number | string; readonly addend: number }[]
}

type Reference = DebugSection['references'][number]

const VERSION = 4
const OPCODE_BASE = 13
/** Operands of the standard opcodes 1 to 12. */
const OPCODE_LENGTHS = [0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1]
const DW_LNS = { copy: 1, advancePc: 2, advanceLine: 3, setFile: 4 } as const
const DW_LNE = { endSequence: 1, setAddress: 2 } as const

export function debugSections(files: readonly string[], sequences: readonly LineSequence[], bits: 32 | 64): DebugSection[] {
  const used = sequences.filter(sequence => sequence.rows.length > 0)
  const size = bits === 64 ? 8 : 4
  return [lineSection(files, used, size), infoSection(files[0] ?? '', size), abbreviations(), rangesSection(used, size)]
}

/** Writes what `body` writes behind a length of it. */
function withLength(out: ByteWriter, body: () => void): void {
  const at = out.length
  out.u32(0)
  body()
  out.patch32(at, out.length - at - 4)
}

function lineSection(files: readonly string[], sequences: readonly LineSequence[], size: 4 | 8): DebugSection {
  const out = new ByteWriter()
  const references: Reference[] = []
  withLength(out, () => {
    out.u16(VERSION)
    withLength(out, () => {
      // Least instruction length, operations in one, default is_stmt, and the special opcodes' line base and range, unused.
      for (const byte of [1, 1, 1, 0xfb, 14, OPCODE_BASE, ...OPCODE_LENGTHS]) out.u8(byte)
      out.u8(0) // no directories
      for (const file of files) {
        out.text(file)
        for (let field = 0; field < 3; field++) out.uleb(0) // directory, time, length: unknown
      }
      out.u8(0)
    })
    for (const sequence of sequences) writeSequence(out, sequence, size, references)
  })
  return { name: '.debug_line', bytes: out.done(), references }
}

function writeSequence(out: ByteWriter, { section, base, rows }: LineSequence, size: 4 | 8, references: Reference[]): void {
  const first = rows[0]!
  out.u8(0)
  out.uleb(1 + size)
  out.u8(DW_LNE.setAddress)
  references.push({ at: out.length, bytes: size, to: section, addend: first.offset })
  out.word(BigInt(base + first.offset), size)
  let place = first.offset
  let [line, file] = [1, 1]
  for (const row of rows) {
    if (row.file + 1 !== file) {
      out.u8(DW_LNS.setFile)
      out.uleb(row.file + 1)
      file = row.file + 1
    }
    if (row.line !== line) {
      out.u8(DW_LNS.advanceLine)
      out.sleb(row.line - line)
      line = row.line
    }
    if (row.offset !== place) {
      out.u8(DW_LNS.advancePc)
      out.uleb(row.offset - place)
      place = row.offset
    }
    out.u8(DW_LNS.copy)
  }
  out.u8(DW_LNS.advancePc)
  out.uleb(rows.at(-1)!.length)
  for (const byte of [0, 1, DW_LNE.endSequence]) out.u8(byte)
}

const DW_TAG_COMPILE_UNIT = 0x11
const DW_AT = { name: 0x03, stmtList: 0x10, lowPc: 0x11, language: 0x13, producer: 0x25, ranges: 0x55 } as const
const DW_FORM = { addr: 0x01, data2: 0x05, string: 0x08, secOffset: 0x17 } as const
const DW_LANG_MIPS_ASSEMBLER = 0x8001

function abbreviations(): DebugSection {
  const out = new ByteWriter()
  for (const value of [1, DW_TAG_COMPILE_UNIT]) out.uleb(value)
  out.u8(0) // no children
  const attributes = [
    [DW_AT.stmtList, DW_FORM.secOffset],
    [DW_AT.lowPc, DW_FORM.addr],
    [DW_AT.ranges, DW_FORM.secOffset],
    [DW_AT.name, DW_FORM.string],
    [DW_AT.producer, DW_FORM.string],
    [DW_AT.language, DW_FORM.data2],
    [0, 0],
  ] as const
  for (const [attribute, form] of attributes) {
    out.uleb(attribute)
    out.uleb(form)
  }
  out.u8(0)
  return { name: '.debug_abbrev', bytes: out.done(), references: [] }
}

function infoSection(name: string, size: 4 | 8): DebugSection {
  const out = new ByteWriter()
  const references: Reference[] = []
  const refer = (to: string) => {
    references.push({ at: out.length, bytes: 4, to, addend: 0 })
    out.u32(0)
  }
  withLength(out, () => {
    out.u16(VERSION)
    refer('.debug_abbrev')
    out.u8(size)
    out.uleb(1)
    refer('.debug_line')
    out.word(0n, size)
    refer('.debug_ranges')
    out.text(name)
    out.text('vtick')
    out.u16(DW_LANG_MIPS_ASSEMBLER)
  })
  return { name: '.debug_info', bytes: out.done(), references }
}

/** Pairs of first address and end, counted from DW_AT_low_pc, which is 0; two zeros close the list. */
function rangesSection(sequences: readonly LineSequence[], size: 4 | 8): DebugSection {
  const out = new ByteWriter()
  const references: Reference[] = []
  for (const { section, base, rows } of sequences) {
    const last = rows.at(-1)!
    for (const place of [rows[0]!.offset, last.offset + last.length]) {
      references.push({ at: out.length, bytes: size, to: section, addend: place })
      out.word(BigInt(base + place), size)
    }
  }
  out.word(0n, size)
  out.word(0n, size)
  return { name: '.debug_ranges', bytes: out.done(), references }
}
