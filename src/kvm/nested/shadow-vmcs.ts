/**
 * VMCS shadowing for L1 (Linux `enable_shadow_vmcs`): the fields that a hypervisor touches at every exit lie in a shadow VMCS, which
 * the CPU reads and writes for L1 without an exit. vmcs12 stays what KVM works with:
 *
 *     L1 runs         the shadow holds the newest values of its fields        `shadowStale` is false
 *     KVM looks       they are collected into vmcs12, which counts from then on      true
 *     L1 is entered   the shadow is refreshed from vmcs12                             false
 */

import type { RootCpu, RootMachine } from '../../hw/root-cpu.ts'
import { MSRS } from '../../spec/msrs.ts'
import { VMCS_FIELDS, type VmcsFieldName, widthOf } from '../../spec/vmcs-fields.ts'
import { allowedOneBit } from '../../spec/vmx-controls.ts'
import type { Context } from '../context.ts'
import { allocateHostPage } from '../mmu.ts'
import type { KvmParameters } from '../parameters.ts'
import { setControl } from '../vmcs01.ts'
import { offersGuestTimer } from './capabilities.ts'
import { readVmcs12, writeVmcs12 } from './vmcs12.ts'

/** L1 reads them without an exit; a write exits. */
const READ_ONLY: readonly VmcsFieldName[] = [
  'VM_EXIT_REASON',
  'VM_EXIT_INTR_INFO',
  'VM_EXIT_INSTRUCTION_LEN',
  'IDT_VECTORING_INFO_FIELD',
  'IDT_VECTORING_ERROR_CODE',
  'VM_EXIT_INTR_ERROR_CODE',
  'GUEST_CS_AR_BYTES',
  'GUEST_SS_AR_BYTES',
  'EXIT_QUALIFICATION',
  'GUEST_LINEAR_ADDRESS',
  'GUEST_PHYSICAL_ADDRESS',
  'GUEST_APIC_TIMER_VECTOR',
]

const READ_WRITE: readonly VmcsFieldName[] = [
  'GUEST_INTR_STATUS',
  'GUEST_PML_INDEX',
  'HOST_FS_SELECTOR',
  'HOST_GS_SELECTOR',
  'CPU_BASED_VM_EXEC_CONTROL',
  'PIN_BASED_VM_EXEC_CONTROL',
  'EXCEPTION_BITMAP',
  'VM_ENTRY_EXCEPTION_ERROR_CODE',
  'VM_ENTRY_INTR_INFO_FIELD',
  'VM_ENTRY_INSTRUCTION_LEN',
  'TPR_THRESHOLD',
  'GUEST_INTERRUPTIBILITY_INFO',
  'VMX_PREEMPTION_TIMER_VALUE',
  'GUEST_RIP',
  'GUEST_RSP',
  'GUEST_CR0',
  'GUEST_CR3',
  'GUEST_CR4',
  'GUEST_RFLAGS',
  'CR0_GUEST_HOST_MASK',
  'CR0_READ_SHADOW',
  'CR4_READ_SHADOW',
  'HOST_FS_BASE',
  'HOST_GS_BASE',
]

const READ_ONLY_FIELDS: ReadonlySet<VmcsFieldName> = new Set(READ_ONLY)

/** Whether the shadow VMCS holds a copy of the field that L1 cannot write itself. */
export const isReadOnlyShadowField = (name: VmcsFieldName): boolean => READ_ONLY_FIELDS.has(name)

const READ_WRITE_FIELDS: ReadonlySet<VmcsFieldName> = new Set(READ_WRITE)

/** Whether L1 writes the field without an exit, where it has a shadow VMCS. */
export const isWritableShadowField = (name: VmcsFieldName): boolean => READ_WRITE_FIELDS.has(name)

/** The CPU has VMCS shadowing, lets exit information be written, and the module parameter allows it: asked once, when a vCPU is made. */
export function offersShadowVmcs(cpu: RootCpu, { enable_shadow_vmcs, nested }: KvmParameters): boolean {
  if (!enable_shadow_vmcs || !nested) return false
  const secondary = cpu.rdmsr(MSRS.MSR_IA32_VMX_PROCBASED_CTLS2.index)
  const misc = cpu.rdmsr(MSRS.MSR_IA32_VMX_MISC.index)
  return ((secondary >> BigInt(allowedOneBit('SECONDARY_EXEC_SHADOW_VMCS'))) & 1n) === 1n && ((misc >> VMWRITE_ANY) & 1n) === 1n
}

const VMWRITE_ANY = 29n

/** Host pages for a vCPU: the shadow VMCS and the two bitmaps. */
export interface ShadowVmcs {
  vmcs: number
  vmreadBitmap: number
  vmwriteBitmap: number
}

