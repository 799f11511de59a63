/**
 * The VMCS that runs a guest (Linux `arch/x86/kvm/vmx/vmx.c`, `init_vmcs`): controls by what the CPU allows and the module
 * parameters want, host state, and what stays the same for the guest's life.
 */

import type { RootCpu } from '../hw/root-cpu.ts'
import { APIC_BASE_MSR, APIC_REGISTERS, x2apicMsrOf } from '../spec/apic-registers.ts'
import { MSRS, type MsrName } from '../spec/msrs.ts'
import type { VmcsFieldName } from '../spec/vmcs-fields.ts'
import { allowedOneBit, CONTROL_WORDS, type ControlName, type ControlWord, VMX_CONTROLS } from '../spec/vmx-controls.ts'
import { X2APIC_READABLE } from '../spec/x2apic-access.ts'
import { APIC_DEFAULT_BASE } from '../spec/xapic-access.ts'
import type { Context } from './context.ts'
import { highestInService, isApicEnabled, isApicvActive, isX2apic } from './lapic.ts'
import { unmapPage } from './mmu.ts'
import { setMsrIntercept } from './msr-bitmap.ts'

const CAPABILITY: Readonly<Record<Exclude<ControlWord, 'tertiary'>, MsrName>> = {
  pin: 'MSR_IA32_VMX_TRUE_PINBASED_CTLS',
  primary: 'MSR_IA32_VMX_TRUE_PROCBASED_CTLS',
  secondary: 'MSR_IA32_VMX_PROCBASED_CTLS2',
  exit: 'MSR_IA32_VMX_TRUE_EXIT_CTLS',
  entry: 'MSR_IA32_VMX_TRUE_ENTRY_CTLS',
}

/** What KVM asks for; a control that the CPU does not allow is left out. */
const WANTED: readonly ControlName[] = [
  'PIN_BASED_EXT_INTR_MASK',
  'PIN_BASED_NMI_EXITING',
  'PIN_BASED_VIRTUAL_NMIS',
  'CPU_BASED_HLT_EXITING',
  'CPU_BASED_MWAIT_EXITING',
  'CPU_BASED_MONITOR_EXITING',
  'CPU_BASED_USE_TSC_OFFSETTING',
  'CPU_BASED_UNCOND_IO_EXITING',
  'CPU_BASED_USE_MSR_BITMAPS',
  'CPU_BASED_TPR_SHADOW',
  'CPU_BASED_ACTIVATE_SECONDARY_CONTROLS',
  'CPU_BASED_ACTIVATE_TERTIARY_CONTROLS',
  'SECONDARY_EXEC_ENABLE_EPT',
  'SECONDARY_EXEC_ENABLE_VPID',
  'SECONDARY_EXEC_ENABLE_RDTSCP',
  'SECONDARY_EXEC_UNRESTRICTED_GUEST',
  'VM_EXIT_SAVE_DEBUG_CONTROLS',
  'VM_EXIT_HOST_ADDR_SPACE_SIZE',
  'VM_EXIT_ACK_INTR_ON_EXIT',
  'VM_EXIT_LOAD_IA32_PAT',
  'VM_EXIT_SAVE_IA32_PAT',
  'VM_EXIT_LOAD_IA32_EFER',
  'VM_EXIT_SAVE_IA32_EFER',
  'VM_ENTRY_LOAD_DEBUG_CONTROLS',
  'VM_ENTRY_IA32E_MODE',
  'VM_ENTRY_LOAD_IA32_PAT',
  'VM_ENTRY_LOAD_IA32_EFER',
]

function capability(cpu: RootCpu, word: keyof typeof CAPABILITY): bigint {
  return cpu.rdmsr(MSRS[CAPABILITY[word]].index)
}

/** Whether the CPU lets a control be 1. */
export const isAllowed = (cpu: RootCpu, name: ControlName): boolean => {
  const { word } = VMX_CONTROLS[name]
  return word !== 'tertiary' && ((capability(cpu, word) >> BigInt(allowedOneBit(name))) & 1n) === 1n
}

