/**
 * Which MSRs user space is told of (Linux `arch/x86/kvm/x86.c`, `kvm_init_msr_lists`): those to save and restore with a vCPU, and those
 * whose values tell what this KVM can do, which it answers without a VM.
 */

import type { RootMachine } from '../hw/root-cpu.ts'
import { MSRS, type MsrName } from '../spec/msrs.ts'
import { kvmStateOf } from './context.ts'
import type { MsrEntry } from './msr-ioctls.ts'
import { FIRST_VMX_MSR, LAST_VMX_MSR, readVmxMsr } from './nested/capabilities.ts'

/** Linux's `msrs_to_save_base`, of which this processor has these. */
const TO_SAVE: readonly MsrName[] = [
  'MSR_IA32_SYSENTER_CS',
  'MSR_IA32_SYSENTER_ESP',
  'MSR_IA32_SYSENTER_EIP',
  'MSR_STAR',
  'MSR_CSTAR',
  'MSR_KERNEL_GS_BASE',
  'MSR_SYSCALL_MASK',
  'MSR_LSTAR',
  'MSR_IA32_TSC',
  'MSR_IA32_CR_PAT',
  'MSR_IA32_FEAT_CTL',
  'MSR_TSC_AUX',
]

/** Linux's `emulated_msrs_all`. */
const EMULATED: readonly MsrName[] = [
  'MSR_IA32_TSC_ADJUST',
  'MSR_IA32_TSC_DEADLINE',
  'MSR_IA32_MISC_ENABLE',
  'MSR_IA32_MCG_STATUS',
  'MSR_IA32_UCODE_REV',
  'MSR_PLATFORM_INFO',
  'MSR_MISC_FEATURES_ENABLES',
]

/** Those of VMX among them: the plain control MSRs follow from the TRUE ones, the upper bounds of CR0 and CR4 from CPUID. */
const EMULATED_VMX: readonly MsrName[] = [
  'MSR_IA32_VMX_BASIC',
  'MSR_IA32_VMX_TRUE_PINBASED_CTLS',
  'MSR_IA32_VMX_TRUE_PROCBASED_CTLS',
  'MSR_IA32_VMX_TRUE_EXIT_CTLS',
  'MSR_IA32_VMX_TRUE_ENTRY_CTLS',
  'MSR_IA32_VMX_MISC',
  'MSR_IA32_VMX_CR0_FIXED0',
  'MSR_IA32_VMX_CR4_FIXED0',
  'MSR_IA32_VMX_VMCS_ENUM',
  'MSR_IA32_VMX_PROCBASED_CTLS2',
  'MSR_IA32_VMX_PROCBASED_CTLS3',
  'MSR_IA32_VMX_EPT_VPID_CAP',
  'MSR_IA32_VMX_VMFUNC',
]

const indexOf = (name: MsrName): number => MSRS[name].index

/** KVM_GET_MSR_INDEX_LIST. */
export const msrIndexList = (machine: RootMachine): number[] => [
  ...[...TO_SAVE, ...EMULATED].map(indexOf),
  ...EMULATED_VMX.map(indexOf).filter(index => kvmStateOf(machine).nestedMsrs[index] !== undefined),
]

const UCODE_REV = indexOf('MSR_IA32_UCODE_REV')

/** The value that a feature MSR has for the module, null where it does not have the MSR. The microcode's revision is the host's. */
function featureMsr(machine: RootMachine, index: number): bigint | null {
  if (index === UCODE_REV) return machine.cpus[0]!.rdmsr(index)
  const { nestedMsrs, parameters } = kvmStateOf(machine)
  return parameters.nested && index >= FIRST_VMX_MSR && index <= LAST_VMX_MSR ? readVmxMsr(nestedMsrs, index) : null
}

/** KVM_GET_MSR_FEATURE_INDEX_LIST. */
export function msrFeatureIndexList(machine: RootMachine): number[] {
  const vmx = Array.from({ length: LAST_VMX_MSR - FIRST_VMX_MSR + 1 }, (_, at) => FIRST_VMX_MSR + at)
  return [...vmx, UCODE_REV].filter(index => featureMsr(machine, index) !== null)
}

/** KVM_GET_MSRS of `/dev/kvm` itself: the values up to the first that is no feature MSR. */
export function getFeatureMsrs(machine: RootMachine, indices: readonly number[]): MsrEntry[] {
  const entries: MsrEntry[] = []
  for (const index of indices) {
    const data = featureMsr(machine, index)
    if (data === null) break
    entries.push({ index, data })
  }
  return entries
}
