/** Moves of elements between and within 128-bit vectors (Intel SDM, "SSE Shuffle and Unpack Instructions", "SSE2 128-Bit SIMD Integer Instructions"). */

import type { Size } from '../base/u64.ts'
import type { CpuidFeatureName } from '../spec/cpuid.ts'
import { type Instruction, type InstructionRow, instruction } from './instruction.ts'
import { binary, elementsOf, lanesOf } from './sse-elements.ts'

/** Elements of two vectors in turn, from their low or high halves. */
const unpack = (mnemonic: string, opcode: string, size: Size, half: 0 | 1, feature: CpuidFeatureName = 'sse2'): InstructionRow =>
  binary(
    mnemonic,
    opcode,
    (o, a, b) => {
      const others = elementsOf(o, size, [b[half]!])
      return lanesOf(
        o,
        size,
        elementsOf(o, size, [a[half]!]).flatMap((value, index) => [value, others[index]!]),
      )
    },
    feature,
  )

/** PSLLDQ and PSRLDQ: the whole register by bytes. */
const shiftBytes = (mnemonic: string, digit: number, direction: 'left' | 'right'): InstructionRow =>
  instruction(mnemonic, {
    feature: 'sse2',
    forms: [[`66 0F 73 /${digit} ib`, 'xmmrm, uimm8']],
    execute(o, { dst, src }) {
      const distance = src.kind === 'immediate' ? Math.min(Number(src.value), 16) : 0
      const bytes = elementsOf(o, 8, o.readVector(dst, 'any'))
      const moved = bytes.map((_, index) => bytes[direction === 'left' ? index - distance : index + distance] ?? o.constant(0n))
      o.writeVector(dst, lanesOf(o, 8, moved), 'any')
    },
  })

/** PSHUFD, PSHUFLW, PSHUFHW: two bits of the immediate choose each element. */
const shuffle = (mnemonic: string, prefix: string, size: 16 | 32, part: 'all' | 'low' | 'high'): InstructionRow =>
  instruction(mnemonic, {
    feature: 'sse2',
    forms: [
      [`${prefix} 0F 70 /r ib`, 'xmm, xmmrm, uimm8'],
      [`${prefix} 0F 70 /r ib`, 'xmm, mem, uimm8'], // NASM takes no size word here
    ],
    execute(o, { dst, src, third }) {
      const order = third.kind === 'immediate' ? Number(third.value) : 0
      const lanes = o.readVector(src, 'aligned')
      const shuffled = (elements: readonly V[]): V[] => elements.map((_, index) => elements[(order >> (2 * index)) & 3]!)
      type V = (typeof lanes)[number]
      const result =
        part === 'all'
          ? lanesOf(o, size, shuffled(elementsOf(o, size, lanes)))
          : part === 'low'
            ? [lanesOf(o, size, shuffled(elementsOf(o, size, [lanes[0]!])))[0]!, lanes[1]!]
            : [lanes[0]!, lanesOf(o, size, shuffled(elementsOf(o, size, [lanes[1]!])))[0]!]
      o.writeVector(dst, result, 'any')
    },
  })

/** SHUFPS and SHUFPD: the lower half of the elements come from the destination, the upper half from the source, by the immediate's bits. */
const shufflePair = (mnemonic: string, prefix: string, size: 32 | 64, feature: CpuidFeatureName): InstructionRow =>
  instruction(mnemonic, {
    feature,
    forms: [[`${prefix} 0F C6 /r ib`, 'xmm, xmm/m128, uimm8']],
    execute(o, { dst, src, third }) {
      const order = third.kind === 'immediate' ? Number(third.value) : 0
      const sources = elementsOf(o, size, o.readVector(src, 'aligned'))
      const present = elementsOf(o, size, o.readVector(dst, 'any'))
      const count = present.length
      const choiceBits = count / 2 // of four elements two bits choose, of two elements one
      const chosen = present.map((_, index) => (index < count / 2 ? present : sources)[(order >> (index * choiceBits)) & (count - 1)]!)
      o.writeVector(dst, lanesOf(o, size, chosen), 'any')
    },
  })

/** PINSRW and PEXTRW: one word, by number. */
const wordNumber = ({ third }: Instruction): number => (third.kind === 'immediate' ? Number(third.value) & 7 : 0)

const WORDS: readonly InstructionRow[] = [
  instruction('PINSRW', {
    feature: 'sse2',
    forms: [
      ['66 0F C4 /r ib', 'xmm, rm32, uimm8'],
      ['66 0F C4 /r ib', 'xmm, m16, uimm8'],
    ],
    execute(o, i) {
      const words = elementsOf(o, 16, o.readVector(i.dst, 'any'))
      words[wordNumber(i)] = o.zeroExtend(16, o.read(i.src))
      o.writeVector(i.dst, lanesOf(o, 16, words), 'any')
    },
  }),
  instruction('PEXTRW', {
    feature: 'sse2',
    forms: [['66 0F C5 /r ib', 'r32, xmmrm, uimm8']],
    execute: (o, i) => o.write(i.dst, elementsOf(o, 16, o.readVector(i.src, 'any'))[wordNumber(i)]!),
  }),
]

export const SSE_SHUFFLES: readonly InstructionRow[] = [
  unpack('PUNPCKLBW', '66 0F 60', 8, 0),
  unpack('PUNPCKLWD', '66 0F 61', 16, 0),
  unpack('PUNPCKLDQ', '66 0F 62', 32, 0),
  unpack('PUNPCKLQDQ', '66 0F 6C', 64, 0),
  unpack('PUNPCKHBW', '66 0F 68', 8, 1),
  unpack('PUNPCKHWD', '66 0F 69', 16, 1),
  unpack('PUNPCKHDQ', '66 0F 6A', 32, 1),
  unpack('PUNPCKHQDQ', '66 0F 6D', 64, 1),
  unpack('UNPCKLPS', 'NP 0F 14', 32, 0, 'sse'),
  unpack('UNPCKLPD', '66 0F 14', 64, 0),
  unpack('UNPCKHPS', 'NP 0F 15', 32, 1, 'sse'),
  unpack('UNPCKHPD', '66 0F 15', 64, 1),
  shiftBytes('PSLLDQ', 7, 'left'),
  shiftBytes('PSRLDQ', 3, 'right'),
  shuffle('PSHUFD', '66', 32, 'all'),
  shuffle('PSHUFLW', 'F2', 16, 'low'),
  shuffle('PSHUFHW', 'F3', 16, 'high'),
  shufflePair('SHUFPS', 'NP', 32, 'sse'),
  shufflePair('SHUFPD', '66', 64, 'sse2'),
  ...WORDS,
]
