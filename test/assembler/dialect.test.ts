/** What NASM reads and vtick does not is refused by its own name, with one error and a next step. */

import { describe, expect, it } from 'vitest'
import { OUTSIDE_DIRECTIVES, OUTSIDE_FUNCTIONS, OUTSIDE_MACROS, OUTSIDE_PREPROCESSOR } from '../../src/assembler/outside.ts'
import { assembleText } from './assembling.ts'
import { hasNasm, nasm } from './nasm.ts'

/** The one error of a source: its code, whether it names the word, and whether it says what to do. */
function refusal(source: string, word: string): unknown {
  const errors = assembleText(source).diagnostics.filter(({ severity }) => severity === 'error')
  return errors.map(({ code, message, help }) => [code, message.includes(word) ? word : message, help.filter(line => line !== '').length])
}

describe('one error that names it and says what to do', () => {
  it.each(Object.keys(OUTSIDE_DIRECTIVES))('has the directive `%s`', word => {
    expect(refusal(`${word} x`, word)).toEqual([['E0114', word, 1]])
  })

  it.each(Object.keys(OUTSIDE_PREPROCESSOR))('has %s', word => {
    expect(refusal(word.endsWith('rmacro') ? `${word} x 0\n%endmacro` : `${word} x`, word)).toEqual([['E0401', word, 1]])
  })

  it.each(Object.keys(OUTSIDE_FUNCTIONS))('has the function %s()', word => {
    expect(refusal(`db ${word}(1)`, word)).toEqual([['E0401', `${word}`, 1]])
  })

  it.each(Object.keys(OUTSIDE_MACROS))('has the standard macro %s, in both spellings', word => {
    const use = (name: string) => (word === 'SECT' ? name : /^(b?float|utf)\d/.test(word) ? `dq ${name}(1)` : `dq ${name}`)
    for (const name of [`__${word}__`, `__?${word}?__`]) expect(refusal(use(name), name)).toEqual([['E0401', name, 1]])
  })

  it.each([
    ['[warning -all]', 'E0114', 'warning'],
    ['common buffer 64:4', 'E0114', 'common'],
    ['default bnd', 'E0114', 'default bnd'],
    ['here: call here wrt ..plt', 'E0304', 'wrt'],
    ['here: dw here wrt ..got', 'E0304', 'wrt'],
    ['bnd ret', 'E0114', 'bnd'],
    ['mov eax, [a32 5]', 'E0114', 'a32'],
    ['nop {k1}', 'E0114', '{k1}'],
    ['db 1 %, 2', 'E0114', '%,'],
    ['db %!HOME', 'E0401', '%!HOME'],
    ['%define f(=x) x', 'E0402', '='],
    ['%define f(x, y+) x', 'E0402', '+'],
    ['dt 5', 'E0501', '10 bytes'],
    ["db 'a' 'b'", 'E0100', "`'b'`"],
    ['repne ret', 'E0208', 'repne'],
  ])('has `%s`', (source, code, word) => {
    expect(refusal(source, word)).toEqual([[code, word, 1]])
  })
})

describe('a misspelt instruction is the common one it is nearest to', () => {
  it.each([
    ['move', 'mov'],
    ['addd', 'add'],
    ['jump', 'jmp'],
    ['mvo', 'mov'],
  ])('%s: %s', (wrong, right) => {
    expect(assembleText(`bits 64\n${wrong} eax, 5`).diagnostics.map(({ hint }) => hint)).toEqual([`did you mean \`${right}\`?`])
  })
})

const DOLLARS = `zz equ 3
%define zz 9
db $zz
%define $zz 8
db zz, $zz
%ifdef $q
%error defined
%endif
%defstr s $a
db s
%if $zz == 8 && zz == 9
db 7
%endif
%ifidn $q, q
%error the same
%endif
%undef zz
db zz, $zz
$eax: db $eax - $$
`

it('takes $name and name for two names while macros are expanded, and for one label, as NASM does', () => {
  const ours = assembleText(DOLLARS)
  expect(ours.diagnostics).toEqual([])
  // NASM 2.16.01's bytes.
  expect(Buffer.from(ours.image!.bytes).toString('hex')).toBe('030908246107030808')
  if (hasNasm) expect(ours.image!.bytes).toEqual(nasm(DOLLARS).bytes)
  expect(ours.expanded()).toContain('$eax: db $eax - $$')
})
