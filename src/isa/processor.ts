/** Instructions about the processor itself (Intel SDM, "System Instructions"; "MONITOR/MWAIT"; "Random Number Generator Instructions"). */

import type { CpuidFeatureName } from '../spec/cpuid.ts'
import { type InstructionNotes, type InstructionRow, instruction } from './instruction.ts'
import type { SystemOperation } from './system-operations.ts'

const plain = (mnemonic: string, opcode: string, feature: CpuidFeatureName | null, notes: Partial<InstructionNotes> = {}): InstructionRow =>
  instruction(mnemonic, {
    forms: [[opcode, '']],
    ...(feature === null ? {} : { feature }),
    execute: o => o.system(mnemonic.toLowerCase() as SystemOperation),
    ...notes,
  })

const random = (mnemonic: 'RDRAND' | 'RDSEED', digit: number): InstructionRow =>
  instruction(mnemonic, {
    feature: mnemonic === 'RDRAND' ? 'rdrand' : 'rdseed',
    writes: 'OF SF ZF AF PF CF',
    intercept: [`SECONDARY_EXEC_${mnemonic}_EXITING`, `EXIT_REASON_${mnemonic}`],
    forms: [[`NFx 0F C7 /${digit}`, 'rm']],
    execute: o => o.system(mnemonic === 'RDRAND' ? 'rdrand' : 'rdseed'),
  })

const invalid = (mnemonic: string, opcode: string): InstructionRow =>
  instruction(mnemonic, {
    ...(mnemonic === 'UD1' ? { aliases: ['UD2B'] } : {}),
    forms: [
      [`0F ${opcode} /r`, 'r, r/m'],
      [`0F ${opcode}`, '', 'encode'],
    ],
    execute: o => o.fault(6),
  })

const MONITOR = plain('MONITOR', 'NP 0F 01 C8', 'monitor', {
  intercept: ['CPU_BASED_MONITOR_EXITING', 'EXIT_REASON_MONITOR_INSTRUCTION'],
  forms: [
    ['NP 0F 01 C8', ''],
    ['NP 0F 01 C8', 'RAX, ECX, EDX', '64 encode'],
    ['NP 0F 01 C8', 'EAX, ECX, EDX', '!64 encode'],
  ],
})

const MWAIT = plain('MWAIT', 'NP 0F 01 C9', 'monitor', {
  intercept: ['CPU_BASED_MWAIT_EXITING', 'EXIT_REASON_MWAIT_INSTRUCTION'],
  forms: [
    ['NP 0F 01 C9', ''],
    ['NP 0F 01 C9', 'EAX, ECX', 'encode'],
  ],
})

/** NASM writes these in 64-bit code only; the processor has them in every mode. */
const written64 = (opcode: string): Pick<InstructionNotes, 'forms'> => ({
  forms: [
    [opcode, '', '64'],
    [opcode, '', '!64 decode'],
  ],
})

export const PROCESSOR: readonly InstructionRow[] = [
  MONITOR,
  MWAIT,
  plain('RDPMC', '0F 33', null, { intercept: ['CPU_BASED_RDPMC_EXITING', 'EXIT_REASON_RDPMC'] }),
  plain('INVD', '0F 08', null, { intercept: ['always', 'EXIT_REASON_INVD'] }),
  // Processors without WBNOINVD execute WBINVD, of which it is a prefixed form.
  plain('WBNOINVD', 'F3 0F 09', null, {
    intercept: ['SECONDARY_EXEC_WBINVD_EXITING', 'EXIT_REASON_WBINVD'],
    execute: o => o.system('wbinvd'),
  }),
  plain('RSM', '0F AA', null, { execute: o => o.fault(6) }), // outside system-management mode
  plain('XGETBV', 'NP 0F 01 D0', 'xsave'),
  plain('XSETBV', 'NP 0F 01 D1', 'xsave', { intercept: ['always', 'EXIT_REASON_XSETBV'] }),
  plain('CLAC', 'NP 0F 01 CA', 'smap', { writes: 'AC' }),
  plain('STAC', 'NP 0F 01 CB', 'smap', { writes: 'AC' }),
  plain('RDPKRU', 'NP 0F 01 EE', 'pku', written64('NP 0F 01 EE')),
  plain('WRPKRU', 'NP 0F 01 EF', 'pku', written64('NP 0F 01 EF')),
  plain('WRMSRNS', 'NP 0F 01 C6', 'wrmsrns', { ...written64('NP 0F 01 C6'), execute: o => o.system('wrmsr') }),
  random('RDRAND', 6),
  random('RDSEED', 7),
  instruction('RDPID', {
    feature: 'rdpid',
    enabledBy: 'SECONDARY_EXEC_ENABLE_RDTSCP',
    forms: [
      ['F3 0F C7 /7', 'rmn'],
      ['F3 0F C7 /7', 'rm32', '64 encode'],
    ],
    execute: o => o.system('rdpid'),
  }),
  instruction('INVPCID', {
    feature: 'invpcid',
    enabledBy: 'SECONDARY_EXEC_ENABLE_INVPCID',
    intercept: ['CPU_BASED_INVLPG_EXITING', 'EXIT_REASON_INVPCID'],
    forms: [
      ['66 0F 38 82 /r', 'rn, m128', '!64'],
      ['66 0F 38 82 /r', 'rn, m128', '64 decode'],
      ['66 W 0F 38 82 /r', 'r64, m128', '64 encode'], // REX.W is not needed: NASM writes it
    ],
    execute: o => o.system('invpcid'),
  }),
  invalid('UD0', 'FF'),
  invalid('UD1', 'B9'),
]
