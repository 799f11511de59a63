/**
 * Moves of vector registers (Intel SDM, "SSE and SSE2 Data Transfer Instructions"), and their VEX-encoded twins for 128 and 256
 * bits, which clear what lies above the value they write. Those that must be aligned fault where memory is not.
 */

import type { CpuidFeatureName } from '../spec/cpuid.ts'
import { type Instruction, type InstructionNotes, type InstructionRow, instruction } from './instruction.ts'
import type { MemoryOperand, Operand } from './operands.ts'
import type { Ops } from './ops.ts'

type Alignment = 'aligned' | 'any'
type Forms = InstructionNotes['forms']

/** A value of one lane and zeros above it, as far as the register has lanes that the instruction writes. */
const zeroExtended = <V>(o: Ops<V>, value: V, lanes: number): V[] => [value, ...Array.from({ length: lanes - 1 }, () => o.constant(0n))]

/** Lanes that a write to a register replaces: SSE leaves the upper half of a YMM register, VEX clears it. */
const lanesWritten = ({ form }: Instruction): 2 | 4 => (form.vex === null ? 2 : 4)

function moveWhole<V>(o: Ops<V>, i: Instruction, alignment: Alignment): void {
  const value = o.readVector(i.src, alignment)
  if (i.dst.kind === 'memory') return o.writeVector(i.dst, value, alignment)
  const cleared = Array.from({ length: lanesWritten(i) - value.length }, () => o.constant(0n))
  o.writeVector(i.dst, [...value, ...cleared], alignment)
}

/** Load and register form, store form; the register form of the store is another encoding of the same move. */
const moveForms = (load: string, store: string): Forms => [
  [`${load} /r`, 'xmm, xmm/m128'],
  [`${store} /r`, 'm128, xmm'],
  [`${store} /r`, 'xmmrm, xmm', 'decode'],
]

const vexForms = (prefix: string, load: string, store: string): Forms => [
  [`VEX.128${prefix}.0F.WIG ${load} /r`, 'xmm, xmm/m128'],
  [`VEX.128${prefix}.0F.WIG ${store} /r`, 'm128, xmm'],
  [`VEX.128${prefix}.0F.WIG ${store} /r`, 'xmmrm, xmm', 'decode'],
  [`VEX.256${prefix}.0F.WIG ${load} /r`, 'ymm, ymm/m256'],
  [`VEX.256${prefix}.0F.WIG ${store} /r`, 'm256, ymm'],
  [`VEX.256${prefix}.0F.WIG ${store} /r`, 'ymmrm, ymm', 'decode'],
]

/** The move and its VEX twin. `prefix` is the mandatory one. */
function wholeMove(mnemonic: string, feature: CpuidFeatureName, prefix: string, load: string, store: string, alignment: Alignment) {
  const mandatory = prefix === '' ? 'NP' : prefix
  const execute: InstructionRow['execute'] = (o, i) => moveWhole(o, i, alignment)
  return [
    instruction(mnemonic, { feature, forms: moveForms(`${mandatory} 0F ${load}`, `${mandatory} 0F ${store}`), execute }),
    instruction(`V${mnemonic}`, { feature: 'avx', forms: vexForms(prefix === '' ? '' : `.${prefix}`, load, store), execute }),
  ]
}

/** Stores that bypass the caches, which the emulated memory does not have. */
function nonTemporal(mnemonic: string, feature: CpuidFeatureName, prefix: string, opcode: string): readonly InstructionRow[] {
  const execute: InstructionRow['execute'] = (o, i) => moveWhole(o, i, 'aligned')
  const vex = prefix === '' ? '' : `.${prefix}`
  return [
    instruction(mnemonic, { feature, forms: [[`${prefix === '' ? 'NP' : prefix} 0F ${opcode} /r`, 'm128, xmm']], execute }),
    instruction(`V${mnemonic}`, {
      feature: 'avx',
      forms: [
        [`VEX.128${vex}.0F.WIG ${opcode} /r`, 'm128, xmm'],
        [`VEX.256${vex}.0F.WIG ${opcode} /r`, 'm256, ymm'],
      ],
      execute,
    }),
  ]
}

