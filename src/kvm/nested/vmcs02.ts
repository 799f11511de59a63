/**
 * The VMCS that L2 runs on (Linux `prepare_vmcs02`): guest state from vmcs12, host state KVM's own, controls of both in one.
 */

import { PAGE_SIZE } from '../../base/units.ts'
import { groupOf, VMCS_FIELDS, type VmcsFieldName } from '../../spec/vmcs-fields.ts'
import { CONTROL_WORDS, type ControlName, type ControlWord, VMX_CONTROLS } from '../../spec/vmx-controls.ts'
import type { Context } from '../context.ts'
import { loadPdptes, setCr0, setCr4, setEfer } from '../control-registers.ts'
import { hostAddress } from '../mmu.ts'
import { writeTscControls } from '../tsc.ts'
import { initializeHostState } from '../vmcs01.ts'
import { loadGuestTimer } from './apic-timer.ts'
import { shadowEptPointer } from './ept.ts'
import { prepareMsrBitmap } from './msr-bitmap.ts'
import { readVmcs12, readVmcs12Number, VMCS12_OFFSETS, vmcs12Has } from './vmcs12.ts'

const maskOf = (word: ControlWord, names: readonly ControlName[]): bigint =>
  names.reduce((mask, name) => (VMX_CONTROLS[name].word === word ? mask | (1n << BigInt(VMX_CONTROLS[name].bit)) : mask), 0n)

/** Controls of vmcs01 that are about L1's own APIC and events: L2 has them by vmcs12 alone. */
const L1_ONLY: readonly ControlName[] = [
  'PIN_BASED_VMX_PREEMPTION_TIMER',
  'PIN_BASED_POSTED_INTR',
  'CPU_BASED_INTR_WINDOW_EXITING',
  'CPU_BASED_NMI_WINDOW_EXITING',
  'CPU_BASED_TPR_SHADOW',
  'CPU_BASED_USE_MSR_BITMAPS',
  'CPU_BASED_CR8_LOAD_EXITING',
  'CPU_BASED_CR8_STORE_EXITING',
  'SECONDARY_EXEC_VIRTUALIZE_APIC_ACCESSES',
  'SECONDARY_EXEC_VIRTUALIZE_X2APIC_MODE',
  'SECONDARY_EXEC_APIC_REGISTER_VIRT',
  'SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY',
  'SECONDARY_EXEC_ENABLE_RDTSCP',
  'SECONDARY_EXEC_ENABLE_INVPCID',
  'SECONDARY_EXEC_ENABLE_XSAVES',
  'SECONDARY_EXEC_ENABLE_USR_WAIT_PAUSE',
  'SECONDARY_EXEC_UNRESTRICTED_GUEST',
  'SECONDARY_EXEC_TSC_SCALING',
  'SECONDARY_EXEC_DESC',
  'SECONDARY_EXEC_SHADOW_VMCS',
]

/** Controls of vmcs12 that KVM emulates instead of handing them to the CPU. */
const EMULATED: readonly ControlName[] = ['PIN_BASED_VMX_PREEMPTION_TIMER', 'CPU_BASED_USE_IO_BITMAPS']

/** What the merged word is: vmcs01's without L1's own affairs, and vmcs12's without what KVM emulates. */
function mergeWord(c: Context, word: 'pin' | 'primary' | 'secondary', ofVmcs01: bigint): bigint {
  const active = word !== 'secondary' || vmcs12Has(c, 'CPU_BASED_ACTIVATE_SECONDARY_CONTROLS')
  const ofVmcs12 = active ? readVmcs12(c, CONTROL_WORDS[word].field) : 0n
  return (ofVmcs01 & ~maskOf(word, L1_ONLY)) | (ofVmcs12 & ~maskOf(word, EMULATED))
}

/** The control words of vmcs01, read while it is current. */
export interface Vmcs01Controls {
  readonly pin: bigint
  readonly primary: bigint
  readonly secondary: bigint
  readonly exit: bigint
  readonly entry: bigint
}

