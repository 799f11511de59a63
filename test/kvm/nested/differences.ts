/**
 * Where a guest hypervisor may see something else under KVM than on a processor with the same capabilities: at most ten rows, each
 * with its reason. The test that compares reads this list, and a row that no program needs fails it.
 */

import type { CpuFeature } from '../../../src/spec/cpu-models.ts'
import { VMCS_FIELDS, type VmcsFieldName } from '../../../src/spec/vmcs-fields.ts'

export type AllowedDifference = { readonly reason: string } & (
  | { readonly field: VmcsFieldName; readonly reasons?: readonly number[] }
  | { readonly mnemonics: readonly string[]; readonly operands?: readonly number[] }
  | { readonly unreported: CpuFeature }
)

/** Both halves of each field. */
const encodingsOf = (fields: string): readonly number[] =>
  fields.split(' ').flatMap(name => [VMCS_FIELDS[name as VmcsFieldName].encoding, VMCS_FIELDS[name as VmcsFieldName].encoding + 1])

export const ALLOWED_DIFFERENCES: readonly AllowedDifference[] = [
  {
    mnemonics: ['VMREAD', 'VMWRITE'],
    operands: encodingsOf(
      'VMREAD_BITMAP VMWRITE_BITMAP VM_FUNCTION_CONTROL EPTP_LIST_ADDRESS PML_ADDRESS GUEST_PML_INDEX ENCLS_EXITING_BITMAP ' +
        'HOST_IA32_PERF_GLOBAL_CTRL GUEST_IA32_PERF_GLOBAL_CTRL GUEST_BNDCFGS',
    ),
    reason:
      'a processor has no field whose control it does not offer (SDM, "Field Encoding in VMCS"); Linux answers for every field of ' +
      'struct vmcs12, whatever the capability MSRs say, but for those of the tertiary controls',
  },
  {
    unreported: 'monitor',
    reason:
      "KVM takes MONITOR out of CPUID and yet lets its guest's guest execute it, up to its VM exit, as the processor below has it; a processor " +
      'without the feature raises #UD first (SDM, "MONITOR"; Linux `kvm_emulate_monitor_mwait`)',
  },
]
