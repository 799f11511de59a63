/** A VMCS and a guest, set up through the door: what the tests of VMX drive. No KVM and no EPT is involved. */

import { createMachine, type Machine, type MachineOptions, resolveConfig } from '../../../src/hw/machine.ts'
import { type RootCpu, rootMachine } from '../../../src/hw/root-cpu.ts'
import { type RunResult, run } from '../../../src/hw/run.ts'
import type { VmxOutcome } from '../../../src/hw/vmx/outcome.ts'
import { type ExitReason, exitReasonOf } from '../../../src/spec/exit-reasons.ts'
import { MSRS } from '../../../src/spec/msrs.ts'
import type { TraceEvent } from '../../../src/spec/trace-events.ts'
import type { VmcsFieldName } from '../../../src/spec/vmcs-fields.ts'
import { type ControlName, VMX_CONTROLS } from '../../../src/spec/vmx-controls.ts'
import { longModeBoot } from '../../../src/vmm/boot.ts'
import { assembled } from '../bare.ts'

export const VMXON_REGION = 0x20_0000
export const VMCS = 0x20_1000
export const MSR_BITMAP = 0x20_2000
export const VIRTUAL_APIC = 0x20_3000
export const TIMER_VECTOR = 0xec

const FIELDS = {
  pin: 'PIN_BASED_VM_EXEC_CONTROL',
  primary: 'CPU_BASED_VM_EXEC_CONTROL',
  secondary: 'SECONDARY_VM_EXEC_CONTROL',
  tertiary: 'TERTIARY_VM_EXEC_CONTROL',
  exit: 'VM_EXIT_CONTROLS',
  entry: 'VM_ENTRY_CONTROLS',
} as const

export interface Rig {
  readonly machine: Machine
  readonly cpu: RootCpu
  readonly events: TraceEvent[]
  set(control: ControlName, value: boolean): void
  read(field: VmcsFieldName): bigint
  write(field: VmcsFieldName, value: bigint | number): void
  launch(): VmxOutcome
  /** Enters, runs to the next exit, and says which. */
  exit(resume?: boolean): ExitReason
  /** Only runs: the guest is in. */
  run(instructions?: number): RunResult
}

/** The controls that virtualize the APIC and its timer, as section "APIC-timer virtualization" requires them. */
export const TIMER_CONTROLS: readonly ControlName[] = [
  'PIN_BASED_EXT_INTR_MASK',
  'CPU_BASED_USE_MSR_BITMAPS',
  'CPU_BASED_TPR_SHADOW',
  'CPU_BASED_ACTIVATE_SECONDARY_CONTROLS',
  'CPU_BASED_ACTIVATE_TERTIARY_CONTROLS',
  'SECONDARY_EXEC_VIRTUALIZE_X2APIC_MODE',
  'SECONDARY_EXEC_APIC_REGISTER_VIRT',
  'SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY',
  'TERTIARY_EXEC_GUEST_APIC_TIMER',
]

/** Assembling costs more than running: each source once, and the macros only for those that use one. */
const images = new Map<string, ReturnType<typeof assembled>>()
const MACRO =
  /%|\b(?:read_|write_|set_gate|load_idt|load_gate|x2apic|MSR_|APIC_|X86_|GUEST_|CR[04]_|vmx_|show|print|report|variables|exit\b)/

function guestImage(body: string): ReturnType<typeof assembled> {
  const plain = `bits 64\ndefault rel\norg 0x100000\n${body}\nvmcall\n`
  const source = MACRO.test(body)
    ? `%include "guest.inc"\n%include "vmx.inc"\n${body}\nvmcall\nvmx_failed: hlt\n%include "lib.inc"\n`
    : plain
  const image = images.get(source) ?? assembled(source)
  images.set(source, image)
  return image
}

/** `body` is the guest's source behind `guest.inc`; it ends by VMCALL or as the test likes. */
export const createRig = (body: string, controls: readonly ControlName[] = [], options: MachineOptions = {}): Rig =>
  rigOf(createMachine(resolveConfig({ memoryMiB: 8, ...options })), body, controls)

