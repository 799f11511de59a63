/** VM entries: the checks name the rule that broke, in the outcome that the SDM gives for its group. */

import { describe, expect, test } from 'vitest'
import type { VmcsFieldName } from '../../../src/spec/vmcs-fields.ts'
import type { ControlName } from '../../../src/spec/vmx-controls.ts'
import { brokenRule, createRig, type Rig, TIMER_CONTROLS } from './rig.ts'

const NOTHING = 'nop'

test('a good VMCS enters, and VMCALL leaves with its length and RIP', () => {
  const rig = createRig(NOTHING)
  expect(rig.exit()).toBe('EXIT_REASON_VMCALL')
  expect(rig.read('VM_EXIT_INSTRUCTION_LEN')).toBe(3n)
  expect(rig.read('GUEST_RIP')).toBe(0x100001n)
})

describe('launch state', () => {
  test('VMRESUME of a VMCS that is not launched fails with 5', () => {
    expect(createRig(NOTHING).cpu.vmresume()).toEqual({ kind: 'failed', error: 5 })
  })
  test('VMLAUNCH of a launched VMCS fails with 4', () => {
    const rig = createRig(NOTHING)
    rig.exit()
    expect(rig.cpu.vmlaunch()).toEqual({ kind: 'failed', error: 4 })
  })
})

type Change = (rig: Rig) => void
const field =
  (name: VmcsFieldName, value: bigint | number): Change =>
  rig =>
    rig.write(name, value)
const control =
  (name: ControlName, value: boolean): Change =>
  rig =>
    rig.set(name, value)

/** One violation each, of a VMCS with APIC-timer virtualization that is good otherwise. */
const BAD_CONTROLS: readonly (readonly [string, Change])[] = [
  ['pin-based controls fit IA32_VMX_TRUE_PINBASED_CTLS', field('PIN_BASED_VM_EXEC_CONTROL', 0)],
  ['primary processor-based controls fit IA32_VMX_TRUE_PROCBASED_CTLS', field('CPU_BASED_VM_EXEC_CONTROL', 0)],
  ['secondary processor-based controls fit IA32_VMX_PROCBASED_CTLS2', control('SECONDARY_EXEC_ENCLS_EXITING', true)],
  ['tertiary processor-based controls fit IA32_VMX_PROCBASED_CTLS3', control('TERTIARY_EXEC_IPI_VIRT', true)],
  ['the CR3-target count is at most 4', field('CR3_TARGET_COUNT', 5)],
  ['the MSR-bitmap address is a page-aligned physical address', field('MSR_BITMAP', 0x1001)],
  ['the virtual-APIC address is a page-aligned physical address', field('VIRTUAL_APIC_PAGE_ADDR', 1n << 50n)],
  ['x2APIC mode, APIC-register virtualization and virtual-interrupt delivery need the TPR shadow', control('CPU_BASED_TPR_SHADOW', false)],
  ['virtual-interrupt delivery needs external-interrupt exiting', control('PIN_BASED_EXT_INTR_MASK', false)],
  ['with VPIDs enabled the VPID is not 0', control('SECONDARY_EXEC_ENABLE_VPID', true)],
  ['the EPT pointer is write-back or uncached with a 4-level walk', control('SECONDARY_EXEC_ENABLE_EPT', true)],
  ['APIC-timer virtualization needs virtual-interrupt delivery', control('SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY', false)],
  ['APIC-timer virtualization excludes RDTSC exiting', control('CPU_BASED_RDTSC_EXITING', true)],
  ['bits 15:8 of the virtual timer vector are 0', field('GUEST_APIC_TIMER_VECTOR', 0x1ec)],
  ['VM-exit controls fit IA32_VMX_TRUE_EXIT_CTLS', field('VM_EXIT_CONTROLS', 0)],
  ['VM-entry controls fit IA32_VMX_TRUE_ENTRY_CTLS', field('VM_ENTRY_CONTROLS', 0)],
  ['the event to inject has a defined type, a fitting vector and error code', field('VM_ENTRY_INTR_INFO_FIELD', 0x8000_0120)],
]

