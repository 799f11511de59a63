import { spawnSync } from 'node:child_process'
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import type { OutputFormat } from '../../src/assembler/state.ts'
import { assembleText, complaints } from './assembling.ts'
import { hasNasm } from './nasm.ts'
import { hasTool, run } from './tools.ts'

const OBJECTS = new URL('./objects/', import.meta.url)
const scratch = mkdtempSync(join(tmpdir(), 'vtick-elf-'))
afterAll(() => rmSync(scratch, { recursive: true }))

const hasReadelf = hasTool('readelf')
const hasObjdump = hasTool('objdump')
const hasLinker = hasTool('ld')
const hasGdb = hasTool('gdb')

/** Assembles a text and leaves the file in the scratch folder. */
function make(source: string, format: OutputFormat, output: string, { debug = false, file = 'in.asm' } = {}): void {
  const result = assembleText(source, { file, format, debug })
  expect(result.diagnostics.filter(entry => entry.severity === 'error')).toEqual([])
  writeFileSync(join(scratch, output), result.output()!)
}

/** Places in the file are no matter of meaning. */
const symbolsAndRelocations = (file: string): string => run('readelf', ['-srW', file], scratch).replaceAll(/ at offset 0x[0-9a-f]+/g, '')

const contents = (file: string): string =>
  run('objdump', ['-s', '-j', '.text', '-j', '.data', '-j', '.rodata', '-j', '.boot', '-j', '.mine', file], scratch).replace(
    /^.*file format/m,
    '',
  )

describe.skipIf(!hasNasm || !hasReadelf || !hasObjdump)('an object', () => {
  test.each(readdirSync(OBJECTS))('%s has NASM’s symbols, relocations and bytes', name => {
    const source = readFileSync(new URL(name, OBJECTS), 'utf8')
    const format = name.includes('.elf32.') ? 'elf32' : 'elf64'
    writeFileSync(join(scratch, 'in.asm'), source)
    run('nasm', ['-f', format, '-w-all', '-o', 'nasm.o', 'in.asm'], scratch)
    make(source, format, 'vtick.o')
    expect(symbolsAndRelocations('vtick.o')).toBe(symbolsAndRelocations('nasm.o'))
    expect(contents('vtick.o')).toBe(contents('nasm.o'))
  })
})

const HELLO = readFileSync(new URL('hello.elf64.asm', OBJECTS), 'utf8')

describe.skipIf(!hasLinker || !hasReadelf)('an object with debug information', () => {
  test('is linked by ld, runs, and keeps its line table', () => {
    make(HELLO, 'elf64', 'hello.o', { debug: true, file: 'hello.asm' })
    run('ld', ['-o', 'hello', 'hello.o'], scratch)
    if (process.platform === 'linux' && process.arch === 'x64') expect(spawnSync(join(scratch, 'hello')).status).toBe(42)
    const lines = [...run('readelf', ['--debug-dump=decodedline', 'hello'], scratch).matchAll(/^hello\.asm +(\d+) /gm)].map(
      match => match[1],
    )
    // Line 18 calls the macro whose body stands further up.
    expect(lines).toEqual(['12', '13', '14', '15', '16', '17', '18'])
  })

  test('of 32 bits is linked too', () => {
    make('bits 32\nglobal _start\n_start: mov eax, [value]\njmp _start\nsection .data\nvalue: dd value\n', 'elf32', 'small.o', {
      debug: true,
    })
    run('ld', ['-m', 'elf_i386', '-o', 'small', 'small.o'], scratch)
    expect(run('readelf', ['--debug-dump=decodedline', 'small'], scratch)).toMatch(/in\.asm +3 +0x8049000/)
  })
})

const GUEST = `        bits    64
        default rel
        org     0x400000
%macro pause_twice 0
        nop
        nop
%endmacro
start:  mov     eax, 60
        pause_twice
        xor     edi, edi
.end:   syscall
section .bss
counter: resd   4
`

describe.skipIf(!hasReadelf)('an executable', () => {
  test('has the image at its origin, its entry, its symbols and room behind them', () => {
    make(GUEST, 'exec', 'guest', { file: 'guest.asm' })
    const header = run('readelf', ['-hlW', 'guest'], scratch)
    expect(header).toMatch(/Entry point address: +0x400000/)
    expect(header).toMatch(/LOAD +0x001000 0x0000000000400000 0x0000000000400000 0x00000b 0x00001c RWE/)
    expect(run('readelf', ['-sW', 'guest'], scratch)).toMatch(/0000000000400009 .* start\.end\n.*000000000040000c .* counter\n/)
  })

  test('of the bare image runs where it was made for', () => {
    make(GUEST, 'exec', 'guest')
    chmodSync(join(scratch, 'guest'), 0o755)
    if (process.platform === 'linux' && process.arch === 'x64') expect(spawnSync(join(scratch, 'guest')).status).toBe(0)
  })

  test.skipIf(!hasGdb)('shows gdb the line of the guest’s source', () => {
    make(GUEST, 'exec', 'guest', { debug: true, file: 'guest.asm' })
    const shown = run('gdb', ['-nx', '-batch', '-ex', 'info line *0x400006', '-ex', 'info symbol 0x400007', 'guest'], scratch)
    expect(shown).toContain('Line 9 of "guest.asm" starts at address 0x400005 <start+5> and ends at 0x400007 <start+7>')
    expect(shown).toContain('start + 7 in section .text')
  })

  test('of 32-bit code is a 32-bit file', () => {
    make('bits 32\norg 0x100000\nnop\n', 'exec', 'guest32')
    expect(run('readelf', ['-h', 'guest32'], scratch)).toMatch(/Class: +ELF32/)
  })
})

test.each([
  ['a global name that nothing defines', 'global strat\nstart: ret', 'E0110 1:8 `strat` is global and is not defined'],
  ['an origin', 'org 5', 'E0114 1:1 an object file has no origin: the linker places it'],
  ['an odd word behind a global name', 'global x:funktion\nx:', 'E0502 1:10 `funktion` says nothing about a global name'],
  ['a name both external and defined here', 'extern x\nx: ret', 'E0112 2:1 `x` is defined twice'],
])('%s is an error in an object', (_, source, complaint) => {
  expect(complaints(`${source}\n`, { format: 'elf64' })).toContain(complaint)
})