/** The same on a machine of one's own. */
export function rigOf(machine: Machine, body: string, controls: readonly ControlName[] = []): Rig {
  const events: TraceEvent[] = []
  machine.observe = event => events.push(event)
  const cpu = rootMachine(machine).cpus[0]!
  const boot = longModeBoot(guestImage(body))
  for (const { address, bytes } of boot.pieces) machine.memory.writeBytes(address, bytes)
  const revision = Number(cpu.rdmsr(MSRS.MSR_IA32_VMX_BASIC.index) & 0x7fff_ffffn)
  for (const region of [VMXON_REGION, VMCS]) machine.memory.write32(region, revision)
  cpu.vmxon(VMXON_REGION)
  cpu.vmclear(VMCS)
  cpu.vmptrld(VMCS)
  const rig: Rig = {
    machine,
    cpu,
    events,
    set: (control, value) => setControl(cpu, control, value),
    read: field => cpu.vmread(field),
    write: (field, value) => cpu.vmwrite(field, value),
    launch: () => cpu.vmlaunch(),
    exit: (resume = false) => {
      const outcome = resume ? cpu.vmresume() : cpu.vmlaunch()
      if (outcome.kind !== 'entered') throw new Error(`entry ${outcome.kind} ${'error' in outcome ? outcome.error : ''}`)
      run(machine, 1_000_000)
      return exitReasonOf(Number(cpu.vmread('VM_EXIT_REASON')))!
    },
    run: instructions => run(machine, instructions),
  }
  writeGoodState(cpu, boot.registers)
  for (const control of controls) rig.set(control, true)
  if (controls.includes('TERTIARY_EXEC_GUEST_APIC_TIMER')) cpu.vmwrite('GUEST_APIC_TIMER_VECTOR', TIMER_VECTOR)
  return rig
}

function setControl(cpu: RootCpu, name: ControlName, value: boolean): void {
  const { word, bit } = VMX_CONTROLS[name]
  const mask = 1n << BigInt(bit)
  const before = cpu.vmread(FIELDS[word])
  cpu.vmwrite(FIELDS[word], value ? before | mask : before & ~mask)
}

/** A guest state that passes every check, 64-bit and as the boot protocol has it; a host state likewise. */
function writeGoodState(cpu: RootCpu, registers: ReturnType<typeof longModeBoot>['registers']): void {
  const mustBeOne = (msr: number): number => Number(cpu.rdmsr(msr) & 0xffff_ffffn)
  cpu.vmwrite('PIN_BASED_VM_EXEC_CONTROL', mustBeOne(MSRS.MSR_IA32_VMX_TRUE_PINBASED_CTLS.index))
  cpu.vmwrite('CPU_BASED_VM_EXEC_CONTROL', mustBeOne(MSRS.MSR_IA32_VMX_TRUE_PROCBASED_CTLS.index))
  cpu.vmwrite('VM_EXIT_CONTROLS', mustBeOne(MSRS.MSR_IA32_VMX_TRUE_EXIT_CTLS.index))
  cpu.vmwrite('VM_ENTRY_CONTROLS', mustBeOne(MSRS.MSR_IA32_VMX_TRUE_ENTRY_CTLS.index))
  setControl(cpu, 'VM_EXIT_HOST_ADDR_SPACE_SIZE', true)
  setControl(cpu, 'VM_EXIT_ACK_INTR_ON_EXIT', true)
  setControl(cpu, 'VM_ENTRY_IA32E_MODE', true)
  setControl(cpu, 'VM_ENTRY_LOAD_IA32_EFER', true)
  const fields: Partial<Record<VmcsFieldName, bigint | number>> = {
    MSR_BITMAP,
    VIRTUAL_APIC_PAGE_ADDR: VIRTUAL_APIC,
    TSC_MULTIPLIER: 1n << 48n,
    VMCS_LINK_POINTER: 0xffff_ffff_ffff_ffffn,
    HOST_CR0: 0x8005_0033n,
    HOST_CR4: 0x22a0n,
    HOST_CS_SELECTOR: 0x10,
    HOST_TR_SELECTOR: 0x40,
    GUEST_CR0: registers.cr0,
    GUEST_CR3: registers.cr3,
    GUEST_CR4: registers.cr4 | 0x2000n,
    GUEST_IA32_EFER: registers.efer,
    GUEST_RIP: registers.rip,
    GUEST_RSP: registers.rsp,
    GUEST_RFLAGS: registers.rflags,
    GUEST_DR7: 0x400,
    GUEST_GDTR_BASE: registers.gdtr.base,
    GUEST_GDTR_LIMIT: registers.gdtr.limit,
  }
  for (const [field, value] of Object.entries(fields)) cpu.vmwrite(field as VmcsFieldName, value)
  for (const [index, name] of (['ES', 'CS', 'SS', 'DS', 'FS', 'GS', 'LDTR', 'TR'] as const).entries()) {
    const segment = registers.segments[index]!
    cpu.vmwrite(`GUEST_${name}_SELECTOR`, segment.selector)
    cpu.vmwrite(`GUEST_${name}_BASE`, segment.base)
    cpu.vmwrite(`GUEST_${name}_LIMIT`, segment.limit)
    cpu.vmwrite(`GUEST_${name}_AR_BYTES`, segment.accessRights)
  }
}

/** The rule that a failed entry named, if there was one. */
export const brokenRule = ({ events }: Rig): string | undefined =>
  events.flatMap(event => (event.kind === 'vmx_entry_failed' ? [event.rule] : [])).at(-1)
