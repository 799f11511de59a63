/** What our assembler makes of the repository's programs is byte for byte what NASM makes of them, and what NASM makes runs. */

import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { flatImage } from '../src/assembler/image.ts'
import { resolveRunConfig } from '../src/session/config.ts'
import { record } from '../src/session/record.ts'
import type { TraceEvent } from '../src/spec/trace-events.ts'
import { guestImage } from './recorded.ts'

const ROOT = join(import.meta.dirname, '..')

const isInstalled = spawnSync('nasm', ['-v']).status === 0
if (!isInstalled) console.warn('nasm is not installed: its bytes are not compared with ours (Debian package `nasm`)')

const programs = ['examples', 'asm'].flatMap(folder =>
  readdirSync(join(ROOT, folder))
    .filter(name => name.endsWith('.asm'))
    .map(name => `${folder}/${name}`),
)

const folder = mkdtempSync(join(tmpdir(), 'vtick-nasm-programs-'))
afterAll(() => rmSync(folder, { recursive: true }))

/** One program, into a folder that is not the repository. */
function nasm(program: string, ...options: string[]): Uint8Array {
  const output = join(folder, 'out.bin')
  execFileSync('nasm', ['-f', 'bin', '-w-all', '-I', 'asm/include/', ...options, '-o', output, program], { cwd: ROOT })
  return new Uint8Array(readFileSync(output))
}

/** The first difference is said by its place; a comparison of whole images prints pages. */
function firstDifference(ours: Uint8Array, theirs: Uint8Array): string {
  const at = theirs.findIndex((byte, index) => byte !== ours[index])
  if (at === -1 && ours.length === theirs.length) return 'none'
  return at === -1 ? `${ours.length} bytes, NASM has ${theirs.length}` : `byte ${at}: ${ours[at]}, NASM has ${theirs[at]}`
}

describe.skipIf(!isInstalled)('nasm -f bin', () => {
  test.each(programs)('%s has the same bytes', program => {
    expect(firstDifference(guestImage(program).bytes, nasm(program))).toBe('none')
  })

  test.each(programs.filter(program => readFileSync(join(ROOT, program), 'utf8').includes('%ifndef TICKS')))(
    '%s has the same bytes with a definition from the command line',
    program => {
      expect(firstDifference(guestImage(program, { TICKS: '1000' }).bytes, nasm(program, '-D', 'TICKS=1000'))).toBe('none')
    },
  )

  test.each([true, false])('a flat binary that NASM made runs (bare: %s)', bare => {
    const image = flatImage(nasm('examples/deadline-busy.asm', '-D', 'TICKS=5'), 0x10_0000, 64)
    const events: TraceEvent[] = []
    const { end } = record(resolveRunConfig({ bare }), image, { observe: event => events.push(event) })
    const console = String.fromCharCode(...events.flatMap(event => (event.kind === 'console' ? [event.byte] : [])))
    expect(console).toMatch(/ticks taken: +5\n/)
    expect(console).toContain('SUMMARY: 3 tests\n')
    expect(end).toMatchObject({ reason: 'exit-port', status: 0 })
  })
})
