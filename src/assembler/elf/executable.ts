/**
 * A flat image as a loadable ELF file: the same bytes at the same addresses, with symbols, and with source lines for gdb. Nothing is
 * left to a linker.
 */

import type { Image } from '../image.ts'
import { inFileOrder } from '../sections.ts'
import type { Assembly } from '../state.ts'
import { debugSections } from './dwarf.ts'
import { type ElfSection, type ElfSymbol, SHF, SHN_ABS, SHT, STB, STT, STV, writeElf } from './elf-file.ts'
import { lineSequences } from './lines.ts'
import { typeOf } from './object.ts'

/** Names at which a program begins, the first that it has. */
const ENTRIES = ['_start', 'start']

export function writeExecutable(assembly: Assembly, image: Image, debug: boolean): Uint8Array {
  const bits = image.bits === 64 ? 64 : 32
  const sections = [imageSection(image), ...emptySections(assembly)]
  const extra = debug
    ? debugSections(
        image.sources.map(({ file }) => file),
        lineSequences(assembly),
        bits,
      ).map(
        ({ name, bytes }): ElfSection => ({
          ...{ name, bytes, size: bytes.length, type: SHT.PROGBITS, flags: 0, address: 0, align: 1, relocations: [] },
        }),
      )
    : []
  const labels = image.symbols.filter(symbol => symbol.kind === 'label')
  const entry = ENTRIES.map(name => labels.find(symbol => symbol.name === name)).find(symbol => symbol !== undefined)
  return writeElf({
    bits,
    kind: 'executable',
    entry: entry?.value ?? BigInt(image.entry),
    sections: [...sections, ...extra],
    symbols: symbolTable(image, sections, assembly),
  })
}

/** Guests write where they like: the image is code and data in one. */
const imageSection = ({ bytes, origin }: Image): ElfSection => ({
  name: '.text',
  type: SHT.PROGBITS,
  flags: SHF.ALLOC | SHF.WRITE | SHF.EXECINSTR,
  address: origin,
  align: 1,
  size: bytes.length,
  bytes,
  relocations: [],
})

const emptySections = (assembly: Assembly): ElfSection[] =>
  inFileOrder(assembly)
    .filter(section => section.nobits && section.size > 0)
    .map(({ name, base, size }) => ({
      ...{ name, type: SHT.NOBITS, flags: SHF.ALLOC | SHF.WRITE, address: base, align: 1, size, bytes: null, relocations: [] },
    }))

function symbolTable(image: Image, sections: readonly ElfSection[], assembly: Assembly): ElfSymbol[] {
  const common = { size: 0n, visibility: STV.default }
  const file = { ...common, name: image.sources[0]?.file ?? '', value: 0n, type: STT.FILE, bind: STB.LOCAL, section: SHN_ABS }
  const symbols = image.symbols.map(symbol => ({
    ...common,
    name: symbol.name,
    value: symbol.value,
    type: typeOf(assembly.globals.get(symbol.name)),
    bind: assembly.globals.has(symbol.name) ? STB.GLOBAL : STB.LOCAL,
    section: symbol.kind === 'constant' ? SHN_ABS : sectionAt(symbol.value, sections),
  }))
  return [file, ...symbols.filter(({ bind }) => bind === STB.LOCAL), ...symbols.filter(({ bind }) => bind === STB.GLOBAL)]
}

function sectionAt(value: bigint, sections: readonly ElfSection[]): number {
  const index = sections.findIndex(({ address, size }) => value >= BigInt(address) && value <= BigInt(address + size))
  return index === -1 ? SHN_ABS : index + 1
}
