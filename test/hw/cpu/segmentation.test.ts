/** Segments outside 64-bit mode (Intel SDM, "Protection": "Segment Limit Checking", "Type Checking", "Privilege Level Checking"). */

import { describe, expect, test } from 'vitest'
import { firstException, GDT, runProtected } from './legacy.ts'

const GP = 13
const SS = 12
const NP = 11
const spare = GDT.spare

/** Loads DS with the spare selector, then runs the program. */
const withData = (descriptor: bigint, body: string, register = 'ds') =>
  firstException(`mov eax, ${spare}\nmov ${register}, eax\n${body}`, { descriptors: { [spare]: descriptor } })

const SMALL = 0x0040_9300_0000_0fffn
const EXPAND_DOWN = 0x0040_9700_0000_0fffn
const EXPAND_DOWN_16 = 0x0000_9700_0000_0fffn
const READ_ONLY = 0x00cf_9100_0000_ffffn

describe('limits: "Segment Limit Checking"', () => {
  test.each([
    ['the last bytes of a segment may be used', SMALL, 'mov eax, [0xffc]', 'none'],
    ['an access that ends beyond the limit is #GP(0)', SMALL, 'mov eax, [0xffd]', { vector: GP, errorCode: 0 }],
    ['and so is a write', SMALL, 'mov [0x1000], al', { vector: GP, errorCode: 0 }],
    ['an expand-down segment begins above its limit', EXPAND_DOWN, 'mov eax, [0x1000]', 'none'],
    ['below it is #GP(0)', EXPAND_DOWN, 'mov eax, [0xfff]', { vector: GP, errorCode: 0 }],
    ['with B clear it ends at 64 KBytes', EXPAND_DOWN_16, 'mov eax, [0xfffc]', 'none'],
    ['and not beyond', EXPAND_DOWN_16, 'mov eax, [0xfffd]', { vector: GP, errorCode: 0 }],
  ])('%s', (_title, descriptor, body, expected) => {
    expect(withData(descriptor, body)).toEqual(expected)
  })

  test('beyond the stack segment is #SS(0)', () => {
    expect(withData(SMALL, 'mov esp, 0x800\nmov ebp, 0xffd\nmov eax, [ebp]', 'ss')).toEqual({
      vector: SS,
      errorCode: 0,
    })
  })

  test('a base is added, and linear addresses wrap at 4 GBytes', () => {
    const high = 0xffcf_93ff_f000_ffffn // base FFFFF000H
    const run = runProtected(`mov eax, ${spare}\nmov ds, eax\nmov dword [0x6000], 0x12345678`, { descriptors: { [spare]: high } })
    expect(run.machine.memory.read32(0x5000)).toBe(0x1234_5678)
  })

  test('a jump beyond the code segment is #GP(0), before it is taken', () => {
    const code = 0x0040_9b10_0000_0fffn // base 100000H, 4 KBytes
    expect(firstException(`jmp ${spare}:inside - 0x100000\ninside: mov eax, 0x1000\njmp eax`, { descriptors: { [spare]: code } })).toEqual({
      vector: GP,
      errorCode: 0,
    })
  })
})

describe('types: "Type Checking"', () => {
  test.each([
    ['a read-only segment may be read', READ_ONLY, 'mov eax, [0x5000]', 'none'],
    ['and not written', READ_ONLY, 'mov [0x5000], eax', { vector: GP, errorCode: 0 }],
    ['readable code may be data', 0x00cf_9b00_0000_ffffn, 'mov eax, [0x5000]', 'none'],
    ['that is not written', 0x00cf_9b00_0000_ffffn, 'mov [0x5000], eax', { vector: GP, errorCode: 0 }],
  ])('%s', (_title, descriptor, body, expected) => {
    expect(withData(descriptor, body)).toEqual(expected)
  })
  test('code cannot be written through CS', () => {
    expect(firstException('mov [cs:0x5000], eax')).toEqual({ vector: GP, errorCode: 0 })
  })
  test('a null segment may be loaded, and any use of it is #GP(0)', () => {
    expect(firstException('xor eax, eax\nmov ds, eax')).toBe('none')
    expect(firstException('xor eax, eax\nmov fs, eax\nmov eax, [fs:0]')).toEqual({ vector: GP, errorCode: 0 })
  })
})

describe('loading a segment register: "MOV", protected-mode exceptions', () => {
  test.each([
    ['execute-only code is no data: #GP', 0x00cf_9900_0000_ffffn, 'ds', { vector: GP, errorCode: spare }],
    ['a system descriptor is no data: #GP', 0x0000_8900_2000_0067n, 'es', { vector: GP, errorCode: spare }],
    ['data that is not present: #NP', 0x00cf_1300_0000_ffffn, 'ds', { vector: NP, errorCode: spare }],
    ['a stack that is not present: #SS', 0x00cf_1300_0000_ffffn, 'ss', { vector: SS, errorCode: spare }],
    ['a stack must be writable: #GP', READ_ONLY, 'ss', { vector: GP, errorCode: spare }],
    ['and of the same privilege: #GP', 0x00cf_f300_0000_ffffn, 'ss', { vector: GP, errorCode: spare }],
  ])('%s', (_title, descriptor, register, expected) => {
    expect(withData(descriptor, 'nop', register)).toEqual(expected)
  })
  test('a null SS is #GP(0) outside 64-bit mode', () => {
    expect(firstException('xor eax, eax\nmov ss, eax')).toEqual({ vector: GP, errorCode: 0 })
  })
  test('a selector beyond the table is #GP with the selector', () => {
    expect(firstException('mov eax, 0x1000\nmov ds, eax')).toEqual({ vector: GP, errorCode: 0x1000 })
  })
  test('the accessed bit is set in memory', () => {
    const run = runProtected(`mov eax, ${spare}\nmov es, eax`, { descriptors: { [spare]: 0x00cf_9200_0000_ffffn } })
    expect(run.machine.memory.read8(0x1000 + spare + 5)).toBe(0x93)
  })
  test('SS.B says whether SP or ESP is the stack pointer', () => {
    const run = runProtected(`mov eax, ${GDT.data16}\nmov ss, eax\nmov esp, 0x12340000\npush eax\nmov esi, esp`)
    expect(run.gpr(6)).toBe(0x1234_fffcn)
  })
})
