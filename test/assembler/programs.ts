/**
 * The whole programs under `programs/`, with what `nasm -f bin` made of each: size and hash stand in `test/oracle/programs.json`, so the
 * comparison needs no NASM. `npm run oracle:programs` writes that file anew where NASM is installed.
 *
 * A first line may end with the options that the file wants: `options: -DNAME=VALUE`.
 */

import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { type AssembleResult, assemble } from '../../src/assembler/assemble.ts'

export const FOLDER = new URL('./programs/', import.meta.url)
export const ORACLE = new URL('../oracle/programs.json', import.meta.url)

export interface Oracle {
  readonly nasm: string
  readonly programs: Readonly<Record<string, { readonly bytes: number; readonly sha256: string }>>
}

export const programNames = (): string[] =>
  readdirSync(FOLDER)
    .filter(name => name.endsWith('.asm'))
    .toSorted()

export const programText = (name: string): string => readFileSync(new URL(name, FOLDER), 'utf8')

export const optionsOf = (source: string): string[] => (/^;.*options: (.*)/.exec(source)?.[1] ?? '').split(' ').filter(word => word !== '')

export const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

function read(name: string): Buffer | undefined {
  try {
    return readFileSync(new URL(name, FOLDER))
  } catch {
    return undefined
  }
}

export function assembleProgram(name: string): AssembleResult {
  const source = programText(name)
  const defines = optionsOf(source).map(option => option.slice(2).split('='))
  return assemble(source, {
    file: name,
    defines: Object.fromEntries(defines.map(([key, value]) => [key, value ?? ''])),
    include(wanted) {
      const text = read(wanted)
      return text && { file: wanted, text: text.toString() }
    },
    readBinary: wanted => read(wanted),
  })
}