/** A word's value: the must-be-1 bits and the wanted controls that may be 1. */
function wordOf(cpu: RootCpu, word: keyof typeof CAPABILITY, wanted: readonly ControlName[]): number {
  const allowed = capability(cpu, word)
  let value = allowed & 0xffff_ffffn
  for (const name of wanted) {
    const row = VMX_CONTROLS[name]
    if (row.word === word && isAllowed(cpu, name)) value |= 1n << BigInt(row.bit)
  }
  return Number(value)
}

export function setControl({ cpu }: Context, name: ControlName, value: boolean): void {
  const { word, bit } = VMX_CONTROLS[name]
  const { field } = CONTROL_WORDS[word]
  const before = cpu.vmread(field)
  const mask = 1n << BigInt(bit)
  const after = value ? before | mask : before & ~mask
  if (after !== before) cpu.vmwrite(field, after)
}

export function hasControl({ cpu }: Context, name: ControlName): boolean {
  const { word, bit } = VMX_CONTROLS[name]
  return ((cpu.vmread(CONTROL_WORDS[word].field) >> BigInt(bit)) & 1n) === 1n
}

/** CR0 and CR4 bits that the guest may change without an exit: TS and WP; PVI, DE, PCE, PGE, OSFXSR, OSXMMEXCPT. */
export const CR0_GUEST_OWNED = 0x1_0008n
export const CR4_GUEST_OWNED = 0x78an & 0x6ffn

export function initializeVmcs(c: Context): void {
  const { cpu, vcpu, vm } = c
  for (const word of ['pin', 'primary', 'secondary', 'exit', 'entry'] as const)
    cpu.vmwrite(CONTROL_WORDS[word].field, wordOf(cpu, word, WANTED))
  if (!vm.irqchip) {
    setControl(c, 'CPU_BASED_TPR_SHADOW', false)
    setControl(c, 'CPU_BASED_CR8_LOAD_EXITING', true)
    setControl(c, 'CPU_BASED_CR8_STORE_EXITING', true)
  }
  cpu.vmwrite('MSR_BITMAP', vcpu.msrBitmap)
  cpu.vmwrite('VIRTUAL_APIC_PAGE_ADDR', vcpu.apicPage)
  cpu.vmwrite('EPT_POINTER', BigInt(vm.eptRoot) | 0x1en) // write-back, 4 levels
  cpu.vmwrite('VIRTUAL_PROCESSOR_ID', vcpu.id + 1)
  cpu.vmwrite('VMCS_LINK_POINTER', 0xffff_ffff_ffff_ffffn)
  cpu.vmwrite('CR0_GUEST_HOST_MASK', ~CR0_GUEST_OWNED & 0xffff_ffffn)
  cpu.vmwrite('CR4_GUEST_HOST_MASK', ~CR4_GUEST_OWNED & 0xffff_ffffn)
  initializeHostState(cpu)
  for (let byte = 0; byte < 4096; byte += 8) cpu.memory.write64(vcpu.msrBitmap + byte, 0xffff_ffff_ffff_ffffn)
  passThroughMsrs(c)
  updateApicVirtualization(c)
}

/** At the start, and when the filter has changed. The guest timer's MSR passes while that is in use. */
export function passThroughMsrs(c: Context): void {
  for (const name of PASSED_THROUGH) setMsrIntercept(c, MSRS[name].index, { read: false, write: false })
  setMsrIntercept(c, MSRS.MSR_IA32_TSC.index, { read: false, write: true })
  const isTimers = c.vcpu.timer.apicVirtTimerInUse
  setMsrIntercept(c, MSRS.MSR_IA32_TSC_DEADLINE.index, { read: !isTimers, write: !isTimers })
}

/** MSRs that the guest reads and writes without an exit. */
const PASSED_THROUGH: readonly MsrName[] = [
  'MSR_FS_BASE',
  'MSR_GS_BASE',
  'MSR_KERNEL_GS_BASE',
  'MSR_TSC_AUX',
  'MSR_IA32_SYSENTER_CS',
  'MSR_IA32_SYSENTER_ESP',
  'MSR_IA32_SYSENTER_EIP',
]