/** MOVD and MOVQ: one lane between a vector register and a general register, memory or another vector register. */
function moveLane<V>(o: Ops<V>, i: Instruction): void {
  const value = laneOf(o, i.src)
  if (i.dst.kind === 'xmm') o.writeVector(i.dst, zeroExtended(o, value, lanesWritten(i)), 'any')
  else o.write(i.dst, i.dst.kind === 'register' || i.dst.kind === 'memory' ? cut(o, i.dst, value) : value)
}

const laneOf = <V>(o: Ops<V>, operand: Operand): V => (operand.kind === 'xmm' ? o.readVector(operand, 'any')[0]! : o.read(operand))

/** The low half of a lane for MOVD. */
const cut = <V>(o: Ops<V>, { size }: { readonly size: MemoryOperand['size'] }, value: V): V =>
  size === 32 ? o.zeroExtend(32, value) : value

const LANE_MOVES: readonly InstructionRow[] = [
  instruction('MOVD', {
    feature: 'sse2',
    forms: [
      ['66 0F 6E /r', 'xmm, r/m32'],
      ['66 0F 7E /r', 'r/m32, xmm'],
    ],
    execute: moveLane,
  }),
  instruction('MOVQ', {
    feature: 'sse2',
    forms: [
      ['F3 0F 7E /r', 'xmm, xmm/m64'],
      ['66 0F D6 /r', 'm64, xmm'],
      ['66 0F D6 /r', 'xmmrm, xmm', 'decode'],
      ['66 W 0F 6E /r', 'xmm, r/m64', '64'],
      ['66 W 0F 7E /r', 'r/m64, xmm', '64'],
    ],
    execute: moveLane,
  }),
  instruction('VMOVD', {
    feature: 'avx',
    forms: [
      ['VEX.128.66.0F.W0 6E /r', 'xmm, r/m32'],
      ['VEX.128.66.0F.W0 7E /r', 'r/m32, xmm'],
    ],
    execute: moveLane,
  }),
  instruction('VMOVQ', {
    feature: 'avx',
    forms: [
      ['VEX.128.F3.0F.WIG 7E /r', 'xmm, xmm/m64'],
      ['VEX.128.66.0F.WIG D6 /r', 'm64, xmm'],
      ['VEX.128.66.0F.WIG D6 /r', 'xmmrm, xmm', 'decode'],
      ['VEX.128.66.0F.W1 6E /r', 'xmm, r/m64', '64'],
      ['VEX.128.66.0F.W1 7E /r', 'r/m64, xmm', '64'],
    ],
    execute: moveLane,
  }),
]

/** MOVSS: from memory the rest of the register is cleared, from a register it is kept. */
function moveSingle<V>(o: Ops<V>, { dst, src }: Instruction): void {
  const low = (lane: V): V => o.zeroExtend(32, lane)
  if (dst.kind === 'memory') return o.write(dst, low(o.readVector(src, 'any')[0]!))
  if (src.kind === 'memory') return o.writeVector(dst, [o.read(src), o.constant(0n)], 'any')
  const [lane, high] = o.readVector(dst, 'any') as readonly [V, V]
  const kept = o.and(lane, o.constant(0xffff_ffff_0000_0000n))
  o.writeVector(dst, [o.or(kept, low(o.readVector(src, 'any')[0]!)), high], 'any')
}

/** One half of a register from or to memory, or from a half of another register; the other half stays. */
const halfMove = (mnemonic: string, feature: CpuidFeatureName, forms: Forms, to: 0 | 1, from: 0 | 1 = to): InstructionRow =>
  instruction(mnemonic, {
    feature,
    forms,
    execute(o, { dst, src }) {
      if (dst.kind === 'memory') return o.write(dst, o.readVector(src, 'any')[to]!)
      const value = src.kind === 'memory' ? o.read(src) : o.readVector(src, 'any')[from]!
      const present = o.readVector(dst, 'any')
      o.writeVector(dst, to === 0 ? [value, present[1]!] : [present[0]!, value], 'any')
    },
  })

