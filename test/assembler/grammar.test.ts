import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { lexSource } from '../../src/assembler/lexer.ts'
import { countParses, parseLine } from '../../src/assembler/parse.ts'
import { INSTRUCTIONS } from '../../src/isa/table.ts'
import { formLines } from './form-lines.ts'

const PROGRAMS = new URL('./programs/', import.meta.url)

const ODD_LINES = `
foo
foo:
foo: bar
foo bar, 5
foo: mvo eax, [rbx], 5
mvo -5
times 3 foo -1
times 2 times 3 db 1, 2, ?, "x"
lock
rep
fs lodsb
lock rep fs add dword [es:rel x - 5], strict byte -1
jmp far [rbx]
jmp dword 8:foo + 2
[bits 64]
align 16, nop
section .data align=16 nobits follows=-x
global foo, bar:function
struc foo, 5
at foo.x, times 3 db 0
org: nop
jmp default
x equ -5 + ~!3 * (2 - - 1) wrt y
db a ? b : c ? d : e, ?, 4 dup (1, ?, 2 dup ("x")), 5
jmp a ? b : c
jmp a ? 8 : 16 : b ? c : d
db 1 || 2 ^^ 3 && 4 = 5 | 6 ^ 7 & 8 << 9 + 10 * 11
`

test('the committed grammar.ts is what grammar.ne gives', () => {
  execFileSync('node', [new URL('../../scripts/grammar.mjs', import.meta.url).pathname, '--check'])
})

test('the diagrams in docs/grammar.html are those of grammar.ne', () => {
  execFileSync('node', [new URL('../../scripts/grammar-railroad.mjs', import.meta.url).pathname, '--check'])
})

test('every line of the corpus has exactly one parse', () => {
  const programs = readdirSync(PROGRAMS)
    .filter(name => name.endsWith('.asm'))
    .map(name => readFileSync(new URL(name, PROGRAMS), 'utf8'))
  const forms = INSTRUCTIONS.flatMap(row => formLines(row, 64)).join('\n')
  const shapes = new Set<string>()
  for (const { tokens } of lexSource([ODD_LINES, ...programs, forms].join('\n'), 0)) {
    const shape = tokens.map(token => token.type).join(' ')
    if (shapes.has(shape) || parseLine(tokens).kind === 'failure') continue
    shapes.add(shape)
    expect(`${countParses(tokens)} parse: ${tokens.map(token => token.text).join(' ')}`).toMatch(/^1 parse/)
  }
  expect(shapes.size).toBeGreaterThan(200)
})

test('the odd lines all parse', () => {
  for (const { tokens } of lexSource(ODD_LINES, 0))
    expect([parseLine(tokens).kind, tokens.map(token => token.text).join(' ')]).toEqual(['tree', expect.anything()])
})