export const readVmcs01Controls = ({ cpu }: Context): Vmcs01Controls => ({
  pin: cpu.vmread('PIN_BASED_VM_EXEC_CONTROL'),
  primary: cpu.vmread('CPU_BASED_VM_EXEC_CONTROL'),
  secondary: cpu.vmread('SECONDARY_VM_EXEC_CONTROL'),
  exit: cpu.vmread('VM_EXIT_CONTROLS'),
  entry: cpu.vmread('VM_ENTRY_CONTROLS'),
})

/** Beyond the host's memory, for a page that L1 names outside its own: reads give all ones, writes are dropped. */
const NOWHERE = 2 ** 46 - PAGE_SIZE

/** Host page of one that L1 names. */
export function hostPage(c: Context, name: VmcsFieldName): bigint {
  const address = readVmcs12Number(c, name)
  const host = hostAddress(c.vm, address)
  return BigInt(host < 0 ? NOWHERE + (address % PAGE_SIZE) : host)
}

/**
 * Without EPT of its own L2 runs on L1's tables, where the APIC page may be mapped: what L2 does there is for KVM to emulate, as it reaches
 * L1's APIC. Linux keeps other tables for guest mode and never maps the page in them (`kvm_mmu_faultin_pfn`).
 */
const sharesApicPage = (c: Context, { secondary }: Vmcs01Controls): boolean =>
  (secondary & maskOf('secondary', ['SECONDARY_EXEC_VIRTUALIZE_APIC_ACCESSES'])) !== 0n &&
  !vmcs12Has(c, 'SECONDARY_EXEC_ENABLE_EPT') &&
  !vmcs12Has(c, 'SECONDARY_EXEC_VIRTUALIZE_APIC_ACCESSES') &&
  !vmcs12Has(c, 'SECONDARY_EXEC_VIRTUALIZE_X2APIC_MODE')

function prepareControls(c: Context, ofVmcs01: Vmcs01Controls): void {
  const { cpu, vcpu, vm } = c
  cpu.vmwrite('PIN_BASED_VM_EXEC_CONTROL', mergeWord(c, 'pin', ofVmcs01.pin))
  let primary = mergeWord(c, 'primary', ofVmcs01.primary) | maskOf('primary', ['CPU_BASED_UNCOND_IO_EXITING'])
  primary &= ~maskOf('primary', ['CPU_BASED_USE_IO_BITMAPS'])
  // Without a TPR shadow of its own L2 must not reach the real TPR.
  if (!vmcs12Has(c, 'CPU_BASED_TPR_SHADOW')) primary |= maskOf('primary', ['CPU_BASED_CR8_LOAD_EXITING', 'CPU_BASED_CR8_STORE_EXITING'])
  if (!prepareMsrBitmap(c)) primary &= ~maskOf('primary', ['CPU_BASED_USE_MSR_BITMAPS'])
  cpu.vmwrite('CPU_BASED_VM_EXEC_CONTROL', primary)
  const apicAccesses = sharesApicPage(c, ofVmcs01) ? maskOf('secondary', ['SECONDARY_EXEC_VIRTUALIZE_APIC_ACCESSES']) : 0n
  cpu.vmwrite('SECONDARY_VM_EXEC_CONTROL', mergeWord(c, 'secondary', ofVmcs01.secondary) | apicAccesses)
  if (apicAccesses !== 0n) cpu.vmwrite('APIC_ACCESS_ADDR', vm.apicAccessPage)
  if ((primary & maskOf('primary', ['CPU_BASED_ACTIVATE_TERTIARY_CONTROLS'])) !== 0n) {
    const timer = maskOf('tertiary', ['TERTIARY_EXEC_GUEST_APIC_TIMER'])
    cpu.vmwrite('TERTIARY_VM_EXEC_CONTROL', vmcs12Has(c, 'TERTIARY_EXEC_GUEST_APIC_TIMER') ? timer : 0n)
  }
  cpu.vmwrite('VM_EXIT_CONTROLS', ofVmcs01.exit)
  // IA-32e mode and IA32_EFER are the vCPU's, PAT and debug controls are written below.
  cpu.vmwrite('VM_ENTRY_CONTROLS', ofVmcs01.entry)
  cpu.vmwrite('MSR_BITMAP', vcpu.nested.msrBitmap)
}