const HOST_STATE: readonly (readonly [VmcsFieldName, bigint])[] = [
  ['HOST_CR0', 0x8005_0033n],
  ['HOST_CR3', 0n],
  ['HOST_CS_SELECTOR', 0x10n],
  ['HOST_SS_SELECTOR', 0x18n],
  ['HOST_TR_SELECTOR', 0x40n],
  ['HOST_RIP', 0xffff_ffff_8100_0000n],
  ['HOST_RSP', 0xffff_c900_0000_0000n],
  ['HOST_IA32_EFER', 0xd01n],
  ['HOST_IA32_PAT', 0x0407_0106_0007_0106n],
]

/** VMXE OSFXSR PGE PAE, as far as the CPU has them. */
const HOST_CR4 = 0x22a0n

export function initializeHostState(cpu: RootCpu): void {
  for (const [field, value] of HOST_STATE) cpu.vmwrite(field, value)
  cpu.vmwrite('HOST_CR4', HOST_CR4 & cpu.rdmsr(MSRS.MSR_IA32_VMX_CR4_FIXED1.index))
}

const TPR = x2apicMsrOf(APIC_REGISTERS.APIC_TASKPRI.offset)
const EOI = x2apicMsrOf(APIC_REGISTERS.APIC_EOI.offset)
const SELF_IPI = x2apicMsrOf(APIC_REGISTERS.APIC_SELF_IPI.offset)
const CURRENT_COUNT = x2apicMsrOf(APIC_REGISTERS.APIC_TMCCT.offset)
/** x2APIC registers of 32 bits: 0x800 to 0x83F. */
const X2APIC_REGISTERS = 0x40

/** The CPU virtualizes the accesses to the APIC's page, where that lies at its default address. */
export const isPageVirtualized = (c: Context): boolean =>
  c.vm.apicAccessPage >= 0 &&
  isApicEnabled(c) &&
  !isX2apic(c) &&
  (c.vcpu.apicBase & ~0xfffn) === BigInt(APIC_DEFAULT_BASE) &&
  isAllowed(c.cpu, 'SECONDARY_EXEC_VIRTUALIZE_APIC_ACCESSES')

/**
 * The APIC controls and the bitmap bits of the x2APIC MSRs, for the APIC's mode and APICv: with APICv every read but that of the
 * current count passes, and writes of TPR, EOI and self-IPI; without it TPR alone.
 */
export function updateApicVirtualization(c: Context): void {
  const { nested } = c.vcpu
  nested.updateVmcs01Apic = nested.guestMode
  if (nested.guestMode) return
  const apicv = isApicvActive(c)
  const x2apic = c.vm.irqchip && isX2apic(c)
  const xapic = isPageVirtualized(c)
  setControl(c, 'SECONDARY_EXEC_VIRTUALIZE_X2APIC_MODE', x2apic)
  setControl(c, 'SECONDARY_EXEC_VIRTUALIZE_APIC_ACCESSES', xapic)
  if (xapic) c.cpu.vmwrite('APIC_ACCESS_ADDR', c.vm.apicAccessPage)
  else if (c.vm.apicAccessPage >= 0) unmapPage(c, APIC_DEFAULT_BASE)
  setControl(c, 'SECONDARY_EXEC_APIC_REGISTER_VIRT', apicv && (x2apic || xapic))
  setControl(c, 'SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY', apicv)
  for (let register = 0; register < X2APIC_REGISTERS; register++) {
    const msr = APIC_BASE_MSR + register
    const readPasses = x2apic && (msr === TPR || (apicv && msr !== CURRENT_COUNT && isReadable(msr)))
    const writePasses = x2apic && (msr === TPR || (apicv && (msr === EOI || msr === SELF_IPI)))
    setMsrIntercept(c, msr, { read: !readPasses, write: !writePasses })
  }
  if (apicv) c.cpu.vmwrite('GUEST_INTR_STATUS', Math.max(0, highestInService(c)) << 8)
}

/** The ICR and the LDR are not as the page holds them. */
const isReadable = (msr: number): boolean => {
  const offset = (msr & 0xff) << 4
  return X2APIC_READABLE.has(offset) && offset !== APIC_REGISTERS.APIC_ICR.offset && offset !== APIC_REGISTERS.APIC_LDR.offset
}
