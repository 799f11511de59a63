/**
 * `vtick disasm`: machine code as source that assembles back to the same bytes. A flat binary is code from its first byte to its
 * last; of an ELF file the code sections are shown, each with its symbols as labels.
 */

import { type DisassembledLine, disassemble } from '../assembler/disassemble.ts'
import { type ElfCode, type ElfContents, ElfReadError, readElf } from '../assembler/elf/read-elf.ts'
import { EXIT, type ExitCode, usageError } from './exit-codes.ts'
import { readFileNamed } from './files.ts'
import { FLAT_ORIGIN, fileKind, isSourceName } from './source.ts'
import type { CommonOptions, Terminal } from './terminal.ts'

export interface DisasmCommandOptions extends CommonOptions {
  readonly bits?: '16' | '32' | '64'
  readonly org?: bigint
  readonly json?: boolean
}

interface Disassembly {
  readonly name: string
  readonly address: bigint
  readonly lines: readonly DisassembledLine[]
}

type Bits = 16 | 32 | 64

export function disasmCommand(terminal: Terminal, file: string, options: DisasmCommandOptions): ExitCode {
  const bytes = readFileNamed(terminal.io, file)
  const kind = fileKind(file, bytes)
  if (kind === 'trace') throw usageError(`${file} is a trace, not machine code`, `\`vtick explore ${file}\` shows its code`)
  if (kind === 'source' && isSourceName(file))
    throw usageError(`${file} is a source, not machine code`, `assemble it first: \`vtick asm ${file}\``)
  if (bytes.length === 0) throw usageError(`${file} is empty`, 'name a file with machine code')
  const { bits, code } = kind === 'elf' ? elfCode(file, bytes, options) : flatCode(bytes, options)
  const sections = code.map(({ name, address, bytes: all, symbols, relocations }): Disassembly => {
    return { name, address, lines: disassemble(all, { bits, origin: address, symbols, relocations }) }
  })
  if (options.json) terminal.print(JSON.stringify(asData(bits, sections)))
  else terminal.print(asSource(bits, sections, kind === 'elf'))
  return EXIT.fine
}

const isBootSector = (bytes: Uint8Array): boolean => bytes.length === 512 && bytes[510] === 0x55 && bytes[511] === 0xaa

/** As `vtick run` would take it, where the options do not say. */
function flatCode(bytes: Uint8Array, { bits, org }: DisasmCommandOptions): { readonly bits: Bits; readonly code: readonly ElfCode[] } {
  const boots = bits === undefined && isBootSector(bytes)
  const mode = bits === undefined ? (boots ? 16 : 64) : (Number(bits) as Bits)
  const address = org ?? (boots ? 0x7c00n : mode === 64 ? BigInt(FLAT_ORIGIN) : 0n)
  return { bits: mode, code: [{ name: '.text', address, bytes, symbols: new Map(), relocations: new Map() }] }
}

function elfCode(file: string, bytes: Uint8Array, { bits, org }: DisasmCommandOptions): { bits: Bits; code: readonly ElfCode[] } {
  if (org !== undefined)
    throw usageError(`--org places a flat binary, and ${file} is an ELF file, which says where it stands`, 'leave it out')
  const contents = contentsOf(file, bytes)
  if (contents.code.length === 0) throw usageError(`${file} holds no code`, '`readelf -S` lists what it holds')
  return { bits: bits === undefined ? contents.bits : (Number(bits) as Bits), code: contents.code }
}

function contentsOf(file: string, bytes: Uint8Array): ElfContents {
  try {
    return readElf(bytes)
  } catch (error) {
    if (error instanceof ElfReadError) throw usageError(`cannot read ${file}: ${error.message}`, '`readelf -h` tells what it is')
    throw error
  }
}

const hex = (value: bigint): string => `0x${value.toString(16)}`
const byteText = (bytes: Uint8Array): string => Array.from(bytes, byte => byte.toString(16).padStart(2, '0')).join(' ')

/** Several sections have several addresses: only one of a kind can be stated. */
function asSource(bits: Bits, sections: readonly Disassembly[], isElf: boolean): string {
  const [first] = sections
  const head = [`        bits ${bits}`]
  if (sections.length === 1 && first!.address !== 0n) head.push(`        org ${hex(first!.address)}`)
  const body = sections.flatMap(({ name, address, lines }) => [
    ...(isElf ? ['', `section ${name}${sections.length === 1 ? '' : ` ; at ${hex(address)}`}`] : []),
    ...lines.flatMap(line => lineText(line, lines.at(-1)!.address.toString(16).length)),
  ])
  return [...head, ...body].join('\n')
}

const lineText = ({ address, bytes, label, text, comment }: DisassembledLine, digits: number): string[] => {
  const line = `        ${text.padEnd(40)} ; ${address.toString(16).padStart(digits, '0')}  ${byteText(bytes)}${comment === '' ? '' : `  ${comment}`}`
  return label === null ? [line] : [`${label}:`, line]
}

const asData = (bits: Bits, sections: readonly Disassembly[]): unknown => ({
  version: 1,
  bits,
  sections: sections.map(({ name, address, lines }) => ({
    name,
    address: hex(address),
    lines: lines.map(line => ({ ...line, address: hex(line.address), bytes: Buffer.from(line.bytes).toString('hex') })),
  })),
})
