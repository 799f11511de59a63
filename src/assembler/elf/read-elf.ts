/**
 * What the disassembler wants of an ELF file (System V ABI, "Object Files"): the code in it, the names of places, and what a linker
 * would patch. Little-endian x86 files of both classes; a file without sections is read by its segments.
 */

import { SHF, SHN_UNDEF, SHT, STT } from './elf-file.ts'

export interface ElfCode {
  /** Of the section; of a segment, `segment` and its number. */
  readonly name: string
  readonly address: bigint
  readonly bytes: Uint8Array
  /** Names by address; in an object by the offset in the section. */
  readonly symbols: ReadonlyMap<bigint, string>
  /** In an object: what goes where, by the offset in the section. */
  readonly relocations: ReadonlyMap<number, string>
}

export interface ElfContents {
  readonly bits: 32 | 64
  readonly code: readonly ElfCode[]
}

/** Why a file cannot be read: a sentence without its name. */
export class ElfReadError extends Error {}

const EM_386 = 3
const EM_X86_64 = 62
const ET_REL = 1
const PT_LOAD = 1
const PF_X = 1

export function readElf(file: Uint8Array): ElfContents {
  const reader = new Reader(file)
  const machine = reader.u16(18)
  if (file[5] !== 1 || (machine !== EM_386 && machine !== EM_X86_64))
    throw new ElfReadError(`it is for another processor (machine ${machine})`)
  const sections = sectionsOf(reader)
  const symbols = symbolsOf(reader, sections)
  const isObject = reader.u16(16) === ET_REL
  const code = sections.flatMap((section, index): ElfCode[] => {
    if ((section.flags & SHF.EXECINSTR) === 0 || section.type !== SHT.PROGBITS || section.size === 0) return []
    const named = symbols.filter(symbol => !isObject || symbol.section === index)
    const names = new Map(named.toSorted(byRank).map(({ name, value }) => [value, name]))
    const { name, address } = section
    return [{ name, address, bytes: reader.slice(section), symbols: names, relocations: relocationsOf(reader, sections, index, symbols) }]
  })
  return { bits: machine === EM_X86_64 ? 64 : 32, code: sections.length === 0 ? segmentsOf(reader) : code }
}

interface Section {
  readonly name: string
  readonly nameAt: number
  readonly type: number
  readonly flags: number
  readonly address: bigint
  readonly offset: number
  readonly size: number
  readonly link: number
  readonly info: number
}

interface Symbol {
  readonly name: string
  readonly value: bigint
  readonly type: number
  readonly isGlobal: boolean
  readonly section: number
}

/** Little-endian fields, of the width that the file's class gives to addresses. */
class Reader {
  readonly isWide: boolean
  readonly #file: Uint8Array
  readonly #view: DataView

  constructor(file: Uint8Array) {
    this.#file = file
    this.#view = new DataView(file.buffer, file.byteOffset, file.length)
    this.isWide = file[4] === 2
  }

