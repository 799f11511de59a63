/**
 * `struct vmcs12` (Linux `arch/x86/kvm/vmx/vmcs12.h`): the VMCS that a guest hypervisor writes, as KVM keeps it. The layout is part
 * of the format of a migrated vCPU: an offset never moves, padding may be used, new fields go to the end.
 *
 *     +0  revision identifier     +4  VMX-abort indicator     +8  launch state (0 clear, 1 launched)     +12  padding     +40  fields
 *
 * The current VMCS lies in a page of the host's, a copy of the guest's page, which it is written back to when it stops being current.
 */

import { shiftRight } from '../../base/u64.ts'
import type { PhysicalMemory } from '../../hw/root-cpu.ts'
import { VMCS_FIELDS, type VmcsFieldName, vmcsFieldOf, widthOf } from '../../spec/vmcs-fields.ts'
import { CONTROL_WORDS, type ControlName, VMX_CONTROLS } from '../../spec/vmx-controls.ts'
import type { Context } from '../context.ts'
import type { VcpuState } from '../state.ts'

export const VMCS12_REVISION = 0x11e5_7ed0
export const VMCS12_SIZE = 4096
export const VMCS12_ABORT = 4
export const VMCS12_LAUNCH_STATE = 8

const range = (first: number, width: number, names: readonly VmcsFieldName[]): [VmcsFieldName, number][] =>
  names.map((name, position) => [name, first + width * position])

const segments = (part: string, names = 'ES CS SS DS FS GS LDTR TR'): VmcsFieldName[] =>
  names.split(' ').map(name => `${name.startsWith('HOST') ? '' : 'GUEST_'}${name}_${part}` as VmcsFieldName)

/** Where each field lies; runs of neighbours are written with the offset of the first. */
export const VMCS12_OFFSETS: ReadonlyMap<VmcsFieldName, number> = new Map<VmcsFieldName, number>([
  ...range(40, 8, [
    'IO_BITMAP_A',
    'IO_BITMAP_B',
    'MSR_BITMAP',
    'VM_EXIT_MSR_STORE_ADDR',
    'VM_EXIT_MSR_LOAD_ADDR',
    'VM_ENTRY_MSR_LOAD_ADDR',
  ]),
  ...range(88, 8, ['TSC_OFFSET', 'VIRTUAL_APIC_PAGE_ADDR', 'APIC_ACCESS_ADDR', 'POSTED_INTR_DESC_ADDR', 'EPT_POINTER']),
  ...range(128, 8, ['EOI_EXIT_BITMAP0', 'EOI_EXIT_BITMAP1', 'EOI_EXIT_BITMAP2', 'EOI_EXIT_BITMAP3', 'XSS_EXIT_BITMAP']),
  ...range(168, 8, ['GUEST_PHYSICAL_ADDRESS', 'VMCS_LINK_POINTER', 'GUEST_IA32_DEBUGCTL', 'GUEST_IA32_PAT', 'GUEST_IA32_EFER']),
  ...range(208, 8, ['GUEST_IA32_PERF_GLOBAL_CTRL', 'GUEST_PDPTR0', 'GUEST_PDPTR1', 'GUEST_PDPTR2', 'GUEST_PDPTR3', 'GUEST_BNDCFGS']),
  ...range(256, 8, ['HOST_IA32_PAT', 'HOST_IA32_EFER', 'HOST_IA32_PERF_GLOBAL_CTRL', 'VMREAD_BITMAP', 'VMWRITE_BITMAP']),
  ...range(296, 8, ['VM_FUNCTION_CONTROL', 'EPTP_LIST_ADDRESS', 'PML_ADDRESS', 'ENCLS_EXITING_BITMAP', 'TSC_MULTIPLIER']),
  ['TERTIARY_VM_EXEC_CONTROL', 336],
  ...range(344, 8, ['CR0_GUEST_HOST_MASK', 'CR4_GUEST_HOST_MASK', 'CR0_READ_SHADOW', 'CR4_READ_SHADOW']),
  // 376 to 407: once the CR3-target values.
  ...range(408, 8, ['EXIT_QUALIFICATION', 'GUEST_LINEAR_ADDRESS', 'GUEST_CR0', 'GUEST_CR3', 'GUEST_CR4']),
  ...range(448, 8, [...segments('BASE'), 'GUEST_GDTR_BASE', 'GUEST_IDTR_BASE', 'GUEST_DR7', 'GUEST_RSP', 'GUEST_RIP', 'GUEST_RFLAGS']),
  ...range(560, 8, ['GUEST_PENDING_DBG_EXCEPTIONS', 'GUEST_SYSENTER_ESP', 'GUEST_SYSENTER_EIP', 'HOST_CR0', 'HOST_CR3', 'HOST_CR4']),
  ...range(608, 8, ['HOST_FS_BASE', 'HOST_GS_BASE', 'HOST_TR_BASE', 'HOST_GDTR_BASE', 'HOST_IDTR_BASE']),
  ...range(648, 8, ['HOST_IA32_SYSENTER_ESP', 'HOST_IA32_SYSENTER_EIP', 'HOST_RSP', 'HOST_RIP']),
  // 680 to 743: padding.
  ...range(744, 4, ['PIN_BASED_VM_EXEC_CONTROL', 'CPU_BASED_VM_EXEC_CONTROL', 'EXCEPTION_BITMAP', 'PAGE_FAULT_ERROR_CODE_MASK']),
  ...range(760, 4, ['PAGE_FAULT_ERROR_CODE_MATCH', 'CR3_TARGET_COUNT', 'VM_EXIT_CONTROLS', 'VM_EXIT_MSR_STORE_COUNT']),
  ...range(776, 4, ['VM_EXIT_MSR_LOAD_COUNT', 'VM_ENTRY_CONTROLS', 'VM_ENTRY_MSR_LOAD_COUNT', 'VM_ENTRY_INTR_INFO_FIELD']),
  ...range(792, 4, ['VM_ENTRY_EXCEPTION_ERROR_CODE', 'VM_ENTRY_INSTRUCTION_LEN', 'TPR_THRESHOLD', 'SECONDARY_VM_EXEC_CONTROL']),
  ...range(808, 4, ['VM_INSTRUCTION_ERROR', 'VM_EXIT_REASON', 'VM_EXIT_INTR_INFO', 'VM_EXIT_INTR_ERROR_CODE', 'IDT_VECTORING_INFO_FIELD']),
  ...range(828, 4, ['IDT_VECTORING_ERROR_CODE', 'VM_EXIT_INSTRUCTION_LEN', 'VMX_INSTRUCTION_INFO']),
  ...range(840, 4, [...segments('LIMIT'), 'GUEST_GDTR_LIMIT', 'GUEST_IDTR_LIMIT', ...segments('AR_BYTES')]),
  ...range(912, 4, ['GUEST_INTERRUPTIBILITY_INFO', 'GUEST_ACTIVITY_STATE', 'GUEST_SYSENTER_CS', 'HOST_IA32_SYSENTER_CS']),
  ['VMX_PREEMPTION_TIMER_VALUE', 928],
  // 932 to 959: padding.
  ...range(960, 2, ['VIRTUAL_PROCESSOR_ID', 'POSTED_INTR_NV', ...segments('SELECTOR'), 'GUEST_INTR_STATUS']),
  ...range(982, 2, segments('SELECTOR', 'HOST_ES HOST_CS HOST_SS HOST_DS HOST_FS HOST_GS HOST_TR')),
  ['GUEST_PML_INDEX', 996],
  ['GUEST_APIC_TIMER_VECTOR', 998],
  ['GUEST_DEADLINE_PHY', 1000],
  ['GUEST_DEADLINE_VIR', 1008],
])

