import { expect, test } from 'vitest'
import { type EncodeContext, type EncodeImmediate, type EncodeRegister, encode, NO_PREFIXES } from '../../src/isa/encode.ts'
import { rowsByMnemonic } from '../../src/isa/table.ts'

const long: EncodeContext = { bits: 64, address: 0x1000n, prefixes: NO_PREFIXES }
const gpr = (size: 8 | 16 | 32 | 64, index: number): EncodeRegister => ({ kind: 'register', size, index, high: false })
const value = (number: bigint, more: Partial<EncodeImmediate> = {}): EncodeImmediate => ({
  kind: 'immediate',
  value: number,
  size: 0,
  strict: false,
  symbolic: false,
  distance: null,
  reach: 'measured',
  ...more,
})
const row = (name: string) => rowsByMnemonic.get(name)!

test('the shortest encoding wins, a sign-extended byte among equals', () => {
  expect(encode(row('ADD'), [gpr(32, 0), value(5n)], long)).toMatchObject({ bytes: [0x83, 0xc0, 5] })
  expect(encode(row('ADD'), [gpr(16, 0), value(5n)], long)).toMatchObject({ bytes: [0x66, 0x83, 0xc0, 5] })
  expect(encode(row('ADD'), [gpr(32, 0), value(500n)], long)).toMatchObject({ bytes: [0x05, 0xf4, 1, 0, 0] })
})

test('a move into a 64-bit register takes 5, 7 or 10 bytes by its value', () => {
  const lengths = [5n, 0xffff_ffffn, -1n, 0x1_0000_0000n].map(number => {
    const answer = encode(row('MOV'), [gpr(64, 0), value(number)], long)
    return answer.kind === 'encoded' ? answer.bytes.length : answer.kind
  })
  expect(lengths).toEqual([5, 5, 7, 10])
})

test('an address is encoded at full size and is told as a fixup', () => {
  expect(encode(row('MOV'), [gpr(64, 0), value(5n, { symbolic: true })], long)).toMatchObject({
    fixups: [{ at: 2, bytes: 8, operand: 1, relative: false }],
  })
})

test('a branch is short where the target is measured to be near', () => {
  expect(encode(row('JMP'), [value(0x1000n)], long)).toMatchObject({ bytes: [0xeb, 0xfe] })
  expect(encode(row('JMP'), [value(0x1081n)], long)).toMatchObject({ bytes: [0xeb, 0x7f] })
  expect(encode(row('JMP'), [value(0x1082n)], long)).toMatchObject({ bytes: [0xe9, 0x7d, 0, 0, 0] })
  expect(encode(row('JMP'), [value(0x1000n, { reach: 'elsewhere' })], long)).toMatchObject({ bytes: [0xe9, 0xfb, 0xff, 0xff, 0xff] })
})

test.each([
  ['sizes that differ', 'MOV', [gpr(32, 0), gpr(64, 3)], { kind: 'size-mismatch', operands: [0, 1], sizes: [32, 64] }],
  ['a wrong number of operands', 'MOV', [gpr(32, 0)], { kind: 'operand-count', takes: [2] }],
  ['an operand of the wrong kind', 'MOV', [value(5n), gpr(32, 0)], { kind: 'combination', operand: 0 }],
  ['another mode', 'PUSH', [gpr(32, 0)], { kind: 'mode', needs64: false }],
  ['a short jump that does not reach', 'JMP', [value(0x2000n, { distance: 'short' })], { kind: 'range', distance: 0xffen }],
] as const)('%s is told as such', (_, name, operands, failure) => {
  expect(encode(row(name), operands, long)).toMatchObject(failure)
})

test('a 64-bit register in 32-bit code needs 64-bit code', () => {
  expect(encode(row('INC'), [gpr(64, 0)], { ...long, bits: 32 })).toEqual({ kind: 'mode', needs64: true, operand: 0 })
})