describe('a bad control fails with error 7, loads nothing and names its rule', () => {
  test.each(BAD_CONTROLS)('%s', (rule, change) => {
    const rig = createRig(NOTHING, TIMER_CONTROLS)
    change(rig)
    expect(rig.launch()).toEqual({ kind: 'failed', error: 7 })
    expect(rig.read('VM_INSTRUCTION_ERROR')).toBe(7n)
    expect(brokenRule(rig)).toBe(rule)
    expect(rig.machine.cpus[0]!.vmx.mode).toBe('root')
  })

  test('with the tertiary controls not activated, their field is not looked at', () => {
    const rig = createRig(NOTHING, TIMER_CONTROLS)
    rig.write('TERTIARY_VM_EXEC_CONTROL', 0xffff_ffff_ffff_ffffn)
    rig.set('CPU_BASED_ACTIVATE_TERTIARY_CONTROLS', false)
    expect(rig.exit()).toBe('EXIT_REASON_VMCALL')
  })

  test('with TSC scaling the multiplier is not 0', () => {
    const rig = createRig(NOTHING, ['CPU_BASED_ACTIVATE_SECONDARY_CONTROLS', 'SECONDARY_EXEC_TSC_SCALING'])
    rig.write('TSC_MULTIPLIER', 0)
    expect(rig.launch()).toEqual({ kind: 'failed', error: 7 })
  })
})

const BAD_HOST: readonly (readonly [string, Change])[] = [
  ['host CR0 fits IA32_VMX_CR0_FIXED0 and FIXED1', field('HOST_CR0', 0)],
  ['host CR4 fits IA32_VMX_CR4_FIXED0 and FIXED1', field('HOST_CR4', 0x20)],
  ['host CR3 is within the physical-address width', field('HOST_CR3', 1n << 46n)],
  ['host selectors have RPL 0 and TI 0', field('HOST_DS_SELECTOR', 3)],
  ['host CS and TR selectors are not 0', field('HOST_TR_SELECTOR', 0)],
  ['host FS, GS, TR, GDTR and IDTR bases are canonical', field('HOST_TR_BASE', 1n << 62n)],
  ['host RIP is canonical', field('HOST_RIP', 1n << 62n)],
]

describe('a bad host state fails with error 8', () => {
  test.each(BAD_HOST)('%s', (rule, change) => {
    const rig = createRig(NOTHING)
    change(rig)
    expect(rig.launch()).toEqual({ kind: 'failed', error: 8 })
    expect(brokenRule(rig)).toBe(rule)
  })
})

const BAD_GUEST: readonly (readonly [string, Change])[] = [
  ['guest CR0 fits IA32_VMX_CR0_FIXED0 and FIXED1', field('GUEST_CR0', 0)],
  ['guest CR4 fits IA32_VMX_CR4_FIXED0 and FIXED1', field('GUEST_CR4', 0x20)],
  ['the guest CS is a 64-bit code segment', field('GUEST_CS_AR_BYTES', 0xc09b)],
  ['the guest TR is a busy 64-bit TSS', field('GUEST_TR_AR_BYTES', 0x89)],
  ['guest RIP is canonical', field('GUEST_RIP', 1n << 62n)],
  ['guest RFLAGS has its reserved bits right and VM 0 in IA-32e mode', field('GUEST_RFLAGS', 0)],
  ['the activity state is active or HLT', field('GUEST_ACTIVITY_STATE', 2)],
  ['STI blocking needs RFLAGS.IF', field('GUEST_INTERRUPTIBILITY_INFO', 1)],
  ['not both STI and MOV-SS blocking', field('GUEST_INTERRUPTIBILITY_INFO', 3)],
  ['the VMCS link pointer is all ones', field('VMCS_LINK_POINTER', 0)],
]

describe('a bad guest state is a VM exit with reason 33 and bit 31', () => {
  test.each(BAD_GUEST)('%s', (rule, change) => {
    const rig = createRig(NOTHING)
    change(rig)
    expect(rig.launch().kind).toBe('entered')
    expect(rig.read('VM_EXIT_REASON')).toBe(0x8000_0021n)
    expect(brokenRule(rig)).toBe(rule)
    expect(rig.machine.cpus[0]!.vmx.mode).toBe('root')
  })
})

describe('a CPU without APIC-timer virtualization', () => {
  const features = ['tsc', 'msr', 'pae', 'apic', 'nx', 'lm', 'x2apic', 'tsc-deadline', 'vmx'] as const
  test('has no IA32_VMX_PROCBASED_CTLS3', () => {
    const rig = createRig(NOTHING, [], { features: [...features] })
    expect(() => rig.cpu.rdmsr(0x492)).toThrow()
  })
  test('has none of the fields: error 12', () => {
    const rig = createRig(NOTHING, [], { features: [...features] })
    for (const name of ['TERTIARY_VM_EXEC_CONTROL', 'GUEST_APIC_TIMER_VECTOR', 'GUEST_DEADLINE_VIR', 'GUEST_DEADLINE_PHY'] as const)
      expect(() => rig.read(name)).toThrow(name)
    expect(rig.read('VM_INSTRUCTION_ERROR')).toBe(12n)
  })
})