const L2_VPID = 0x8000

function prepareAddresses(c: Context): void {
  const { cpu, vcpu, vm } = c
  if (vmcs12Has(c, 'CPU_BASED_TPR_SHADOW')) {
    cpu.vmwrite('VIRTUAL_APIC_PAGE_ADDR', hostPage(c, 'VIRTUAL_APIC_PAGE_ADDR'))
    cpu.vmwrite('TPR_THRESHOLD', readVmcs12(c, 'TPR_THRESHOLD'))
  }
  if (vmcs12Has(c, 'SECONDARY_EXEC_VIRTUALIZE_APIC_ACCESSES')) cpu.vmwrite('APIC_ACCESS_ADDR', hostPage(c, 'APIC_ACCESS_ADDR'))
  if (vmcs12Has(c, 'PIN_BASED_POSTED_INTR')) {
    cpu.vmwrite('POSTED_INTR_DESC_ADDR', hostPage(c, 'POSTED_INTR_DESC_ADDR'))
    cpu.vmwrite('POSTED_INTR_NV', POSTED_INTR_NESTED_VECTOR)
  }
  for (const name of ['EOI_EXIT_BITMAP0', 'EOI_EXIT_BITMAP1', 'EOI_EXIT_BITMAP2', 'EOI_EXIT_BITMAP3'] as const)
    cpu.vmwrite(name, readVmcs12(c, name))
  cpu.vmwrite('EPT_POINTER', vmcs12Has(c, 'SECONDARY_EXEC_ENABLE_EPT') ? shadowEptPointer(c) : BigInt(vm.eptRoot) | 0x1en)
  cpu.vmwrite('VIRTUAL_PROCESSOR_ID', L2_VPID + vcpu.id)
  cpu.vmwrite('VMCS_LINK_POINTER', 0xffff_ffff_ffff_ffffn)
}

/** Linux's vector for posted interrupts of L2: a physical interrupt of this vector is never L1's. */
export const POSTED_INTR_NESTED_VECTOR = 0xf1

/** Guest state that is not copied as it stands. */
const SPECIAL: ReadonlySet<VmcsFieldName> = new Set([
  'VMCS_LINK_POINTER',
  'GUEST_CR0',
  'GUEST_CR4',
  'GUEST_DR7',
  'GUEST_IA32_DEBUGCTL',
  'GUEST_IA32_PAT',
  'GUEST_IA32_EFER',
  'GUEST_IA32_PERF_GLOBAL_CTRL',
  'GUEST_BNDCFGS',
  'GUEST_ACTIVITY_STATE',
  'GUEST_PML_INDEX',
  'VMX_PREEMPTION_TIMER_VALUE',
  'GUEST_DEADLINE_PHY',
])

const COPIED: readonly VmcsFieldName[] = [...VMCS12_OFFSETS.keys()].filter(
  name => groupOf(VMCS_FIELDS[name].encoding) === 'guest-state' && !SPECIAL.has(name),
)

/** Bits of the exception filter that L1 gave. */
const FILTERS: readonly VmcsFieldName[] = ['EXCEPTION_BITMAP', 'PAGE_FAULT_ERROR_CODE_MASK', 'PAGE_FAULT_ERROR_CODE_MATCH']

/** L1's IA32_PAT, which L2 keeps where the entry does not load another. */
export interface Vmcs01State {
  readonly controls: Vmcs01Controls
  readonly pat: bigint
  readonly cr0Mask: bigint
  readonly cr4Mask: bigint
}

export const readVmcs01State = (c: Context): Vmcs01State => ({
  controls: readVmcs01Controls(c),
  pat: c.cpu.vmread('GUEST_IA32_PAT'),
  cr0Mask: c.cpu.vmread('CR0_GUEST_HOST_MASK'),
  cr4Mask: c.cpu.vmread('CR4_GUEST_HOST_MASK'),
})

