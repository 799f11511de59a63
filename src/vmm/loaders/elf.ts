/** Loading ELF files, of 32 and 64 bits, x86 and little-endian (System V ABI, "Program Header"): segments, entry, names of functions. */

import { gpa } from '../../base/units.ts'
import { LoadError, requireOf } from './load-error.ts'
import { type Piece, viewOf } from './program.ts'

const MAGIC = 0x464c_457f
const PT_LOAD = 1
const SHT_SYMTAB = 2
const STT_NOTYPE = 0
const STT_FUNC = 2
const EM_386 = 3
const EM_X86_64 = 62

export interface ElfProgram {
  readonly bits: 32 | 64
  /** Physical address of the entry point. */
  readonly entry: number
  readonly pieces: readonly Piece[]
  /** The highest physical address that a segment reaches. */
  readonly end: number
}

export interface ElfName {
  readonly name: string
  readonly value: bigint
}

export const isElf = (bytes: Uint8Array): boolean => bytes.length >= 4 && viewOf(bytes).getUint32(0, true) === MAGIC

/** Offsets of the fields that differ between the two classes. */
const SHAPES = {
  32: { entry: 24, phoff: 28, phentsize: 42, segment: { offset: 4, vaddr: 8, paddr: 12, filesz: 16, memsz: 20 }, size: 32 },
  64: { entry: 24, phoff: 32, phentsize: 54, segment: { offset: 8, vaddr: 16, paddr: 24, filesz: 32, memsz: 40 }, size: 56 },
} as const

const bitsOf = (bytes: Uint8Array): 32 | 64 => (bytes[4] === 2 ? 64 : 32)

const notLoadable = 'name an executable that `ld` made for x86'

/** A word of the class's size, as a number: physical addresses lie far below 2^53. */
const wordAt = (view: DataView, bits: 32 | 64, at: number): number =>
  bits === 32 ? view.getUint32(at, true) : Number(view.getBigUint64(at, true))

export function loadElf(bytes: Uint8Array): ElfProgram {
  try {
    return readElf(bytes)
  } catch (error) {
    if (error instanceof RangeError) throw new LoadError('the ELF file is cut off', 'build it again')
    throw error
  }
}

function readElf(bytes: Uint8Array): ElfProgram {
  const view = viewOf(bytes)
  const bits = bitsOf(bytes)
  const machine = view.getUint16(18, true)
  requireOf(machine === EM_386 || machine === EM_X86_64, `the ELF file is for machine ${machine}, not for x86`, notLoadable)
  const shape = SHAPES[bits]
  const virtualEntry = wordAt(view, bits, shape.entry)
  const table = wordAt(view, bits, shape.phoff)
  const entrySize = view.getUint16(shape.phentsize, true)
  const count = view.getUint16(shape.phentsize + 2, true)
  const pieces: Piece[] = []
  let entry = virtualEntry
  let end = 0
  for (let index = 0; index < count; index++) {
    const at = table + index * entrySize
    if (view.getUint32(at, true) !== PT_LOAD) continue
    const field = (name: keyof typeof shape.segment): number => wordAt(view, bits, at + shape.segment[name])
    const [offset, vaddr, paddr, filesz, memsz] = [field('offset'), field('vaddr'), field('paddr'), field('filesz'), field('memsz')]
    if (memsz === 0) continue
    requireOf(offset + filesz <= bytes.length, 'the ELF file is cut off: a segment ends behind it', 'build it again')
    // Memory is zero at the start, so what lies behind the file's part needs no bytes.
    pieces.push({ address: gpa(paddr), bytes: bytes.subarray(offset, offset + filesz) })
    if (virtualEntry >= vaddr && virtualEntry < vaddr + memsz) entry = virtualEntry - vaddr + paddr
    end = Math.max(end, paddr + memsz)
  }
  requireOf(pieces.length > 0, 'the ELF file has no segment to load: it is an object', 'link it with `ld -T script.ld`')
  return { bits, entry, pieces, end }
}

/** More names than this make a trace heavy and help nobody. */
const MOST_NAMES = 20_000

/** Names of functions and labels in the order of their addresses; none where there is no symbol table. */
export function elfNames(bytes: Uint8Array): readonly ElfName[] {
  try {
    return readNames(bytes)
  } catch (error) {
    if (error instanceof RangeError) return []
    throw error
  }
}

function readNames(bytes: Uint8Array): readonly ElfName[] {
  const view = viewOf(bytes)
  const bits = bitsOf(bytes)
  const table = wordAt(view, bits, bits === 32 ? 32 : 40)
  const at = bits === 32 ? 46 : 58
  const [entrySize, count] = [view.getUint16(at, true), view.getUint16(at + 2, true)]
  const section = (index: number) => {
    const header = table + index * entrySize
    const word = (place32: number, place64: number): number => wordAt(view, bits, header + (bits === 32 ? place32 : place64))
    return {
      type: view.getUint32(header + 4, true),
      offset: word(16, 24),
      size: word(20, 32),
      link: view.getUint32(header + (bits === 32 ? 24 : 40), true),
    }
  }
  const names: ElfName[] = []
  for (let index = 0; index < count; index++) {
    const { type, offset, size, link } = section(index)
    if (type !== SHT_SYMTAB) continue
    const strings = section(link)
    const step = bits === 32 ? 16 : 24
    for (let symbol = offset; symbol + step <= offset + size; symbol += step) {
      const info = view.getUint8(symbol + (bits === 32 ? 12 : 4))
      const value = bits === 32 ? BigInt(view.getUint32(symbol + 4, true)) : view.getBigUint64(symbol + 8, true)
      const name = textAt(bytes, strings.offset + view.getUint32(symbol, true))
      const kind = info & 15
      if (name !== '' && value !== 0n && (kind === STT_FUNC || kind === STT_NOTYPE)) names.push({ name, value })
    }
  }
  return names.length > MOST_NAMES ? [] : names.sort((a, b) => (a.value < b.value ? -1 : a.value > b.value ? 1 : 0))
}

function textAt(bytes: Uint8Array, at: number): string {
  const end = bytes.indexOf(0, at)
  return new TextDecoder().decode(bytes.subarray(at, end < 0 ? bytes.length : end))
}
