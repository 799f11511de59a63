/**
 * CR0, CR4 and IA32_EFER of the guest (Linux `kvm_set_cr0`, `vmx_set_cr0` and their like; `handle_cr`). What the guest reads is the
 * read shadow; the CPU runs with what VMX requires besides. The bits that the guest owns are in the VMCS, the others in the vCPU.
 */

import { shiftRight } from '../base/u64.ts'
import { PHYSICAL_ADDRESS_BITS } from '../spec/address-width.ts'
import { CR0, CR4, EFER } from '../spec/cr-bits.ts'
import { cr4Bits } from '../spec/cr4-features.ts'
import type { Context } from './context.ts'
import { hasFeature } from './cpuid.ts'
import type { ExitOutcome } from './exit-reason.ts'
import { queueGeneralProtection, skipInstruction } from './interrupts.ts'
import { apicRegister, setApicRegister } from './lapic.ts'
import { hostAddress } from './mmu.ts'
import { translateNested } from './nested/ept-walk.ts'
import { isCr0Valid, isCr4Valid } from './nested/fixed-bits.ts'
import { readVmcs12 } from './nested/vmcs12.ts'
import { setControl } from './vmcs01.ts'

const bitOf = (position: number): bigint => 1n << BigInt(position)
const has = (word: bigint, position: number): boolean => (word & bitOf(position)) !== 0n

const CR0_PE = bitOf(CR0.PE)
const CR0_PG = bitOf(CR0.PG)
const LONG_ACTIVE = bitOf(EFER.LMA)
/** The low half of CR0, as LMSW writes it: PE, MP, EM, TS; PE it cannot clear. */
const LMSW_BITS = 0xfn

const owned = ({ cpu }: Context, register: 'CR0' | 'CR4'): bigint => ~cpu.vmread(`${register}_GUEST_HOST_MASK`) & 0xffff_ffffn

export const readCr0 = (c: Context): bigint => (c.vcpu.cr0 & ~owned(c, 'CR0')) | (c.cpu.vmread('GUEST_CR0') & owned(c, 'CR0'))
export const readCr4 = (c: Context): bigint => (c.vcpu.cr4 & ~owned(c, 'CR4')) | (c.cpu.vmread('GUEST_CR4') & owned(c, 'CR4'))

/** The value that the guest has from now on; IA-32e mode follows from paging and LME. */
export function setCr0(c: Context, value: bigint): void {
  const { cpu, vcpu } = c
  vcpu.cr0 = value | bitOf(CR0.ET)
  cpu.vmwrite('CR0_READ_SHADOW', vcpu.cr0)
  cpu.vmwrite('GUEST_CR0', vcpu.cr0 | bitOf(CR0.NE))
  const isLong = has(vcpu.efer, EFER.LME) && has(value, CR0.PG)
  if (isLong !== has(vcpu.efer, EFER.LMA)) setEfer(c, isLong ? vcpu.efer | LONG_ACTIVE : vcpu.efer & ~LONG_ACTIVE)
}

export function setCr4({ cpu, vcpu }: Context, value: bigint): void {
  vcpu.cr4 = value
  cpu.vmwrite('CR4_READ_SHADOW', value)
  cpu.vmwrite('GUEST_CR4', value | bitOf(CR4.VMXE))
}

export function setEfer(c: Context, value: bigint): void {
  c.vcpu.efer = value
  c.cpu.vmwrite('GUEST_IA32_EFER', value)
  setControl(c, 'VM_ENTRY_IA32E_MODE', has(value, EFER.LMA))
}

export const isCode64 = ({ cpu, vcpu }: Context): boolean => has(vcpu.efer, EFER.LMA) && (cpu.vmread('GUEST_CS_AR_BYTES') & 0x2000n) !== 0n

/** False where the write raises #GP. */
export function writeCr0(c: Context, value: bigint): boolean {
  if (shiftRight(value, 32) !== 0n || (has(value, CR0.NW) && !has(value, CR0.CD)) || (has(value, CR0.PG) && !has(value, CR0.PE)))
    return false
  const before = readCr0(c)
  const turnsOn = has(value, CR0.PG) && !has(before, CR0.PG)
  if (turnsOn && has(c.vcpu.efer, EFER.LME) && (!has(readCr4(c), CR4.PAE) || (c.cpu.vmread('GUEST_CS_AR_BYTES') & 0x2000n) !== 0n))
    return false
  if (!has(value, CR0.PG) && has(before, CR0.PG) && (isCode64(c) || has(readCr4(c), CR4.PCIDE))) return false
  if (c.vcpu.nested.vmxon && !isCr0Valid(c, value)) return false
  setCr0(c, value)
  return !has(value ^ before, CR0.PG) || loadPdptes(c)
}

