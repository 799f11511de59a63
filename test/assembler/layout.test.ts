/**
 * Sizes that depend on each other: random programs of jumps, distances between labels, data and alignment, laid out as NASM lays them
 * out. Often several layouts fit; which one comes out depends on what a pass hopes of the names that it does not know yet.
 */

import { describe, expect, test } from 'vitest'
import { assemble } from '../../src/assembler/assemble.ts'
import { isFull } from '../slice.ts'
import { hasNasm, nasm } from './nasm.ts'

const PROGRAMS = isFull ? 500 : 25

/** Numbers below `limit` from a linear congruential generator. */
function generator(seed: number): (limit: number) => number {
  let state = seed
  return limit => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0
    return (state >>> 8) % limit
  }
}

interface Names {
  readonly label: string
  readonly distance: string
  /** One that can be a base, and one that a number is added to. */
  readonly base: string
  readonly wide: string
  readonly below: (limit: number) => number
}

type Statement = (names: Names) => string

const jump: Statement = ({ label }) => `jmp ${label}`
const nops: Statement = ({ below }) => `times ${below(140)} nop`

/** Jumps and fillers come more often than the rest. */
const STATEMENTS: readonly Statement[] = [
  jump,
  jump,
  ({ label }) => `jz ${label}`,
  nops,
  nops,
  ({ distance }) => `push ${distance}`,
  ({ distance, base }) => `mov al, [${base} + ${distance}]`,
  ({ distance, wide }) => `add ${wide}, ${distance}`,
  ({ distance, wide }) => `mov ${wide}, ${distance}`,
  ({ distance }) => `shl cl, ${distance} + 1`,
  ({ distance }) => `imul ecx, edx, ${distance}`,
  ({ distance }) => `add cx, 2 * (${distance})`,
  ({ distance, base }) => `cmp dword [${base} + ${distance}], ${distance}`,
  ({ distance }) => `mov dl, [${distance}]`,
  ({ label }) => `push ${label}`,
  ({ label }) => `mov al, [${label}]`,
  ({ label, base }) => `add byte [${base} + ${label}], 1`,
  ({ label }) => `call ${label}`,
  ({ label, below }) => `jmp ${label} + ${below(9)}`,
  ({ distance }) => `dw ${distance}`,
  ({ below }) => `align ${2 << below(4)}`,
]

const MODES = [
  { bits: 64, base: 'rbx', wide: 'rcx' },
  { bits: 32, base: 'ebx', wide: 'ecx' },
  { bits: 16, base: 'bx', wide: 'cx' },
] as const

function program(seed: number): string {
  const below = generator(seed)
  const { bits, base, wide } = MODES[below(4) % 3]!
  const count = 3 + below(6)
  const label = (): string => `l${below(count)}`
  const lines = Array.from({ length: 10 + below(40) }, () =>
    STATEMENTS[below(STATEMENTS.length)]!({ label: label(), distance: `${label()} - ${label()}`, base, wide, below }),
  )
  for (let at = 0; at < count; at++) lines.splice(below(lines.length), 0, `l${at}:`)
  return [`bits ${bits}`, ...(below(3) === 0 ? ['default rel'] : []), ...lines, ''].join('\n')
}

describe.skipIf(!hasNasm)('jumps and distances settle as in NASM', () => {
  test(`${PROGRAMS} programs, seeds from 1`, () => {
    let compared = 0
    for (let seed = 1; seed <= PROGRAMS; seed++) {
      const source = program(seed)
      const { bytes } = nasm(source)
      const { image } = assemble(source, { file: 'layout.asm' })
      expect({ seed, source, isAccepted: image !== undefined }).toEqual({ seed, source, isAccepted: bytes !== undefined })
      if (bytes === undefined) continue
      compared++
      expect(Buffer.compare(bytes, image!.bytes), `seed ${seed}:\n${source}`).toBe(0)
    }
    expect(compared).toBeGreaterThan(PROGRAMS * 0.9)
  })
})
