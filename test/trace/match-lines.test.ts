import { describe, expect, test } from 'vitest'
import { assemble } from '../../src/assembler/assemble.ts'
import type { Image } from '../../src/assembler/image.ts'
import { addressMap, matchLines } from '../../src/trace/match-lines.ts'

const imageOf = (...lines: readonly string[]): Image =>
  assemble(['bits 64', 'org 0x100000', ...lines].join('\n'), { file: 'guest.asm' }).image!

/** Every address of a label of `b`, as one of `a`. */
function turned(a: Image, b: Image): Record<string, bigint> {
  const turn = addressMap(a, b)!
  return Object.fromEntries(b.symbols.map(({ name, value }) => [name, turn(value)]))
}

const addresses = ({ symbols }: Image): Record<string, bigint> => Object.fromEntries(symbols.map(({ name, value }) => [name, value]))

describe('the lines of an edited program', () => {
  test('are matched whatever their comments and blanks, and new ones are none of the old', () => {
    expect([...matchLines('a\nb\nc', 'a\nx\nb ; new comment\n  c')]).toEqual([0, 1, 0, 2, 3])
    expect([...matchLines('a\nb\nc', 'c')]).toEqual([0, 3])
    expect([...matchLines('a\nb\nc', 'a\nB\nc')]).toEqual([0, 1, 2, 3]) // edited in place
  })

  test('have the addresses that they had before the edit', () => {
    const a = imageOf('one: rdtsc', 'two: cpuid', 'three: hlt')
    const b = imageOf('one: rdtsc', 'nop', 'nop', 'two: cpuid', 'mov rax, 5', 'three: hlt')
    expect(addresses(b)).not.toEqual(addresses(a))
    expect(turned(a, b)).toEqual(addresses(a))
  })

  test('that are new have addresses that no program has', () => {
    const a = imageOf('one: rdtsc', 'two: hlt')
    const b = imageOf('one: rdtsc', 'new: cpuid', 'two: hlt')
    const turn = addressMap(a, b)!
    const { new: added } = addresses(b)
    expect(turn(added!)).toBeGreaterThan(1n << 62n)
    expect(turn(0xffff_8000_0000_0000n)).toBe(0xffff_8000_0000_0000n) // not of the program
  })

  test('need no turning where the programs are the same', () => {
    expect(addressMap(imageOf('hlt'), imageOf('hlt'))).toBeUndefined()
  })
})