/** What L2 reads of CR0 and CR4: L1's bits where it keeps them. */
const shadowed = (c: Context, name: 'CR0' | 'CR4'): bigint => {
  const kept = readVmcs12(c, `${name}_GUEST_HOST_MASK`)
  return (readVmcs12(c, `GUEST_${name}`) & ~kept) | (readVmcs12(c, `${name}_READ_SHADOW`) & kept)
}

/** CR0 bits that VM entries and exits leave alone: CD and NW. */
export const CR0_KEPT = 0x6000_0000n

const LONG = 0x500n

/** IA32_EFER where the entry does not load it: IA-32e mode is as the control says. */
const keptEfer = (c: Context): bigint => (vmcs12Has(c, 'VM_ENTRY_IA32E_MODE') ? c.vcpu.efer | LONG : c.vcpu.efer & ~LONG)

/**
 * vmcs02 is current. `isEntry`: L1's VM entry is under way, which loads what its controls ask for and brings its event; else L2 has run
 * before, and where it goes on it has what user space restored.
 */
export function prepareVmcs02(c: Context, ofL1: Vmcs01State, isEntry: boolean): void {
  const { cpu, vcpu } = c
  const { nested } = vcpu
  prepareControls(c, ofL1.controls)
  prepareAddresses(c)
  initializeHostState(cpu)
  for (const name of [...COPIED, ...FILTERS]) cpu.vmwrite(name, readVmcs12(c, name))
  const loads = (control: ControlName): boolean => isEntry && vmcs12Has(c, control)
  const loadsDebug = loads('VM_ENTRY_LOAD_DEBUG_CONTROLS')
  cpu.vmwrite('GUEST_DR7', loadsDebug ? readVmcs12(c, 'GUEST_DR7') : nested.vmcs01Dr7)
  cpu.vmwrite('GUEST_IA32_DEBUGCTL', loadsDebug ? readVmcs12(c, 'GUEST_IA32_DEBUGCTL') : nested.vmcs01DebugCtl)
  cpu.vmwrite('GUEST_IA32_PAT', loads('VM_ENTRY_LOAD_IA32_PAT') ? readVmcs12(c, 'GUEST_IA32_PAT') : ofL1.pat)
  cpu.vmwrite('GUEST_ACTIVITY_STATE', 0)
  cpu.vmwrite('CR0_GUEST_HOST_MASK', ofL1.cr0Mask | readVmcs12(c, 'CR0_GUEST_HOST_MASK'))
  cpu.vmwrite('CR4_GUEST_HOST_MASK', ofL1.cr4Mask | readVmcs12(c, 'CR4_GUEST_HOST_MASK'))
  setEfer(c, loads('VM_ENTRY_LOAD_IA32_EFER') ? readVmcs12(c, 'GUEST_IA32_EFER') : keptEfer(c))
  setCr0(c, (readVmcs12(c, 'GUEST_CR0') & ~CR0_KEPT) | (vcpu.cr0 & CR0_KEPT))
  cpu.vmwrite('CR0_READ_SHADOW', shadowed(c, 'CR0'))
  setCr4(c, readVmcs12(c, 'GUEST_CR4'))
  cpu.vmwrite('CR4_READ_SHADOW', shadowed(c, 'CR4'))
  // Where L1 gives no EPT the processor, which has one of L0's, would take them from fields that L1 need not write.
  if (!vmcs12Has(c, 'SECONDARY_EXEC_ENABLE_EPT')) loadPdptes(c)
  for (const name of ['VM_ENTRY_INTR_INFO_FIELD', 'VM_ENTRY_EXCEPTION_ERROR_CODE', 'VM_ENTRY_INSTRUCTION_LEN'] as const)
    cpu.vmwrite(name, isEntry ? readVmcs12(c, name) : 0n)
  writeTscControls(c)
  loadGuestTimer(c)
}
