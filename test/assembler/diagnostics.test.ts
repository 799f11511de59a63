import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { DIAGNOSTIC_CODES } from '../../src/assembler/diagnostic-codes.ts'
import { renderDiagnostics } from '../../src/assembler/render-diagnostics.ts'
import { assembleText, complaints, includeStandard } from './assembling.ts'

const rendered = (source: string): string => {
  const { diagnostics, sources } = assembleText(source, { include: includeStandard })
  return renderDiagnostics(diagnostics, sources)
}

test('nine planted mistakes give nine errors in one run, each at its column and with a hint', async () => {
  const source = readFileSync(new URL('./nine-mistakes.asm', import.meta.url), 'utf8')
  const { diagnostics, sources } = assembleText(source, { include: includeStandard, file: 'nine-mistakes.asm' })
  expect(diagnostics.length).toBe(9)
  await expect(renderDiagnostics(diagnostics, sources)).toMatchFileSnapshot('./nine-mistakes.approved.txt')
})

test('a size mismatch underlines both operands and names both sizes', () => {
  expect(rendered('bits 64\n        mov     eax, rbx\n')).toBe(`test.asm:2:17: error[E0203]: operand sizes differ
    2 |         mov     eax, rbx
      |                 ~~~  ~~~  32-bit destination, 64-bit source
      = help: \`mov rax, rbx\` copies all 64 bits; \`mov eax, ebx\` the low 32 (and clears rax[63:32])
1 error, 0 warnings.  \`vtick explain E0203\` for more.
`)
})

test('carets stay below their token behind tabs and wide characters', () => {
  const lines = rendered("\tdb\t'日本', nowhere\n").split('\n')
  expect(lines[1]).toBe("    1 | \tdb\t'日本', nowhere")
  expect(lines[2]).toBe('      | \t  \t        ^~~~~~~')
})

test.each([
  ['bits 64\nmov rax, [rbx', 'E0101 2:10 `[` is not closed'],
  ["db 'abc", 'E0102 1:4 the string is not closed'],
  ['db 1 \\ 2', 'E0103 1:6 `\\` means nothing here'],
  ['db 12z', 'E0104 1:4 `12z` is not a number'],
  ['dw nowhere', 'E0110 1:4 unknown name `nowhere`'],
  ['mvo ax, 5', 'E0111 1:1 unknown instruction `mvo`'],
  ['foo: mvo ax, 5', 'E0111 1:6 unknown instruction `mvo`'],
  ['a:\na:', 'E0112 2:1 `a` is defined twice'],
  ['bits 64\nmov rax, zmm0', 'E0115 2:10 the register `zmm0` is not supported'],
  ['fsin', 'E0113 1:1 `fsin` is a known instruction that is not supported yet'],
  ['extern foo', 'E0114 1:1 flat binary output cannot refer to other files: `extern` is not supported'],
  ['mov 5, ax', 'E0201 1:5 `mov` cannot take `5` here'],
  ['cli ax', 'E0202 1:1 `cli` takes 0 operands, not 1'],
  ['bits 64\ninc [rax]', 'E0204 2:5 the operand size is missing'],
  ['mov rax, 5', 'E0205 1:5 `rax` exists in 64-bit code only, and this is 16-bit code'],
  ['jmp short x\ntimes 200 nop\nx:', 'E0206 1:5 the target is too far for a short jump'],
  ['bits 64\nmov eax, [rsp*2]', 'E0207 2:11 `rsp` cannot be an index'],
  [
    'bits 64\nmov ah, r8b',
    'E0209 2:5 `ah` cannot be used here: another operand needs a REX prefix, which turns AH, CH, DH, BH into SPL, BPL, SIL, DIL',
  ],
  ['times x db 0\nx:', 'E0303 1:7 `x` is defined further down, and its value is needed here'],
  ['db 1 / 0', 'E0302 1:8 division by zero'],
  ['x: db x & 1', 'E0304 1:7 `&` works on plain numbers, and this is an address'],
  ['%defin x 5', 'E0401 1:1 `%defin` is not a directive that vtick reads'],
  ['%macro x\n%endmacro', 'E0402 1:8 the number of parameters of `x` is missing'],
  ['%if 1', 'E0404 1:1 this %if is not closed'],
  ['%endif', 'E0404 1:1 `%endif` without %if'],
  ['%macro x 0', 'E0404 1:1 `%macro` is not closed'],
  ['%include "nowhere.inc"', 'E0405 1:10 the file `nowhere.inc` cannot be found'],
  ['%error something is wrong', 'E0406 1:1 something is wrong'],
  ['db %1', 'E0407 1:4 `%1` is a macro parameter, and this is no macro'],
  ['%macro x 0\nx\n%endmacro\nx', 'E0408 2:1 the macro `x` calls itself'],
  ['db 5 = ', 'E0100 1:7 the line ends too early'],
  ['bits 65', 'E0502 1:6 `bits` takes 16, 32 or 64'],
  ['section .bss\ndb 5', 'E0503 2:1 .bss holds no bytes'],
  ['times -1 nop', 'E0502 1:7 the count of times is negative: -1'],
])('%j is told what is wrong', (source, expected) => {
  expect(complaints(source)[0]).toBe(expected)
})

test.each([
  ['bits 64\nmoov rax, rbx', '`mov`'],
  ['bits 64\ncounter: dq 0\nmov rax, [countr]', '`counter`'],
  ['%define LIMIT 5\nmov ax, LIMT', '`LIMIT`'],
  ['start:\njmp Start', '`start`'],
  ['%macro report 1\nnop\n%endmacro\nrepotr 5', '`report`'],
  ['%ifdfe x\n%endif', '%if'],
  ['default rell', '`rel`'],
])('%j suggests %s', (source, suggestion) => {
  const { diagnostics } = assembleText(source)
  expect([diagnostics[0]?.hint, ...(diagnostics[0]?.help ?? [])].join()).toContain(suggestion)
})

test('a mistake in a macro tells the chain of calls, deepest first, with arguments', () => {
  const { diagnostics } = assembleText('%macro inner 1\n mov ax, %1\n%endmacro\n%macro outer 1\n inner %1 + 1\n%endmacro\nouter nowhere\n')
  const [only] = diagnostics
  expect(only?.span).toMatchObject({ line: 7, column: 6, length: 7 })
  expect(only?.calls.map(call => [call.name, call.arguments, call.call.line, call.expansion])).toEqual([
    ['inner', ['nowhere + 1'], 5, 'mov ax, nowhere + 1'],
    ['outer', ['nowhere'], 7, ''],
  ])
})

test('all errors of a file are told in one run, those of good lines beside bad ones', () => {
  expect(complaints('mov ax, [bx\njmp nowhere\nlabel: mov ax, bx bx\njmp label\ndb 1 +\n').map(line => line.slice(0, 9))).toEqual([
    'E0101 1:9',
    'E0110 2:5',
    'E0100 3:1',
    'E0100 5:7',
  ])
})

test('an overflowing value is cut with a warning that says what the processor sees', () => {
  expect(complaints('bits 64\nadd rax, 0x80000000')).toEqual([
    'W0206 2:10 the value does not fit into 32 signed bits: the processor sees -0x80000000',
  ])
})

test('every code has a title', () => {
  for (const [code, title] of Object.entries(DIAGNOSTIC_CODES))
    expect([code, title]).toEqual([expect.stringMatching(/^[EW]0\d\d\d$/), expect.stringMatching(/^[a-zA-Z]/)])
})
