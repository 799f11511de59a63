/**
 * ELF files, relocatable and executable (System V ABI, "Object Files"): sections, symbols, relocations, and for an executable
 * one segment that holds all that is loaded. Names and numbers are the ABI's.
 */

import { ByteWriter } from './byte-writer.ts'

export const SHT = { NULL: 0, PROGBITS: 1, SYMTAB: 2, STRTAB: 3, RELA: 4, NOBITS: 8, REL: 9 } as const
export const SHF = { WRITE: 1, ALLOC: 2, EXECINSTR: 4, TLS: 0x400, INFO_LINK: 0x40 } as const
export const SHN_ABS = 0xfff1
export const SHN_UNDEF = 0
export const STT = { NOTYPE: 0, OBJECT: 1, FUNC: 2, SECTION: 3, FILE: 4 } as const
export const STB = { LOCAL: 0, GLOBAL: 1 } as const
export const STV = { default: 0, internal: 1, hidden: 2, protected: 3 } as const

export interface ElfSection {
  readonly name: string
  readonly type: number
  readonly flags: number
  readonly address: number
  readonly align: number
  readonly size: number
  /** Null takes no room in the file. */
  readonly bytes: Uint8Array | null
  readonly relocations: readonly ElfRelocation[]
}

export interface ElfSymbol {
  readonly name: string
  readonly value: bigint
  readonly size: bigint
  readonly type: number
  readonly bind: number
  readonly visibility: number
  /** Index of a section from 1, SHN_ABS or SHN_UNDEF. */
  readonly section: number
}

export interface ElfRelocation {
  readonly offset: number
  readonly type: number
  /** Index into the symbols, from 1. */
  readonly symbol: number
  readonly addend: bigint
}

export interface ElfFile {
  readonly bits: 32 | 64
  readonly kind: 'relocatable' | 'executable'
  readonly entry: bigint
  readonly sections: readonly ElfSection[]
  /** Locals first. The null symbol is added. */
  readonly symbols: readonly ElfSymbol[]
}

interface Header {
  readonly name: number
  readonly type: number
  readonly flags: number
  readonly address: number
  readonly offset: number
  readonly size: number
  readonly link: number
  readonly info: number
  readonly align: number
  readonly entrySize: number
}

/** Names behind one another, with the place of each. */
class StringTable {
  readonly #writer = new ByteWriter()
  readonly #places = new Map<string, number>()

  constructor() {
    this.#writer.u8(0)
  }

  place(name: string): number {
    if (name === '') return 0
    const known = this.#places.get(name)
    if (known !== undefined) return known
    const at = this.#writer.length
    this.#writer.text(name)
    this.#places.set(name, at)
    return at
  }

  done(): Uint8Array {
    return this.#writer.done()
  }
}

const EHDR_SIZE = { 32: 52, 64: 64 } as const
const PHDR_SIZE = { 32: 32, 64: 56 } as const
const SHDR_SIZE = { 32: 40, 64: 64 } as const
const PAGE = 0x1000

/** Header, program headers, contents, section headers. */
export function writeElf(file: ElfFile): Uint8Array {
  const { bits, sections } = file
  // One segment from the first loaded section on: what stands behind it takes room in memory only.
  const loaded = file.kind === 'executable' ? sections.slice(0, 1) : []
  const end = Math.max(...sections.map(section => ((section.flags & SHF.ALLOC) === 0 ? 0 : section.address + section.size)))
  const names = new StringTable()
  const body = new ByteWriter()
  body.raw(new Uint8Array(EHDR_SIZE[bits] + PHDR_SIZE[bits] * loaded.length))
  const headers: Header[] = [emptyHeader]
  const add = (header: Omit<Header, 'offset' | 'name' | 'size'>, name: string, bytes: Uint8Array | null, size = bytes?.length ?? 0) => {
    if (file.kind === 'executable' && (header.flags & SHF.ALLOC) !== 0)
      // A loader maps whole pages: the place in the file and the address agree within one.
      while (body.length % PAGE !== header.address % PAGE) body.u8(0)
    else body.align(Math.max(1, header.align))
    headers.push({ ...header, name: names.place(name), offset: body.length, size })
    if (bytes !== null) body.raw(bytes)
  }
  for (const { name, bytes, size, ...rest } of sections) add({ ...rest, link: 0, info: 0, entrySize: 0 }, name, bytes, size)
  const strings = new StringTable()
  const symtab = headers.length
  add(symbolHeader(file, symtab + 1), '.symtab', symbolTable(file, strings))
  add(plainHeader(SHT.STRTAB), '.strtab', strings.done())
  for (const [index, { name, relocations }] of sections.entries()) {
    if (relocations.length === 0) continue
    const [prefix, header] = relocationHeader(bits, symtab, index + 1)
    add(header, `${prefix}${name}`, relocationTable(relocations, bits))
  }
  names.place('.shstrtab')
  add(plainHeader(SHT.STRTAB), '.shstrtab', names.done())
  body.align(8)
  const sectionHeaders = body.length
  for (const header of headers) writeSectionHeader(body, header, bits)
  const bytes = body.done()
  const front = new ByteWriter()
  writeFileHeader(front, file, { sectionHeaders, sections: headers.length, segments: loaded.length })
  for (const section of loaded) writeProgramHeader(front, section, headers[1]!.offset, end - section.address, bits)
  bytes.set(front.done())
  return bytes
}