  #within(at: number, bytes: number): number {
    if (at + bytes > this.#file.length) throw new ElfReadError('it is cut off')
    return at
  }
  u16(at: number): number {
    return this.#view.getUint16(this.#within(at, 2), true)
  }
  u32(at: number): number {
    return this.#view.getUint32(this.#within(at, 4), true)
  }
  u64(at: number): bigint {
    return this.#view.getBigUint64(this.#within(at, 8), true)
  }
  byte(at: number): number {
    return this.#file[this.#within(at, 1)]!
  }
  /** Where a field stands in each class, and as wide as an address. */
  address(at32: number, at64: number): bigint {
    return this.isWide ? this.u64(at64) : BigInt(this.u32(at32))
  }
  slice({ offset, size }: { readonly offset: number; readonly size: number }): Uint8Array {
    return this.#file.subarray(this.#within(offset, size), offset + size)
  }
  text(at: number): string {
    const end = this.#file.indexOf(0, at)
    return new TextDecoder().decode(this.#file.subarray(at, end < 0 ? this.#file.length : end))
  }
}

function sectionsOf(reader: Reader): Section[] {
  const table = Number(reader.address(0x20, 0x28))
  if (table === 0) return []
  const [size, count, names] = (reader.isWide ? [0x3a, 0x3c, 0x3e] : [0x2e, 0x30, 0x32]).map(at => reader.u16(at)) as [
    number,
    number,
    number,
  ]
  const sections = Array.from({ length: count }, (_, index): Section => {
    const at = table + index * size
    const field = (at32: number, at64: number): bigint => reader.address(at + at32, at + at64)
    return {
      name: '',
      nameAt: reader.u32(at),
      type: reader.u32(at + 4),
      flags: Number(field(8, 8)),
      address: field(0x0c, 0x10),
      offset: Number(field(0x10, 0x18)),
      size: Number(field(0x14, 0x20)),
      link: reader.u32(at + (reader.isWide ? 0x28 : 0x18)),
      info: reader.u32(at + (reader.isWide ? 0x2c : 0x1c)),
    }
  })
  const strings = sections[names]?.offset ?? 0
  return sections.map(section => ({ ...section, name: reader.text(strings + section.nameAt) }))
}

function symbolsOf(reader: Reader, sections: readonly Section[]): Symbol[] {
  const table = sections.find(({ type }) => type === SHT.SYMTAB)
  if (table === undefined) return []
  const entry = reader.isWide ? 24 : 16
  const strings = sections[table.link]?.offset ?? 0
  return Array.from({ length: Math.floor(table.size / entry) }, (_, index): Symbol => {
    const at = table.offset + index * entry
    const info = reader.byte(at + (reader.isWide ? 4 : 12))
    const section = reader.u16(at + (reader.isWide ? 6 : 14))
    const type = info & 15
    const own = reader.text(strings + reader.u32(at))
    const name = type === STT.SECTION ? (sections[section]?.name ?? '') : own
    return { name, value: reader.address(at + 4, at + 8), type, isGlobal: info >> 4 !== 0, section }
  })
}

/** Of several names of one address the last wins: functions over the rest, global ones over local ones. */
const byRank = (a: Symbol, b: Symbol): number => rank(a) - rank(b)
const rank = ({ name, type, isGlobal, section }: Symbol): number =>
  name === '' || section === SHN_UNDEF || type === STT.SECTION || type === STT.FILE ? -1 : (type === STT.FUNC ? 2 : 0) + (isGlobal ? 1 : 0)

function relocationsOf(
  reader: Reader,
  sections: readonly Section[],
  target: number,
  symbols: readonly Symbol[],
): ReadonlyMap<number, string> {
  const found = new Map<number, string>()
  for (const { type, info, offset, size } of sections) {
    if ((type !== SHT.RELA && type !== SHT.REL) || info !== target) continue
    const word = reader.isWide ? 8 : 4
    const entry = type === SHT.RELA ? 3 * word : 2 * word
    for (let at = offset; at + entry <= offset + size; at += entry) {
      const symbol = symbols[reader.isWide ? reader.u32(at + 12) : reader.u32(at + 4) >>> 8]
      found.set(Number(reader.address(at, at)), symbol?.name ?? '?')
    }
  }
  return found
}

function segmentsOf(reader: Reader): ElfCode[] {
  const table = Number(reader.address(0x1c, 0x20))
  const [size, count] = (reader.isWide ? [0x36, 0x38] : [0x2a, 0x2c]).map(at => reader.u16(at)) as [number, number]
  return Array.from({ length: table === 0 ? 0 : count }, (_, index) => index).flatMap((index): ElfCode[] => {
    const at = table + index * size
    const flags = reader.u32(at + (reader.isWide ? 4 : 0x18))
    if (reader.u32(at) !== PT_LOAD || (flags & PF_X) === 0) return []
    const place = { offset: Number(reader.address(at + 4, at + 8)), size: Number(reader.address(at + 0x10, at + 0x20)) }
    const address = reader.address(at + 8, at + 0x10)
    return [{ name: `segment${index}`, address, bytes: reader.slice(place), symbols: new Map(), relocations: new Map() }]
  })
}
