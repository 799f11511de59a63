/** Relocatable objects (System V ABI, AMD64 and Intel386 supplements): symbols and relocations as NASM gives them. */

import { inObjectOrder } from '../sections.ts'
import type { Assembly, GlobalName, Relocation, Section, SymbolEntry } from '../state.ts'
import { symbolValue } from '../symbols.ts'
import { isScalar, sectionOf } from '../value.ts'
import { type DebugSection, debugSections } from './dwarf.ts'
import { type ElfRelocation, type ElfSection, type ElfSymbol, SHF, SHN_ABS, SHN_UNDEF, SHT, STB, STT, STV, writeElf } from './elf-file.ts'
import { lineSequences } from './lines.ts'

/** Types by bytes of the place: for an address, and for a distance. */
const TYPES_64 = { absolute: { 1: 14, 2: 12, 4: 10, 8: 1 }, relative: { 1: 15, 2: 13, 4: 2, 8: 24 } } as const
const TYPES_32 = { absolute: { 1: 22, 2: 20, 4: 1 }, relative: { 1: 23, 2: 21, 4: 2 } } as const
const R_X86_64_32S = 11

function relocationType({ bytes, relative, signed }: Pick<Relocation, 'bytes' | 'relative' | 'signed'>, bits: 32 | 64): number {
  if (bits === 64 && bytes === 4 && signed && !relative) return R_X86_64_32S
  const types: { readonly [bytes: number]: number } = (bits === 64 ? TYPES_64 : TYPES_32)[relative ? 'relative' : 'absolute']
  return types[bytes] ?? 0
}

export function writeObject(assembly: Assembly, debug: boolean): Uint8Array {
  const bits = assembly.format === 'elf64' ? 64 : 32
  const extra = debug
    ? debugSections(
        assembly.sources.map(({ file }) => file),
        lineSequences(assembly).filter(({ section }) => assembly.sections[section]!.exec),
        bits,
      )
    : []
  const ordered = inObjectOrder(assembly)
  const symbols = symbolTable(assembly, ordered, extra)
  const sections = [
    ...ordered.map(section => programSection(section, assembly, symbols, bits)),
    ...extra.map(section => debugSection(section, symbols, bits)),
  ]
  return writeElf({ bits, kind: 'relocatable', entry: 0n, sections, symbols: symbols.all })
}

interface Symbols {
  readonly all: readonly ElfSymbol[]
  /** Index of the symbol that stands for a section, by its number or its name. */
  readonly ofSection: ReadonlyMap<number | string, number>
  /** Of an extern, by its number from 0. */
  readonly ofExtern: ReadonlyMap<number, number>
}

const plain = { value: 0n, size: 0n, type: STT.NOTYPE, bind: STB.LOCAL, visibility: STV.default } as const

/** The file, the sections, the local names, then what others may see. */
function symbolTable(assembly: Assembly, sections: readonly Section[], extra: readonly DebugSection[]): Symbols {
  const all: ElfSymbol[] = [{ ...plain, name: assembly.sources[0]!.file, type: STT.FILE, section: SHN_ABS }]
  const ofSection = new Map<number | string, number>()
  const ofExtern = new Map<number, number>()
  const keys = [...sections.map(({ index }) => index), ...extra.map(({ name }) => name)]
  for (const [index, key] of keys.entries()) {
    ofSection.set(key, all.length + 1)
    // Their names are those of the sections.
    all.push({ ...plain, name: '', type: STT.SECTION, section: index + 1 })
  }
  const shared: ElfSymbol[] = []
  for (const entry of assembly.symbols.values()) {
    if (entry.pass !== assembly.pass) continue
    const symbol = elfSymbol(entry, sections, assembly)
    if (symbol?.bind === STB.LOCAL) all.push(symbol)
    else if (symbol) shared.push(symbol)
  }
  for (const symbol of shared) {
    all.push(symbol)
    if (symbol.section === SHN_UNDEF) ofExtern.set(assembly.externs.indexOf(symbol.name), all.length)
  }
  return { all, ofSection, ofExtern }
}

/** The ELF type of what GLOBAL says. */
export const typeOf = (shared: GlobalName | undefined): number =>
  shared?.type === 'function' ? STT.FUNC : shared?.type === 'data' ? STT.OBJECT : STT.NOTYPE

/** Undefined for an extern that nobody uses. */
function elfSymbol(entry: SymbolEntry, sections: readonly Section[], assembly: Assembly): ElfSymbol | undefined {
  const { name } = entry
  if (entry.kind === 'extern') return entry.used ? { ...plain, name, bind: STB.GLOBAL, section: SHN_UNDEF } : undefined
  const value = symbolValue(entry)
  const home = sectionOf(value)
  // A sum of several addresses, or one of another file, is nobody's symbol.
  if (home === undefined || home < -1) return undefined
  const shared = assembly.globals.get(name)
  const type = typeOf(shared)
  const bind = shared ? STB.GLOBAL : STB.LOCAL
  const visibility = STV[shared?.visibility ?? 'default']
  const section = isScalar(value) ? SHN_ABS : 1 + sections.findIndex(({ index }) => index === home)
  return { name, value: value.constant, size: 0n, type, bind, visibility, section }
}

function programSection(section: Section, assembly: Assembly, symbols: Symbols, bits: 32 | 64): ElfSection {
  const { name, align, nobits, size, index } = section
  const relocations = assembly.relocations
    .filter(relocation => relocation.section === index)
    .toSorted((a, b) => a.offset - b.offset)
    .map((relocation): ElfRelocation => {
      const { offset, target, addend } = relocation
      const symbol = target >= 0 ? symbols.ofSection.get(target) : symbols.ofExtern.get(-2 - target)
      return { offset, type: relocationType(relocation, bits), symbol: symbol ?? 0, addend }
    })
  return {
    name,
    type: nobits ? SHT.NOBITS : SHT.PROGBITS,
    flags: (section.alloc ? SHF.ALLOC : 0) | (section.write ? SHF.WRITE : 0) | (section.exec ? SHF.EXECINSTR : 0),
    address: 0,
    align,
    size,
    bytes: nobits ? null : section.bytes.slice(0, size),
    relocations,
  }
}

function debugSection({ name, bytes, references }: DebugSection, symbols: Symbols, bits: 32 | 64): ElfSection {
  const relocations = references.map(
    ({ at, bytes: count, to, addend }): ElfRelocation => ({
      offset: at,
      type: relocationType({ bytes: count, relative: false, signed: false }, bits),
      symbol: symbols.ofSection.get(to) ?? 0,
      addend: BigInt(addend),
    }),
  )
  return { name, type: SHT.PROGBITS, flags: 0, address: 0, align: 1, size: bytes.length, bytes, relocations }
}
