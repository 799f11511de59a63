/** Saving and restoring extended state, and the x87 control instructions that start a kernel (Intel SDM, "XSAVE", "FXSAVE", "FNINIT"). */

import type { CpuidFeatureName } from '../spec/cpuid.ts'
import { type InstructionNotes, type InstructionRow, instruction } from './instruction.ts'

const area = (
  mnemonic: string,
  opcode: string,
  feature: CpuidFeatureName,
  notes: Pick<InstructionNotes, 'enabledBy'> = {},
): readonly InstructionRow[] => [
  instruction(mnemonic, { feature, ...notes, forms: [[`NP ${opcode}`, 'mem']], execute: o => o.system('extended-state') }),
  instruction(`${mnemonic}64`, { feature, ...notes, forms: [[`NP W ${opcode}`, 'mem', '64']], execute: o => o.system('extended-state') }),
]

const x87 = (mnemonic: string, opcode: string, operands: string, more: InstructionNotes['forms'] = []): InstructionRow =>
  instruction(mnemonic, { feature: 'fpu', forms: [[opcode, operands], ...more], execute: o => o.system('x87') })

export const SAVED_STATE: readonly InstructionRow[] = [
  ...area('FXSAVE', '0F AE /0', 'fxsr'),
  ...area('FXRSTOR', '0F AE /1', 'fxsr'),
  ...area('XSAVE', '0F AE /4', 'xsave'),
  ...area('XRSTOR', '0F AE /5', 'xsave'),
  ...area('XSAVEOPT', '0F AE /6', 'xsaveopt'),
  ...area('XSAVEC', '0F C7 /4', 'xsavec'),
  ...area('XSAVES', '0F C7 /5', 'xsaves', { enabledBy: 'SECONDARY_EXEC_ENABLE_XSAVES' }),
  ...area('XRSTORS', '0F C7 /3', 'xsaves', { enabledBy: 'SECONDARY_EXEC_ENABLE_XSAVES' }),
  instruction('LDMXCSR', { feature: 'sse', forms: [['NP 0F AE /2', 'm32']], execute: o => o.system('extended-state') }),
  instruction('STMXCSR', { feature: 'sse', forms: [['NP 0F AE /3', 'm32']], execute: o => o.system('extended-state') }),
  x87('FNINIT', 'DB E3', ''),
  x87('FNCLEX', 'DB E2', ''),
  x87('FLDCW', 'D9 /5', 'm16'),
  x87('FNSTCW', 'D9 /7', 'm16'),
  x87('FNSTSW', 'DF E0', 'AX', [['DD /7', 'm16']]),
  instruction('EMMS', { feature: 'mmx', forms: [['NP 0F 77', '']], execute: o => o.system('x87') }),
  instruction('FWAIT', { aliases: ['WAIT'], forms: [['9B', '']], execute: o => o.system('fwait') }),
]
