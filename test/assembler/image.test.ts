import { expect, test } from 'vitest'
import { lineAt } from '../../src/assembler/image.ts'
import { assembleText, bytesOf } from './assembling.ts'

test('without a bits line the code is 16-bit, and the image says that nobody asked for it', () => {
  const { image } = assembleText('mov ax, 5')
  expect(image).toMatchObject({ bits: 16, bitsStated: false, origin: 0, entry: 0 })
  expect(assembleText('bits 64\nnop').image).toMatchObject({ bits: 64, bitsStated: true })
})

test('the mode of an image is that of its first instruction', () => {
  expect(assembleText('bits 16\nnop\nbits 32\nnop').image?.bits).toBe(16)
})

test('symbols have their addresses, constants their values', () => {
  const { image } = assembleText('bits 64\norg 0x1000\nsize equ 5\nnop\nstart:\n.inner: nop\n')
  expect(image?.symbols.map(({ name, value, kind, line }) => [name, value, kind, line])).toEqual([
    ['size', 5n, 'constant', 3],
    ['start', 0x1001n, 'label', 5],
    ['start.inner', 0x1001n, 'label', 6],
  ])
})

test('each byte knows its source line; those of a macro know the call', () => {
  const { image } = assembleText('org 16\n%macro two 0\nnop\nnop\n%endmacro\nhlt\ntwo\n')
  expect([16, 17, 18, 19].map(address => lineAt(image!, address)?.line)).toEqual([6, 7, 7, undefined])
})

test('included files are sources of the image', () => {
  const include = (name: string) => ({ file: `inc/${name}`, text: 'value equ 7\n' })
  const { image } = assembleText('%include "a.inc"\ndb value\n', { include })
  expect(image?.sources.map(source => source.file)).toEqual(['test.asm', 'inc/a.inc'])
  expect(image?.symbols[0]).toMatchObject({ name: 'value', source: 1, line: 1 })
})

test('definitions from the command line hold from the first line on', () => {
  expect(bytesOf('%ifdef WIDE\ndb COUNT\n%endif', { defines: { WIDE: '', COUNT: '2 + 3' } })).toBe('05')
})

test('INCBIN takes a part of a file', () => {
  const readBinary = () => Uint8Array.from([1, 2, 3, 4, 5])
  expect(bytesOf("incbin 'x', 1, 3", { readBinary })).toBe('020304')
})

test('the listing shows line, offset, bytes, depth of macros and source', () => {
  const { listing } = assembleText(
    '%macro two 1\n        mov ax, %1\n%endmacro\nbits 16\nstart:  two 5\n        dw start\n        times 4 nop\n',
  )
  expect(listing()).toBe(`     1                                  %macro two 1
     2                                          mov ax, %1
     3                                  %endmacro
     4                                  bits 16
     5                                  start:  two 5
     2 00000000 B80500              <1>  mov ax, %1
     6 00000003 [0000]                          dw start
     7 00000005 90<rep 4h>                      times 4 nop
`)
})