/** A vCPU that is not `offered` VMCS shadowing has none: no pages, and -1 for their addresses. */
export function newShadowVmcs(machine: RootMachine, offered: boolean): ShadowVmcs {
  const page = (): number => (offered ? allocateHostPage(machine) : -1)
  return { vmcs: page(), vmreadBitmap: page(), vmwriteBitmap: page() }
}

/** A trace from before that was so has the pages in any case. */
const usesShadowVmcs = ({ kvm, vcpu }: Context): boolean => kvm.parameters.enable_shadow_vmcs && vcpu.nested.shadowVmcs.vmcs >= 0

const SHADOW_INDICATOR = 0x8000_0000

/** A field that this vCPU's processor does not have is not in its shadow: accesses exit, and KVM refuses them. */
const fieldsOf = (c: Context, names: readonly VmcsFieldName[]): readonly VmcsFieldName[] =>
  offersGuestTimer(c.vcpu.nested.msrs) ? names : names.filter(name => name !== 'GUEST_APIC_TIMER_VECTOR')

/** The bits of a field's encoding and, of a 64-bit one, of its high half become 0: no exit. */
function passThrough(cpu: RootCpu, bitmap: number, name: VmcsFieldName): void {
  const { encoding } = VMCS_FIELDS[name]
  for (const each of widthOf(encoding) === 64 ? [encoding, encoding + 1] : [encoding])
    cpu.memory.write8(bitmap + (each >> 3), cpu.memory.read8(bitmap + (each >> 3)) & ~(1 << (each & 7)))
}

/** L1 has a current VMCS: it gets the shadow (Linux `set_current_vmptr`). vmcs01 is the CPU's own. */
export function enableShadowVmcs(c: Context): void {
  if (!usesShadowVmcs(c)) return
  const { cpu, vcpu } = c
  const { vmcs, vmreadBitmap, vmwriteBitmap } = vcpu.nested.shadowVmcs
  for (const bitmap of [vmreadBitmap, vmwriteBitmap])
    for (let at = 0; at < BITMAP_BYTES; at += 8) cpu.memory.write64(bitmap + at, 0xffff_ffff_ffff_ffffn)
  for (const name of fieldsOf(c, [...READ_ONLY, ...READ_WRITE])) passThrough(cpu, vmreadBitmap, name)
  for (const name of READ_WRITE) passThrough(cpu, vmwriteBitmap, name)
  cpu.memory.write32(vmcs, (Number(cpu.rdmsr(MSRS.MSR_IA32_VMX_BASIC.index) & 0x7fff_ffffn) | SHADOW_INDICATOR) >>> 0)
  cpu.vmclear(vmcs)
  cpu.vmwrite('VMREAD_BITMAP', vmreadBitmap)
  cpu.vmwrite('VMWRITE_BITMAP', vmwriteBitmap)
  cpu.vmwrite('VMCS_LINK_POINTER', vmcs)
  setControl(c, 'SECONDARY_EXEC_SHADOW_VMCS', true)
  vcpu.nested.shadowStale = true
}

const BITMAP_BYTES = 4096

/** L1 has none any more. */
export function disableShadowVmcs(c: Context): void {
  if (!usesShadowVmcs(c)) return
  c.cpu.vmwrite('VMCS_LINK_POINTER', 0xffff_ffff_ffff_ffffn)
  setControl(c, 'SECONDARY_EXEC_SHADOW_VMCS', false)
}

/** `body` with the shadow as the current VMCS, which is vmcs01 before and behind it. */
function withShadow({ cpu, vcpu }: Context, body: () => void): void {
  cpu.vmptrld(vcpu.nested.shadowVmcs.vmcs)
  body()
  cpu.vmclear(vcpu.nested.shadowVmcs.vmcs)
  cpu.vmptrld(vcpu.vmcs01)
}

/** Before KVM reads vmcs12 or changes it: what L1 wrote to its shadow (Linux `copy_shadow_to_vmcs12`). */
export function collectShadowVmcs(c: Context): void {
  const { nested } = c.vcpu
  if (nested.shadowStale || nested.currentVmptr < 0 || !usesShadowVmcs(c)) return
  withShadow(c, () => {
    for (const name of READ_WRITE) writeVmcs12(c, name, c.cpu.vmread(name))
  })
  nested.shadowStale = true
}

/** Before L1 is entered (Linux `copy_vmcs12_to_shadow`). */
export function refreshShadowVmcs(c: Context): void {
  const { nested } = c.vcpu
  if (!nested.shadowStale || nested.currentVmptr < 0 || !usesShadowVmcs(c)) return
  withShadow(c, () => {
    for (const name of fieldsOf(c, [...READ_ONLY, ...READ_WRITE])) c.cpu.vmwrite(name, readVmcs12(c, name))
  })
  nested.shadowStale = false
}
