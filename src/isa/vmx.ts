/** VMX instructions (Intel SDM, "VMX Instruction Reference"). In VMX non-root operation all but VMFUNC exit. */

import type { ExitReason } from '../spec/exit-reasons.ts'
import { type InstructionRow, instruction } from './instruction.ts'
import type { SystemOperation } from './system-operations.ts'

const vmx = (mnemonic: string, opcode: string, operands: string, reason: ExitReason | null): InstructionRow =>
  instruction(mnemonic, {
    forms: [[opcode, operands]],
    writes: 'OF SF ZF AF PF CF',
    ...(reason === null ? {} : { intercept: ['always', reason] as const }),
    execute: o => o.system(mnemonic.toLowerCase() as SystemOperation),
  })

export const VMX: readonly InstructionRow[] = [
  vmx('VMCALL', 'NP 0F 01 C1', '', 'EXIT_REASON_VMCALL'),
  vmx('VMLAUNCH', 'NP 0F 01 C2', '', 'EXIT_REASON_VMLAUNCH'),
  vmx('VMRESUME', 'NP 0F 01 C3', '', 'EXIT_REASON_VMRESUME'),
  vmx('VMXOFF', 'NP 0F 01 C4', '', 'EXIT_REASON_VMOFF'),
  vmx('VMFUNC', 'NP 0F 01 D4', '', null),
  vmx('VMXON', 'F3 0F C7 /6', 'm64', 'EXIT_REASON_VMON'),
  vmx('VMCLEAR', '66 0F C7 /6', 'm64', 'EXIT_REASON_VMCLEAR'),
  vmx('VMPTRLD', 'NP 0F C7 /6', 'm64', 'EXIT_REASON_VMPTRLD'),
  vmx('VMPTRST', 'NP 0F C7 /7', 'm64', 'EXIT_REASON_VMPTRST'),
  vmx('VMREAD', 'NP 0F 78 /r', 'r/mn, rn', 'EXIT_REASON_VMREAD'),
  vmx('VMWRITE', 'NP 0F 79 /r', 'rn, r/mn', 'EXIT_REASON_VMWRITE'),
  vmx('INVEPT', '66 0F 38 80 /r', 'rn, m128', 'EXIT_REASON_INVEPT'),
  vmx('INVVPID', '66 0F 38 81 /r', 'rn, m128', 'EXIT_REASON_INVVPID'),
]
