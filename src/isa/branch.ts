/** Control transfer (Intel SDM, "Control Transfer Instructions"), software interrupts and returns. */

import { fromNumber } from '../base/u64.ts'
import { CONDITION_CODES, type ConditionCode } from '../spec/rflags.ts'
import { type Instruction, type InstructionRow, instruction } from './instruction.ts'
import { gpr, RCX, RSP, SS } from './operands.ts'
import type { Ops } from './ops.ts'
import { push } from './stack.ts'

/** Where a near branch goes: a displacement from the next instruction, or the value of the operand. */
function targetOf<V>(o: Ops<V>, { size, dst }: Instruction): V {
  return dst.kind === 'relative' ? o.add(size, o.next(), o.constant(BigInt.asUintN(64, dst.value))) : o.read(dst)
}

const isFar = ({ form }: Instruction): boolean => form.operands[0]!.kind === 'far' || form.operands[0]!.kind === 'far-memory'

const code = (base: number, condition: number): string => (base + condition).toString(16).toUpperCase()

const jcc = CONDITION_CODES.map(([name, ...others], condition) =>
  instruction(`J${name}`, {
    aliases: others.map(other => `J${other}`),
    forms: [
      [`${code(0x70, condition)} cb`, 'rel', 'f64'],
      [`0F ${code(0x80, condition)} cz`, 'rel', 'f64'],
    ],
    execute: (o, i) => o.when(o.condition(condition as ConditionCode), () => o.branch(targetOf(o, i))),
  }),
)

export const JMP = instruction('JMP', {
  forms: [
    ['EB cb', 'rel', 'f64'],
    ['E9 cz', 'rel', 'f64'],
    ['FF /4', 'r/m', 'f64'],
    ['EA ap', 'ptr', '!64'],
    ['FF /5', 'mfar'],
  ],
  execute: (o, i) => (isFar(i) ? o.system('far-jump') : o.branch(targetOf(o, i))),
})

export const CALL = instruction('CALL', {
  forms: [
    ['E8 cz', 'rel', 'f64'],
    ['FF /2', 'r/m', 'f64'],
    ['9A ap', 'ptr', '!64'],
    ['FF /3', 'mfar'],
  ],
  execute(o, i) {
    if (isFar(i)) return o.system('far-call')
    // The target is checked before anything is pushed.
    const target = targetOf(o, i)
    o.branch(target)
    push(o, i, i.size, o.next())
  },
})

export const RET = instruction('RET', {
  aliases: ['RETN'],
  forms: [
    ['C3', '', 'f64'],
    ['C2 iw', 'imm16', 'f64'],
  ],
  execute(o, i) {
    const pointer = gpr(i.stackSize, RSP)
    const top = o.read(pointer)
    const released = i.size / 8 + (i.dst.kind === 'immediate' ? Number(BigInt.asUintN(16, i.dst.value)) : 0)
    o.branch(o.load(i.size, SS, top)) // a target that is refused leaves the stack as it is
    o.write(pointer, o.add(i.stackSize, top, o.constant(fromNumber(released))))
  },
})

/** LOOP and its kin count down the register of the address size. */
const loop = (mnemonic: string, opcode: string, aliases: readonly string[], zero: 0 | 1 | null): InstructionRow =>
  instruction(mnemonic, {
    aliases,
    forms: [[`${opcode} cb`, 'rel', 'f64']],
    execute(o, i) {
      const counter = gpr(i.addressSize, RCX)
      const count = o.sub(i.addressSize, o.read(counter), o.constant(1n))
      const more = o.select(o.equal(count, o.constant(0n)), o.constant(0n), o.constant(1n))
      const wanted = zero === null ? more : o.and(more, o.equal(o.flag('ZF'), o.constant(BigInt(zero))))
      o.when(wanted, () => o.branch(targetOf(o, i)))
      o.write(counter, count)
    },
  })

/** Jumps on a count of zero, in the register of the address size. */
const jumpOnZeroCount = (mnemonic: string, addressSize: 16 | 32 | 64, remarks: string): InstructionRow =>
  instruction(mnemonic, {
    forms: [[`a${addressSize} E3 cb`, 'rel', `f64 ${remarks}`]],
    execute: (o, i) => o.when(o.equal(o.read(gpr(addressSize, RCX)), o.constant(0n)), () => o.branch(targetOf(o, i))),
  })

/** Far returns, with an operand size by name as the interrupt returns have it. */
const farReturn = (mnemonic: string, size: string, remarks: string): InstructionRow =>
  instruction(mnemonic, {
    forms: [
      [`${size}CB`, '', remarks],
      [`${size}CA iw`, 'imm16', remarks],
    ],
    execute: o => o.system('far-return'),
  })

const interruptReturn = (mnemonic: string, opcode: string, remarks: string): InstructionRow =>
  instruction(mnemonic, { forms: [[opcode, '', remarks]], writes: 'all', execute: o => o.system('iret') })

export const BRANCHES: readonly InstructionRow[] = [
  ...jcc,
  JMP,
  CALL,
  RET,
  loop('LOOP', 'E2', [], null),
  loop('LOOPE', 'E1', ['LOOPZ'], 1),
  loop('LOOPNE', 'E0', ['LOOPNZ'], 0),
  instruction('INT3', { aliases: ['INT03'], forms: [['CC', '']], execute: o => o.system('int3') }),
  instruction('INT', { forms: [['CD ib', 'uimm8']], execute: o => o.system('int') }),
  interruptReturn('IRETW', 'o16 CF', ''),
  interruptReturn('IRETD', 'o32 CF', ''),
  interruptReturn('IRETQ', 'o64 CF', '64'),
  interruptReturn('IRET', 'CF', 'encode'),
  jumpOnZeroCount('JCXZ', 16, '!64'),
  jumpOnZeroCount('JECXZ', 32, ''),
  jumpOnZeroCount('JRCXZ', 64, '64'),
  farReturn('RETFW', 'o16 ', ''),
  farReturn('RETFD', 'o32 ', ''),
  farReturn('RETFQ', 'o64 ', '64'),
  farReturn('RETF', '', 'encode'),
  instruction('INT1', { aliases: ['ICEBP', 'INT01'], forms: [['F1', '']], execute: o => o.system('int1') }),
  instruction('INTO', {
    forms: [['CE', '', '!64']],
    execute: o => o.when(o.flag('OF'), () => o.system('into')),
  }),
]
