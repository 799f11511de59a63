import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { lexSource } from '../../src/assembler/lexer.ts'
import { countParses, parseLine } from '../../src/assembler/parse.ts'
import { shapeTypeAt } from '../../src/assembler/shape-lexer.ts'
import { textOf } from '../../src/assembler/tokens.ts'
import { INSTRUCTIONS } from '../../src/isa/table.ts'
import { assembleText } from './assembling.ts'
import { formLines } from './form-lines.ts'
import { assembleProgram, programNames } from './programs.ts'

const ROOT = new URL('../../', import.meta.url)

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

/** The programs, and the guests of the repository with their include files, as the preprocessor leaves them: its own lines are gone. */
function expandedCorpus(): readonly string[] {
  const guests = ['asm', 'examples'].flatMap(folder =>
    readdirSync(new URL(folder, ROOT))
      .filter(name => name.endsWith('.asm'))
      .map(name => readFileSync(new URL(`${folder}/${name}`, ROOT), 'utf8')),
  )
  const include = (name: string) => ({ file: name, text: readFileSync(new URL(`asm/include/${name}`, ROOT), 'utf8') })
  const results = [...programNames().map(assembleProgram), ...guests.map(text => assembleText(text, { include }))]
  return results.map(({ expanded }) => expanded().replaceAll(/^%line .*$/gm, ''))
}

test('every line of the corpus, its macros expanded, has exactly one parse', () => {
  const forms = INSTRUCTIONS.flatMap(row => formLines(row, 64)).join('\n')
  const shapes = new Set<string>()
  for (const { tokens } of lexSource([ODD_LINES, ...expandedCorpus(), forms].join('\n'), 0)) {
    const shape = tokens.map((_, position) => shapeTypeAt(tokens, position)).join(' ')
    if (tokens.length === 0 || shapes.has(shape)) continue
    shapes.add(shape)
    expect(`${countParses(tokens)} parse: ${textOf(tokens)}`).toMatch(/^1 parse/)
  }
  expect(shapes.size).toBeGreaterThan(200)
})

test('the odd lines all parse', () => {
  for (const { tokens } of lexSource(ODD_LINES, 0))
    expect([parseLine(tokens).kind, tokens.map(token => token.text).join(' ')]).toEqual(['tree', expect.anything()])
})
