/** NASM as the oracle: what it makes of the same lines. Tests that need it are skipped, with a notice, where it is not installed. */

import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export const hasNasm = spawnSync('nasm', ['-v']).status === 0

if (!hasNasm) console.warn('nasm is not installed: comparisons with it are skipped (Debian package `nasm`)')

export interface NasmResult {
  readonly bytes: Uint8Array | undefined
  /** Bytes of each source line, in hexadecimal; absent for lines without any. */
  readonly lines: ReadonlyMap<number, string>
  /** Messages of the lines with errors. */
  readonly errors: ReadonlyMap<number, string>
}

/** Assembles with `nasm -f bin`. */
export function nasm(source: string, options: readonly string[] = []): NasmResult {
  const folder = mkdtempSync(join(tmpdir(), 'vtick-nasm-'))
  try {
    const [input, output, listing] = ['in.asm', 'out.bin', 'out.lst'].map(name => join(folder, name)) as [string, string, string]
    writeFileSync(input, source)
    const run = spawnSync('nasm', ['-f', 'bin', '-w-all', '-l', listing, '-o', output, ...options, input], {
      encoding: 'utf8',
      maxBuffer: 1 << 28,
    })
    const errors = new Map<number, string>()
    for (const match of run.stderr.matchAll(/in\.asm:(\d+): (?:error|fatal|panic): (.*)/g)) errors.set(Number(match[1]), match[2]!)
    if (run.status !== 0) return { bytes: undefined, lines: new Map(), errors }
    return { bytes: new Uint8Array(readFileSync(output)), lines: bytesByLine(readFileSync(listing, 'utf8')), errors }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** The byte column of a listing, joined over the rows of a line. */
function bytesByLine(listing: string): Map<number, string> {
  const lines = new Map<number, string>()
  for (const row of listing.split('\n')) {
    const match = /^ *(\d+) [0-9A-F]{8} (.{1,19})/.exec(row)
    if (match === null) continue
    const bytes = match[2]!.replace(/[^0-9A-F]/g, '')
    lines.set(Number(match[1]), (lines.get(Number(match[1])) ?? '') + bytes)
  }
  return lines
}
