/**
 * String instructions (Intel SDM, "String Instructions"; "Repeat String Operation Prefix"). One iteration is one instruction:
 * under a REP prefix RIP stays until the count or the comparison ends it, so an interrupt may come between iterations.
 */

import type { Size } from '../base/u64.ts'
import { type Instruction, type InstructionRow, instruction } from './instruction.ts'
import { DS, ES, gpr, RAX, RCX, RDI, RSI, type SegmentIndex } from './operands.ts'
import type { Ops } from './ops.ts'

const sourceSegment = ({ segment }: Instruction): SegmentIndex => (segment === -1 ? DS : segment)

/** Moves SI or DI by one element, down when DF is set. */
function advance<V>(o: Ops<V>, i: Instruction, index: number, size: Size): void {
  const pointer = gpr(i.addressSize, index)
  const step = BigInt(size / 8)
  const value = o.read(pointer)
  const up = o.add(i.addressSize, value, o.constant(step))
  const down = o.sub(i.addressSize, value, o.constant(step))
  o.write(pointer, o.select(o.flag('DF'), down, up))
}

/** Runs one iteration; with a REP prefix, counts it and stays on the instruction while there is more to do. */
function repeated<V>(o: Ops<V>, i: Instruction, iteration: () => void, compares = false): void {
  if (i.repeat === 0) return iteration()
  const counter = gpr(i.addressSize, RCX)
  const count = o.read(counter)
  const zero = o.constant(0n)
  o.when(
    o.equal(count, zero),
    () => {},
    () => {
      iteration()
      const left = o.sub(i.addressSize, count, o.constant(1n))
      o.write(counter, left)
      const ended = compares
        ? o.or(o.equal(left, zero), o.equal(o.flag('ZF'), o.constant(i.repeat === 0xf3 ? 0n : 1n)))
        : o.equal(left, zero)
      o.when(
        ended,
        () => {},
        () => o.again(),
      )
    },
  )
}

interface StringFamily {
  readonly name: string
  /** Opcode of the byte form; the next one is the form by operand size. */
  readonly opcode: number
  readonly prefixes: readonly ('rep' | 'repe')[]
  readonly writes?: string
  readonly sizes: readonly Size[]
  readonly execute: <V>(o: Ops<V>, i: Instruction, size: Size) => void
}

const LETTERS: Readonly<Record<Size, string>> = { 8: 'B', 16: 'W', 32: 'D', 64: 'Q' }

const rowsOf = (family: StringFamily): InstructionRow[] =>
  family.sizes.map(size => {
    const opcode = (family.opcode + (size === 8 ? 0 : 1)).toString(16).toUpperCase()
    return instruction(`${family.name}${LETTERS[size]}`, {
      forms: [[size === 8 ? opcode : `o${size} ${opcode}`, '', size === 64 ? '64' : '']],
      prefixes: family.prefixes,
      writes: family.writes ?? '',
      execute: (o, i) => family.execute(o, i, size),
    })
  })

const WITHOUT_QWORD: readonly Size[] = [8, 16, 32]
const EVERY_SIZE: readonly Size[] = [8, 16, 32, 64]
const COMPARISON = 'OF SF ZF AF PF CF'

const FAMILIES: readonly StringFamily[] = [
  {
    name: 'MOVS',
    opcode: 0xa4,
    prefixes: ['rep'],
    sizes: EVERY_SIZE,
    execute: (o, i, size) =>
      repeated(o, i, () => {
        const value = o.load(size, sourceSegment(i), o.read(gpr(i.addressSize, RSI)))
        o.store(size, ES, o.read(gpr(i.addressSize, RDI)), value)
        advance(o, i, RSI, size)
        advance(o, i, RDI, size)
      }),
  },
  {
    name: 'CMPS',
    opcode: 0xa6,
    prefixes: ['repe'],
    writes: COMPARISON,
    sizes: EVERY_SIZE,
    execute: (o, i, size) =>
      repeated(
        o,
        i,
        () => {
          const a = o.load(size, sourceSegment(i), o.read(gpr(i.addressSize, RSI)))
          const b = o.load(size, ES, o.read(gpr(i.addressSize, RDI)))
          advance(o, i, RSI, size)
          advance(o, i, RDI, size)
          o.flags('sub', size, a, b, o.sub(size, a, b))
        },
        true,
      ),
  },
  {
    name: 'STOS',
    opcode: 0xaa,
    prefixes: ['rep'],
    sizes: EVERY_SIZE,
    execute: (o, i, size) =>
      repeated(o, i, () => {
        o.store(size, ES, o.read(gpr(i.addressSize, RDI)), o.read(gpr(size, RAX)))
        advance(o, i, RDI, size)
      }),
  },
  {
    name: 'LODS',
    opcode: 0xac,
    prefixes: ['rep'],
    sizes: EVERY_SIZE,
    execute: (o, i, size) =>
      repeated(o, i, () => {
        o.write(gpr(size, RAX), o.load(size, sourceSegment(i), o.read(gpr(i.addressSize, RSI))))
        advance(o, i, RSI, size)
      }),
  },
  {
    name: 'SCAS',
    opcode: 0xae,
    prefixes: ['repe'],
    writes: COMPARISON,
    sizes: EVERY_SIZE,
    execute: (o, i, size) =>
      repeated(
        o,
        i,
        () => {
          const a = o.read(gpr(size, RAX))
          const b = o.load(size, ES, o.read(gpr(i.addressSize, RDI)))
          advance(o, i, RDI, size)
          o.flags('sub', size, a, b, o.sub(size, a, b))
        },
        true,
      ),
  },
  {
    name: 'INS',
    opcode: 0x6c,
    prefixes: ['rep'],
    sizes: WITHOUT_QWORD,
    execute: (o, i, size) =>
      repeated(o, i, () => {
        o.system('ins')
        advance(o, i, RDI, size)
      }),
  },
  {
    name: 'OUTS',
    opcode: 0x6e,
    prefixes: ['rep'],
    sizes: WITHOUT_QWORD,
    execute: (o, i, size) =>
      repeated(o, i, () => {
        o.system('outs')
        advance(o, i, RSI, size)
      }),
  },
]

export const STRINGS: readonly InstructionRow[] = FAMILIES.flatMap(rowsOf)
