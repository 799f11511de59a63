/** Which fields of the VMCS a processor has follows from its capability MSRs (Intel SDM, "Field Encoding in VMCS"; "VMCS Enumeration"). */

import { describe, expect, test } from 'vitest'
import { resolveConfig } from '../../../src/hw/machine.ts'
import { resolveRunConfig } from '../../../src/session/config.ts'
import { CPU_MODELS, type CpuModelName } from '../../../src/spec/cpu-models.ts'
import { MSRS } from '../../../src/spec/msrs.ts'
import { hasField } from '../../../src/spec/vmcs-field-controls.ts'
import { indexOf, VMCS_FIELDS, type VmcsFieldName } from '../../../src/spec/vmcs-fields.ts'

const fieldsOf = (vmxMsrs: Readonly<Record<number, bigint>>): VmcsFieldName[] =>
  (Object.keys(VMCS_FIELDS) as VmcsFieldName[]).filter(name => hasField(vmxMsrs, name))

describe.each(Object.keys(CPU_MODELS) as CpuModelName[])('%s', model => {
  const { vmxMsrs } = resolveRunConfig({ bare: true, model }).machine
  test('the highest index of a field that it has is that of IA32_VMX_VMCS_ENUM', () => {
    const highest = Math.max(...fieldsOf(vmxMsrs).map(name => indexOf(VMCS_FIELDS[name].encoding)))
    expect(BigInt(highest) << 1n).toBe(vmxMsrs[MSRS.MSR_IA32_VMX_VMCS_ENUM.index])
  })
})

test.each([
  ['max', 'CR3_TARGET_VALUE3', true],
  ['kvm-guest', 'CR3_TARGET_VALUE0', false],
  ['max', 'PLE_GAP', true],
  ['kvm-guest', 'PLE_GAP', false],
  ['max', 'INJECTED_EVENT_DATA', false],
  ['max', 'EXECUTIVE_VMCS_POINTER', false],
  ['no-timer-virt', 'GUEST_DEADLINE_PHY', false],
  ['SapphireRapids', 'TERTIARY_VM_EXEC_CONTROL', true],
] as const)('%s and %s: %s', (model, field, expected) => {
  expect(hasField(resolveRunConfig({ bare: true, model }).machine.vmxMsrs, field)).toBe(expected)
})

test('the model kvm-guest is the processor that KVM gives its guest: the revision of vmcs12, what it can emulate, and no more', () => {
  const host = resolveConfig().vmxMsrs
  const { vmxMsrs } = resolveRunConfig({ bare: true, model: 'kvm-guest' }).machine
  expect(vmxMsrs[MSRS.MSR_IA32_VMX_BASIC.index]! & 0x7fff_ffffn).toBe(0x11e5_7ed0n)
  for (const name of ['MSR_IA32_VMX_PROCBASED_CTLS2', 'MSR_IA32_VMX_TRUE_PROCBASED_CTLS', 'MSR_IA32_VMX_TRUE_EXIT_CTLS'] as const)
    expect((vmxMsrs[MSRS[name].index]! >> BigInt(32)) & ~(host[MSRS[name].index]! >> BigInt(32))).toBe(0n)
})
