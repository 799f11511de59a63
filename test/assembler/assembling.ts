/** What the tests of the assembler share: assembling a text, and its bytes as hexadecimal. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type AssembleOptions, type AssembleResult, assemble } from '../../src/assembler/assemble.ts'

export const hex = (bytes: Uint8Array | undefined): string =>
  bytes === undefined ? 'nothing' : Buffer.from(bytes).toString('hex').toUpperCase()

export const assembleText = (source: string, options: Partial<AssembleOptions> = {}): AssembleResult =>
  assemble(source, { file: 'test.asm', ...options })

/** The bytes of a source that must be right; its first complaint otherwise. */
export function bytesOf(source: string, options: Partial<AssembleOptions> = {}): string {
  const { image, diagnostics } = assembleText(source, options)
  return image ? hex(image.bytes) : `${diagnostics.find(entry => entry.severity === 'error')?.message}`
}

/** `code column message`, for each complaint. */
export const complaints = (source: string, options: Partial<AssembleOptions> = {}): string[] =>
  assembleText(source, options).diagnostics.map(({ code, span, message }) => `${code} ${span.line}:${span.column + 1} ${message}`)

const INCLUDE = new URL('../../asm/include/', import.meta.url).pathname

/** Finds files in asm/include, as the command line does. */
export function includeStandard(name: string): { file: string; text: string } | undefined {
  try {
    return { file: name, text: readFileSync(join(INCLUDE, name), 'utf8') }
  } catch {
    return undefined
  }
}