/** Bytes that a field takes. */
export const vmcs12Width = (name: VmcsFieldName): 2 | 4 | 8 => {
  const width = widthOf(VMCS_FIELDS[name].encoding)
  return width === 16 ? 2 : width === 32 ? 4 : 8
}

/** The field that VMREAD or VMWRITE of an encoding means, if vmcs12 has it. */
export function vmcs12FieldOf(encoding: bigint): VmcsFieldName | undefined {
  const name = encoding > 0xffffn ? undefined : vmcsFieldOf(Number(encoding))
  return name !== undefined && VMCS12_OFFSETS.has(name) ? name : undefined
}

/** What reading takes: every `Context` is one. */
export interface Vmcs12Holder {
  readonly cpu: { readonly memory: Pick<PhysicalMemory, 'read8' | 'read32' | 'read64'> }
  readonly vcpu: VcpuState
}

const at = ({ vcpu }: Vmcs12Holder, name: VmcsFieldName): number => vcpu.nested.vmcs12 + VMCS12_OFFSETS.get(name)!

export function readVmcs12(c: Vmcs12Holder, name: VmcsFieldName): bigint {
  const { memory } = c.cpu
  const address = at(c, name)
  const width = vmcs12Width(name)
  if (width === 8) return memory.read64(address)
  return BigInt(width === 4 ? memory.read32(address) : memory.read8(address) | (memory.read8(address + 1) << 8))
}

export const readVmcs12Number = (c: Context, name: VmcsFieldName): number => Number(readVmcs12(c, name))

export function writeVmcs12(c: Context, name: VmcsFieldName, value: bigint | number): void {
  const { memory } = c.cpu
  const address = at(c, name)
  const width = vmcs12Width(name)
  const bits = BigInt.asUintN(64, BigInt(value))
  if (width === 8) memory.write64(address, bits)
  else if (width === 4) memory.write32(address, Number(bits & 0xffff_ffffn))
  else {
    memory.write8(address, Number(bits & 0xffn))
    memory.write8(address + 1, Number(shiftRight(bits, 8) & 0xffn))
  }
}

/** Whether a control is 1, in a word that is activated. */
export function vmcs12Has(c: Vmcs12Holder, control: ControlName): boolean {
  const { word, bit } = VMX_CONTROLS[control]
  const isSet = (field: VmcsFieldName, position: number): boolean => (readVmcs12(c, field) & (1n << BigInt(position))) !== 0n
  const primary = CONTROL_WORDS.primary.field
  if (word === 'secondary' && !isSet(primary, VMX_CONTROLS.CPU_BASED_ACTIVATE_SECONDARY_CONTROLS.bit)) return false
  if (word === 'tertiary' && !isSet(primary, VMX_CONTROLS.CPU_BASED_ACTIVATE_TERTIARY_CONTROLS.bit)) return false
  return isSet(CONTROL_WORDS[word].field, bit)
}

export const isVmcs12Launched = ({ cpu, vcpu }: Context): boolean => cpu.memory.read32(vcpu.nested.vmcs12 + VMCS12_LAUNCH_STATE) !== 0
export const setVmcs12Launched = ({ cpu, vcpu }: Context, launched: boolean): void =>
  cpu.memory.write32(vcpu.nested.vmcs12 + VMCS12_LAUNCH_STATE, launched ? 1 : 0)
