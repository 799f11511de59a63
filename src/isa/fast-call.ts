/** Calls between privilege levels without a gate, and the bases of FS and GS (Intel SDM, "SYSCALL", "SYSENTER", "RDFSBASE"). */

import { type InstructionRow, instruction } from './instruction.ts'
import { FS, GS } from './operands.ts'
import type { SystemOperation } from './system-operations.ts'

const readBase = (mnemonic: string, digit: number, operation: SystemOperation): InstructionRow =>
  instruction(mnemonic, {
    feature: 'fsgsbase',
    forms: [[`F3 0F AE /${digit}`, 'rm', 'y 64']],
    execute: o => o.system(operation),
  })

export const FAST_CALLS: readonly InstructionRow[] = [
  instruction('SYSCALL', {
    feature: 'syscall',
    writes: 'all',
    forms: [['0F 05', '']],
    execute: o => o.system('syscall'),
  }),
  instruction('SYSRET', {
    feature: 'syscall',
    writes: 'all',
    forms: [['0F 07', '']],
    execute: o => o.system('sysret'),
  }),
  instruction('SYSENTER', { feature: 'sep', forms: [['0F 34', '']], execute: o => o.system('sysenter') }),
  instruction('SYSEXIT', { feature: 'sep', forms: [['0F 35', '']], execute: o => o.system('sysexit') }),
  readBase('RDFSBASE', 0, 'read-segment-base'),
  readBase('RDGSBASE', 1, 'read-segment-base'),
  readBase('WRFSBASE', 2, 'write-segment-base'),
  readBase('WRGSBASE', 3, 'write-segment-base'),
]

/** The segment that RDFSBASE and its kin name by ModRM.reg. */
export const segmentOfBase = (digit: number): typeof FS | typeof GS => ((digit & 1) === 0 ? FS : GS)