const loadAndStore = (prefix: string, opcode: string, store: string): Forms => [
  [`${prefix} 0F ${opcode} /r`, 'xmm, m64'],
  [`${prefix} 0F ${store} /r`, 'm64, xmm'],
]

const zeroRegisters = (mnemonic: string, form: string): InstructionRow =>
  instruction(mnemonic, {
    feature: 'avx',
    forms: [[form, '']],
    execute(o, { bits }) {
      for (let index = 0; index < (bits === 64 ? 16 : 8); index++) {
        const register = { kind: 'xmm', size: 128, index } as const
        const low = mnemonic === 'VZEROALL' ? zeroExtended(o, o.constant(0n), 2) : o.readVector(register, 'any')
        o.writeVector(register, [...low, o.constant(0n), o.constant(0n)], 'any')
      }
    },
  })

/** The sign bits of all elements, gathered. */
const signMask = (mnemonic: string, opcode: string, feature: CpuidFeatureName, size: 8 | 32 | 64): InstructionRow =>
  instruction(mnemonic, {
    feature,
    forms: [[opcode, 'r32, xmmrm']],
    execute(o, { dst, src }) {
      let mask = o.constant(0n)
      for (const [index, lane] of o.readVector(src, 'any').entries())
        for (let element = 0; element < 64 / size; element++) {
          const sign = o.and(o.shr(64, lane, o.constant(BigInt((element + 1) * size - 1))), o.constant(1n))
          mask = o.or(mask, o.shl(32, sign, o.constant(BigInt((index * 64) / size + element))))
        }
      o.write(dst, mask)
    },
  })

export const SSE_MOVES: readonly InstructionRow[] = [
  ...wholeMove('MOVAPS', 'sse', '', '28', '29', 'aligned'),
  ...wholeMove('MOVUPS', 'sse', '', '10', '11', 'any'),
  ...wholeMove('MOVAPD', 'sse2', '66', '28', '29', 'aligned'),
  ...wholeMove('MOVUPD', 'sse2', '66', '10', '11', 'any'),
  ...wholeMove('MOVDQA', 'sse2', '66', '6F', '7F', 'aligned'),
  ...wholeMove('MOVDQU', 'sse2', 'F3', '6F', '7F', 'any'),
  ...nonTemporal('MOVNTPS', 'sse', '', '2B'),
  ...nonTemporal('MOVNTPD', 'sse2', '66', '2B'),
  ...nonTemporal('MOVNTDQ', 'sse2', '66', 'E7'),
  instruction('MOVNTI', {
    feature: 'sse2',
    forms: [['NP 0F C3 /r', 'm, r', 'y']],
    execute: (o, { dst, src }) => o.write(dst, o.read(src)),
  }),
  ...LANE_MOVES,
  instruction('MOVSS', {
    feature: 'sse',
    forms: [
      ['F3 0F 10 /r', 'xmm, xmm/m32'],
      ['F3 0F 11 /r', 'm32, xmm'],
      ['F3 0F 11 /r', 'xmmrm, xmm', 'decode'],
    ],
    execute: moveSingle,
  }),
  halfMove('MOVLPS', 'sse', loadAndStore('NP', '12', '13'), 0),
  halfMove('MOVHPS', 'sse', loadAndStore('NP', '16', '17'), 1),
  halfMove('MOVLPD', 'sse2', loadAndStore('66', '12', '13'), 0),
  halfMove('MOVHPD', 'sse2', loadAndStore('66', '16', '17'), 1),
  halfMove('MOVHLPS', 'sse', [['NP 0F 12 /r', 'xmm, xmmrm']], 0, 1),
  halfMove('MOVLHPS', 'sse', [['NP 0F 16 /r', 'xmm, xmmrm']], 1, 0),
  signMask('MOVMSKPS', 'NP 0F 50 /r', 'sse', 32),
  signMask('MOVMSKPD', '66 0F 50 /r', 'sse2', 64),
  signMask('PMOVMSKB', '66 0F D7 /r', 'sse2', 8),
  zeroRegisters('VZEROUPPER', 'VEX.128.0F.WIG 77'),
  zeroRegisters('VZEROALL', 'VEX.256.0F.WIG 77'),
]
