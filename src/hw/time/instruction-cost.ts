/** Which row of the cost table an instruction is charged by; what is not named here costs one simple instruction. */

import type { Instruction } from '../../isa/instruction.ts'
import type { CostName, CostTable } from './costs.ts'

const COST_OF: Readonly<Record<string, CostName>> = {
  DIV: 'divide',
  IDIV: 'divide',
  PAUSE: 'pause',
  RDTSC: 'rdtsc',
  RDTSCP: 'rdtsc',
  CPUID: 'serializing',
  SERIALIZE: 'serializing',
  WBINVD: 'serializing',
  RDMSR: 'rdmsr',
  WRMSR: 'wrmsr',
  IN: 'portIo',
  OUT: 'portIo',
  INSB: 'portIo',
  INSW: 'portIo',
  INSD: 'portIo',
  OUTSB: 'portIo',
  OUTSW: 'portIo',
  OUTSD: 'portIo',
  LGDT: 'descriptor',
  LIDT: 'descriptor',
  LLDT: 'descriptor',
  LTR: 'descriptor',
  IRETW: 'interruptDelivery',
  IRETD: 'interruptDelivery',
  IRETQ: 'interruptDelivery',
  VMREAD: 'vmxInstruction',
  VMWRITE: 'vmxInstruction',
  VMCLEAR: 'vmxInstruction',
  VMPTRLD: 'vmxInstruction',
  VMPTRST: 'vmxInstruction',
}

export const instructionCost = ({ row }: Instruction, costs: CostTable): number => costs[COST_OF[row.mnemonic] ?? 'instruction']
