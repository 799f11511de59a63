/** Flag, I/O and system instructions (Intel SDM, "System Instructions", "I/O Instructions"). */

import { type InstructionNotes, type InstructionRow, instruction } from './instruction.ts'
import type { Ops } from './ops.ts'
import type { SystemOperation } from './system-operations.ts'

/** An instruction that is nothing but its system operation. */
const system = (
  mnemonic: string,
  opcode: string,
  operands: string,
  operation: SystemOperation,
  notes: Partial<InstructionNotes> = {},
): InstructionRow => instruction(mnemonic, { forms: [[opcode, operands]], execute: o => o.system(operation), ...notes })

const simple = (mnemonic: string, opcode: string, writes: string, execute: <V>(o: Ops<V>) => void): InstructionRow =>
  instruction(mnemonic, { forms: [[opcode, '']], writes, execute })

const FLAG_ROWS: readonly InstructionRow[] = [
  simple('CMC', 'F5', 'CF', o => o.setFlag('CF', o.xor(o.flag('CF'), o.constant(1n)))),
  simple('CLC', 'F8', 'CF', o => o.setFlag('CF', o.constant(0n))),
  simple('STC', 'F9', 'CF', o => o.setFlag('CF', o.constant(1n))),
  simple('CLD', 'FC', 'DF', o => o.setFlag('DF', o.constant(0n))),
  simple('STD', 'FD', 'DF', o => o.setFlag('DF', o.constant(1n))),
  system('CLI', 'FA', '', 'cli', { writes: 'IF' }),
  system('STI', 'FB', '', 'sti', { writes: 'IF' }),
]

const IO_ROWS: readonly InstructionRow[] = [
  instruction('IN', {
    forms: [
      ['E4 ib', 'AL, uimm8'],
      ['o16 E5 ib', 'AX, uimm8'],
      ['o32 E5 ib', 'EAX, uimm8'],
      ['EC', 'AL, DX'],
      ['o16 ED', 'AX, DX'],
      ['o32 ED', 'EAX, DX'],
    ],
    execute: o => o.system('in'),
  }),
  instruction('OUT', {
    forms: [
      ['E6 ib', 'uimm8, AL'],
      ['o16 E7 ib', 'uimm8, AX'],
      ['o32 E7 ib', 'uimm8, EAX'],
      ['EE', 'DX, AL'],
      ['o16 EF', 'DX, AX'],
      ['o32 EF', 'DX, EAX'],
    ],
    execute: o => o.system('out'),
  }),
]

export const NOP = instruction('NOP', {
  forms: [
    ['90', ''],
    ['0F 1F /0', 'r/m'],
  ],
  execute: () => {},
})

const CPU_ROWS: readonly InstructionRow[] = [
  NOP,
  system('PAUSE', 'F3 90', '', 'pause', { intercept: ['CPU_BASED_PAUSE_EXITING', 'EXIT_REASON_PAUSE_INSTRUCTION'] }),
  system('HLT', 'F4', '', 'hlt', { intercept: ['CPU_BASED_HLT_EXITING', 'EXIT_REASON_HLT'] }),
  system('CPUID', '0F A2', '', 'cpuid', { intercept: ['always', 'EXIT_REASON_CPUID'] }),
  system('RDTSC', '0F 31', '', 'rdtsc', { intercept: ['CPU_BASED_RDTSC_EXITING', 'EXIT_REASON_RDTSC'] }),
  system('RDTSCP', '0F 01 F9', '', 'rdtscp', {
    feature: 'rdtscp',
    enabledBy: 'SECONDARY_EXEC_ENABLE_RDTSCP',
    intercept: ['CPU_BASED_RDTSC_EXITING', 'EXIT_REASON_RDTSCP'],
  }),
  system('RDMSR', '0F 32', '', 'rdmsr'),
  system('WRMSR', '0F 30', '', 'wrmsr'),
  system('SERIALIZE', 'NP 0F 01 E8', '', 'serialize', { feature: 'serialize' }),
  system('UD2', '0F 0B', '', 'ud'),
  system('INVLPG', '0F 01 /7', 'mem', 'invlpg', { intercept: ['CPU_BASED_INVLPG_EXITING', 'EXIT_REASON_INVLPG'] }),
  system('WBINVD', '0F 09', '', 'wbinvd', { intercept: ['SECONDARY_EXEC_WBINVD_EXITING', 'EXIT_REASON_WBINVD'] }),
  system('CLTS', '0F 06', '', 'clts'),
  system('SWAPGS', '0F 01 F8', '', 'swapgs', { forms: [['0F 01 F8', '', '64']] }),
]

const DESCRIPTOR_ROWS: readonly InstructionRow[] = [
  system('SGDT', '0F 01 /0', 'mem', 'sgdt', { intercept: ['SECONDARY_EXEC_DESC', 'EXIT_REASON_GDTR_IDTR'] }),
  system('SIDT', '0F 01 /1', 'mem', 'sidt', { intercept: ['SECONDARY_EXEC_DESC', 'EXIT_REASON_GDTR_IDTR'] }),
  system('LGDT', '0F 01 /2', 'mem', 'lgdt', { intercept: ['SECONDARY_EXEC_DESC', 'EXIT_REASON_GDTR_IDTR'] }),
  system('LIDT', '0F 01 /3', 'mem', 'lidt', { intercept: ['SECONDARY_EXEC_DESC', 'EXIT_REASON_GDTR_IDTR'] }),
  system('SLDT', '0F 00 /0', '', 'sldt', {
    forms: [
      ['0F 00 /0', 'rm'],
      ['0F 00 /0', 'm16'],
    ],
    intercept: ['SECONDARY_EXEC_DESC', 'EXIT_REASON_LDTR_TR'],
  }),
  system('STR', '0F 00 /1', '', 'str', {
    forms: [
      ['0F 00 /1', 'rm'],
      ['0F 00 /1', 'm16'],
    ],
    intercept: ['SECONDARY_EXEC_DESC', 'EXIT_REASON_LDTR_TR'],
  }),
  system('LLDT', '0F 00 /2', 'r/m16', 'lldt', { intercept: ['SECONDARY_EXEC_DESC', 'EXIT_REASON_LDTR_TR'] }),
  system('LTR', '0F 00 /3', 'r/m16', 'ltr', { intercept: ['SECONDARY_EXEC_DESC', 'EXIT_REASON_LDTR_TR'] }),
]

export const SYSTEM: readonly InstructionRow[] = [...FLAG_ROWS, ...IO_ROWS, ...CPU_ROWS, ...DESCRIPTOR_ROWS]