const plainHeader = (type: number) => ({ type, flags: 0, address: 0, link: 0, info: 0, align: 1, entrySize: 0 })
const emptyHeader: Header = { ...plainHeader(SHT.NULL), name: 0, offset: 0, size: 0, align: 0 }

/** `info` counts the local symbols, the null symbol among them. */
const symbolHeader = ({ bits, symbols }: ElfFile, strings: number) => ({
  ...plainHeader(SHT.SYMTAB),
  link: strings,
  info: 1 + symbols.filter(symbol => symbol.bind === STB.LOCAL).length,
  align: bits / 8,
  entrySize: bits === 64 ? 24 : 16,
})

function relocationHeader(bits: 32 | 64, link: number, info: number) {
  const common = { link, info, align: bits / 8, flags: SHF.INFO_LINK }
  return bits === 64
    ? (['.rela', { ...plainHeader(SHT.RELA), ...common, entrySize: 24 }] as const)
    : (['.rel', { ...plainHeader(SHT.REL), ...common, entrySize: 8 }] as const)
}

function symbolTable({ bits, symbols }: ElfFile, strings: StringTable): Uint8Array {
  const out = new ByteWriter()
  out.raw(new Uint8Array(bits === 64 ? 24 : 16))
  for (const { name, value, size, type, bind, visibility, section } of symbols) {
    out.u32(strings.place(name))
    if (bits === 32) {
      out.word(value, 4)
      out.word(size, 4)
    }
    out.u8((bind << 4) | type)
    out.u8(visibility)
    out.u16(section)
    if (bits === 64) {
      out.u64(value)
      out.u64(size)
    }
  }
  return out.done()
}

/** With the addend in the entry for 64 bits; for 32 it stands in the place that is relocated. */
function relocationTable(relocations: readonly ElfRelocation[], bits: 32 | 64): Uint8Array {
  const out = new ByteWriter()
  for (const { offset, type, symbol, addend } of relocations) {
    if (bits === 64) {
      out.u64(BigInt(offset))
      out.u32(type)
      out.u32(symbol)
      out.u64(addend)
    } else {
      out.u32(offset)
      out.u32((symbol << 8) | type)
    }
  }
  return out.done()
}

function writeSectionHeader(out: ByteWriter, header: Header, bits: 32 | 64): void {
  const size = bits === 64 ? 8 : 4
  out.u32(header.name)
  out.u32(header.type)
  for (const value of [header.flags, header.address, header.offset, header.size]) out.word(BigInt(value), size)
  out.u32(header.link)
  out.u32(header.info)
  out.word(BigInt(header.align), size)
  out.word(BigInt(header.entrySize), size)
}

interface Counts {
  readonly sectionHeaders: number
  readonly sections: number
  readonly segments: number
}

const MACHINES = { 32: 3, 64: 62 } as const

function writeFileHeader(out: ByteWriter, { bits, kind, entry }: ElfFile, { sectionHeaders, sections, segments }: Counts): void {
  const size = bits === 64 ? 8 : 4
  out.raw(Uint8Array.of(0x7f, 0x45, 0x4c, 0x46, bits === 64 ? 2 : 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0))
  out.u16(kind === 'executable' ? 2 : 1)
  out.u16(MACHINES[bits])
  out.u32(1)
  out.word(entry, size)
  out.word(BigInt(segments === 0 ? 0 : EHDR_SIZE[bits]), size)
  out.word(BigInt(sectionHeaders), size)
  out.u32(0)
  out.u16(EHDR_SIZE[bits])
  out.u16(segments === 0 ? 0 : PHDR_SIZE[bits])
  out.u16(segments)
  out.u16(SHDR_SIZE[bits])
  out.u16(sections)
  out.u16(sections - 1)
}

const PT_LOAD = 1

function writeProgramHeader(out: ByteWriter, section: ElfSection, offset: number, memory: number, bits: 32 | 64): void {
  const flags = 4 | ((section.flags & SHF.WRITE) !== 0 ? 2 : 0) | ((section.flags & SHF.EXECINSTR) !== 0 ? 1 : 0)
  const size = bits === 64 ? 8 : 4
  out.u32(PT_LOAD)
  if (bits === 64) out.u32(flags)
  for (const value of [offset, section.address, section.address, section.size, memory]) out.word(BigInt(value), size)
  if (bits === 32) out.u32(flags)
  out.word(BigInt(PAGE), size)
}
