/** CR accesses that exit (Linux `handle_cr`): the guest's view is the read shadow, and writes are checked as the CPU would. */

import { shiftRight } from '../base/u64.ts'
import { cr4Bits } from '../spec/cr4-features.ts'
import type { Context } from './context.ts'
import { hasFeature } from './cpuid.ts'
import type { ExitOutcome } from './exit-reason.ts'
import { queueGeneralProtection, skipInstruction } from './interrupts.ts'
import { apicRegister, setApicRegister } from './lapic.ts'
import { CR0_GUEST_OWNED, CR4_GUEST_OWNED } from './vmcs01.ts'

const CR0_PG = 1n << 31n
const CR0_CD = 1n << 30n
const CR0_NW = 1n << 29n
const CR0_PE = 1n
const CR0_ET = 1n << 4n
const CR0_NE = 1n << 5n
const CR4_PAE = 1n << 5n
const CR4_VMXE = 1n << 13n

const TO_CR = 0
const FROM_CR = 1
const CLTS = 2

export function handleControlAccess(c: Context): ExitOutcome {
  const { cpu } = c
  const qualification = Number(cpu.vmread('EXIT_QUALIFICATION'))
  const register = qualification & 15
  const type = (qualification >> 4) & 3
  const operand = (qualification >> 8) & 15
  cpu.spend('kvmEmulate')
  if (type === CLTS) {
    setCr0(c, cpu.vmread('GUEST_CR0') & ~8n)
    skipInstruction(c)
  } else if (type === FROM_CR) {
    writeOperand(c, operand, BigInt(apicRegister(c, 'APIC_TASKPRI') >> 4))
    skipInstruction(c)
  } else if (type === TO_CR && writeControl(c, register, readOperand(c, operand))) skipInstruction(c)
  else queueGeneralProtection(c)
  return 'resume'
}

/** RSP lives in the VMCS, the others in the CPU. */
const RSP = 4
const readOperand = ({ cpu }: Context, index: number): bigint => (index === RSP ? cpu.vmread('GUEST_RSP') : cpu.gpr(index))

function writeOperand({ cpu }: Context, index: number, value: bigint): void {
  if (index === RSP) cpu.vmwrite('GUEST_RSP', value)
  else cpu.setGpr(index, value)
}

function writeControl(c: Context, register: number, value: bigint): boolean {
  switch (register) {
    case 0:
      return writeCr0(c, value)
    case 4:
      return writeCr4(c, value)
    case 8:
      if (value > 15n) return false
      setApicRegister(c, 'APIC_TASKPRI', Number(value) << 4)
      return true
    default:
      return false
  }
}

function writeCr0(c: Context, value: bigint): boolean {
  const noWriteThrough = (value & CR0_NW) !== 0n && (value & CR0_CD) === 0n
  // The guest is in 64-bit mode, which it can leave only through compatibility mode.
  const leavesPaging = (value & CR0_PG) === 0n || (value & CR0_PE) === 0n
  if (shiftRight(value, 32) !== 0n || noWriteThrough || leavesPaging) return false
  setCr0(c, value)
  return true
}

/** The guest reads what it wrote; the CPU runs with what VMX requires besides. */
export function setCr0({ cpu }: Context, value: bigint): void {
  cpu.vmwrite('GUEST_CR0', value | CR0_NE | CR0_ET)
  cpu.vmwrite('CR0_READ_SHADOW', (value | CR0_ET) & ~CR0_GUEST_OWNED)
}

function writeCr4(c: Context, value: bigint): boolean {
  // Those of the features that the guest's CPUID has.
  const allowed = cr4Bits(feature => hasFeature(c.vcpu.cpuid, feature))
  if ((value & ~allowed) !== 0n || (value & CR4_PAE) === 0n) return false
  setCr4(c, value)
  return true
}

export function setCr4({ cpu }: Context, value: bigint): void {
  cpu.vmwrite('GUEST_CR4', value | CR4_VMXE)
  cpu.vmwrite('CR4_READ_SHADOW', value & ~CR4_GUEST_OWNED)
}
