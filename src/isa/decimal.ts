/** Decimal adjustment, and what else of the 8086 works on AL alone (Intel SDM, "Decimal Arithmetic Instructions"; "XLAT"; "LAHF"). */

import { type Instruction, type InstructionRow, instruction } from './instruction.ts'
import { DS, gpr, highByte, RAX, RBX } from './operands.ts'
import type { Ops } from './ops.ts'

const AL = gpr(8, RAX)
const AH = highByte(RAX)
const AX = gpr(16, RAX)

const not = <V>(o: Ops<V>, truth: V): V => o.xor(truth, o.constant(1n))

/** Whether the low digit of AL is above 9, or a carry came out of it. */
function digitOverflows<V>(o: Ops<V>, al: V): V {
  const digit = o.and(al, o.constant(0xfn))
  return o.or(not(o, o.below(digit, o.constant(10n))), o.flag('AF'))
}

/** AAA and AAS: AX moves on by the carry of a digit and its 6, then AL keeps the digit. */
function adjustUnpacked<V>(o: Ops<V>, adjust: (ax: V) => V): void {
  const overflows = digitOverflows(o, o.read(AL))
  const ax = o.read(AX)
  o.write(AX, o.and(o.select(overflows, adjust(ax), ax), o.constant(0xff0fn)))
  o.setFlag('AF', overflows)
  o.setFlag('CF', overflows)
}

/** DAA and DAS: 6 for the low digit, 60H for the high one. */
function adjustPacked<V>(o: Ops<V>, direction: 'add' | 'sub'): void {
  const step = (value: V, amount: V): V => (direction === 'add' ? o.add(8, value, amount) : o.sub(8, value, amount))
  const al = o.read(AL)
  const carry = o.flag('CF')
  const low = digitOverflows(o, al)
  const high = o.or(not(o, o.below(al, o.constant(0x9an))), carry)
  const afterLow = step(al, o.select(low, o.constant(6n), o.constant(0n)))
  const result = step(afterLow, o.select(high, o.constant(0x60n), o.constant(0n)))
  // DAS also borrows where the low digit's 6 does not fit into AL.
  const borrow = direction === 'add' ? o.constant(0n) : o.and(low, o.below(al, o.constant(6n)))
  o.write(AL, result)
  o.flags('logic', 8, result, result, result)
  o.setFlag('AF', low)
  o.setFlag('CF', o.or(high, borrow))
}

const packed = (mnemonic: string, opcode: string, direction: 'add' | 'sub'): InstructionRow =>
  instruction(mnemonic, {
    writes: 'SF ZF AF PF CF',
    undefined: 'OF',
    forms: [[opcode, '', '!64']],
    execute: o => adjustPacked(o, direction),
  })

const UNPACKED = { writes: 'AF CF', undefined: 'OF SF ZF PF' } as const
const BASE = { writes: 'SF ZF PF', undefined: 'OF AF CF' } as const

function multiplyDigits<V>(o: Ops<V>, { dst }: Instruction): void {
  const base = dst.kind === 'immediate' ? o.read(dst) : o.constant(10n)
  const al = o.add(8, o.read(AL), o.mul(8, o.read(AH), base))
  o.write(AX, al)
  o.flags('logic', 8, al, al, al)
}

function splitDigits<V>(o: Ops<V>, { dst }: Instruction): void {
  const base = dst.kind === 'immediate' ? o.read(dst) : o.constant(10n)
  const [tens, ones] = o.divide(8, 'unsigned', o.constant(0n), o.read(AL), base)
  o.write(AH, tens)
  o.write(AL, ones)
  o.flags('logic', 8, ones, ones, ones)
}

/** In 64-bit mode LAHF and SAHF came later than the mode. */
function requireInLongMode<V>(o: Ops<V>, { bits }: Instruction): void {
  if (bits === 64) o.require('lahf-lm')
}

export const DECIMAL: readonly InstructionRow[] = [
  instruction('AAA', {
    ...UNPACKED,
    forms: [['37', '', '!64']],
    execute: o => adjustUnpacked(o, ax => o.add(16, ax, o.constant(0x106n))),
  }),
  instruction('AAS', {
    ...UNPACKED,
    forms: [['3F', '', '!64']],
    execute: o => adjustUnpacked(o, ax => o.sub(16, ax, o.constant(0x106n))),
  }),
  instruction('AAD', {
    ...BASE,
    forms: [
      ['D5 ib', 'uimm8', '!64'],
      ['D5 0A', '', '!64 encode'],
    ],
    execute: multiplyDigits,
  }),
  instruction('AAM', {
    ...BASE,
    forms: [
      ['D4 ib', 'uimm8', '!64'],
      ['D4 0A', '', '!64 encode'],
    ],
    execute: splitDigits,
  }),
  packed('DAA', '27', 'add'),
  packed('DAS', '2F', 'sub'),
  instruction('SALC', {
    forms: [
      ['D6', '', '!64'],
      ['D6', '', '64 encode'], // undefined there, and yet NASM writes it
    ],
    execute: o => o.write(AL, o.select(o.flag('CF'), o.constant(0xffn), o.constant(0n))),
  }),
  instruction('XLATB', {
    aliases: ['XLAT'],
    forms: [['D7', '']],
    execute(o, { addressSize, segment }) {
      const address = o.add(addressSize, o.read(gpr(addressSize, RBX)), o.read(AL))
      o.write(AL, o.load(8, segment === -1 ? DS : segment, address))
    },
  }),
  instruction('LAHF', {
    forms: [['9F', '']],
    execute(o, i) {
      requireInLongMode(o, i)
      o.write(AH, o.and(o.rflags(), o.constant(0xffn)))
    },
  }),
  instruction('SAHF', {
    writes: 'SF ZF AF PF CF',
    forms: [['9E', '']],
    execute(o, i) {
      requireInLongMode(o, i)
      const value = o.read(AH)
      for (const [name, position] of [
        ['SF', 7n],
        ['ZF', 6n],
        ['AF', 4n],
        ['PF', 2n],
        ['CF', 0n],
      ] as const)
        o.setFlag(name, o.and(o.shr(8, value, o.constant(position)), o.constant(1n)))
    },
  }),
]