export function writeCr4(c: Context, value: bigint): boolean {
  const { vcpu } = c
  const long = has(vcpu.efer, EFER.LMA)
  // Those of the features that the guest's CPUID has.
  const allowed = cr4Bits(feature => hasFeature(vcpu.cpuid, feature))
  if ((value & ~allowed) !== 0n || (long && !has(value, CR4.PAE))) return false
  if (long && has(value ^ readCr4(c), CR4.LA57)) return false
  if (vcpu.nested.vmxon && !isCr4Valid(c, value)) return false
  const before = readCr4(c)
  setCr4(c, value)
  return !has(value ^ before, CR4.PAE) || loadPdptes(c)
}

export const PDPTES = ['GUEST_PDPTR0', 'GUEST_PDPTR1', 'GUEST_PDPTR2', 'GUEST_PDPTR3'] as const
const PDPTE_PRESENT = 1n
/** Bits 2:1 and 8:5, and those beyond the physical address. */
const PDPTE_RESERVED = 0x1e6n | (~((1n << BigInt(PHYSICAL_ADDRESS_BITS)) - 1n) & 0xffff_ffff_ffff_ffffn)

export const isPaePaging = (c: Context): boolean => has(readCr0(c), CR0.PG) && has(readCr4(c), CR4.PAE) && !has(c.vcpu.efer, EFER.LMA)

/** With PAE paging and EPT the CPU takes the four entries from the VMCS (Linux `load_pdptrs`). False where one has a reserved bit set. */
export function loadPdptes(c: Context): boolean {
  const { cpu, vm } = c
  if (!isPaePaging(c)) return true
  const table = hostAddress(vm, translateNested(c, Number(cpu.vmread('GUEST_CR3') & 0xffff_ffe0n)))
  if (table < 0) return false
  const entries = PDPTES.map((_, index) => cpu.memory.read64(table + index * 8))
  if (entries.some(entry => (entry & PDPTE_PRESENT) !== 0n && (entry & PDPTE_RESERVED) !== 0n)) return false
  for (const [index, field] of PDPTES.entries()) cpu.vmwrite(field, entries[index]!)
  return true
}

const TO_CR = 0
const FROM_CR = 1
const CLTS = 2
const LMSW = 3

export function handleControlAccess(c: Context): ExitOutcome {
  const { cpu } = c
  const qualification = Number(cpu.vmread('EXIT_QUALIFICATION') & 0xffff_ffffn)
  const register = qualification & 15
  const type = (qualification >> 4) & 3
  const operand = (qualification >> 8) & 15
  cpu.spend('kvmEmulate')
  let done = true
  if (type === CLTS) setCr0(c, readCr0(c) & ~bitOf(CR0.TS))
  else if (type === LMSW) {
    const source = BigInt(qualification >>> 16) & LMSW_BITS
    done = writeCr0(c, (readCr0(c) & ~(LMSW_BITS & ~CR0_PE)) | source)
  } else if (type === FROM_CR)
    writeOperand(c, operand, register === 3 ? cpu.vmread('GUEST_CR3') : BigInt(apicRegister(c, 'APIC_TASKPRI') >> 4))
  else if (type === TO_CR) done = writeControl(c, register, readOperand(c, operand))
  if (done) skipInstruction(c)
  else queueGeneralProtection(c)
  return 'resume'
}

/** RSP lives in the VMCS, the others in the CPU. */
const RSP = 4
const readOperand = (c: Context, index: number): bigint => {
  const value = index === RSP ? c.cpu.vmread('GUEST_RSP') : c.cpu.gpr(index)
  return isCode64(c) ? value : value & 0xffff_ffffn
}

function writeOperand({ cpu }: Context, index: number, value: bigint): void {
  if (index === RSP) cpu.vmwrite('GUEST_RSP', value)
  else cpu.setGpr(index, value)
}

function writeControl(c: Context, register: number, value: bigint): boolean {
  switch (register) {
    case 0:
      return writeShadowed(c, 'CR0', value, writeCr0)
    case 3:
      c.cpu.vmwrite('GUEST_CR3', value)
      return true
    case 4:
      return writeShadowed(c, 'CR4', value, writeCr4)
    case 8:
      if (value > 15n) return false
      setApicRegister(c, 'APIC_TASKPRI', Number(value) << 4)
      return true
    default:
      return false
  }
}

/**
 * L2 changed a bit that L0 keeps and L1 does not (Linux `handle_set_cr0`, `handle_set_cr4`): the CPU gets L2's bits together with those
 * that L1 keeps from it, and L2 reads back what it wrote.
 */
function writeShadowed(c: Context, name: 'CR0' | 'CR4', value: bigint, write: (c: Context, value: bigint) => boolean): boolean {
  if (!c.vcpu.nested.guestMode) return write(c, value)
  const kept = readVmcs12(c, `${name}_GUEST_HOST_MASK`)
  if (!write(c, (value & ~kept) | (readVmcs12(c, `GUEST_${name}`) & kept))) return false
  c.cpu.vmwrite(`${name}_READ_SHADOW`, value)
  return true
}

export const isPaging = (c: Context): boolean => (readCr0(c) & CR0_PG) !== 0n
