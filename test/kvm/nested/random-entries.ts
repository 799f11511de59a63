/**
 * Random states of a VMCS, judged twice: by the processor's own VM entry, and by KVM for a guest hypervisor, whose VMCS is vmcs12.
 * Both have the same physical memory below the VMCS: MSR areas, the virtual-APIC page, PDPTEs and what the link pointer names.
 */

import { VmExit } from '../../../src/hw/cpu/faults.ts'
import { createMachine } from '../../../src/hw/machine.ts'
import { rootMachine } from '../../../src/hw/root-cpu.ts'
import { vmExit } from '../../../src/hw/vmx/exit.ts'
import { contextOf } from '../../../src/kvm/context.ts'
import { writePhysical32, writePhysical64 } from '../../../src/kvm/guest-memory.ts'
import { handleVmlaunch } from '../../../src/kvm/nested/entry.ts'
import { setCurrentVmcs } from '../../../src/kvm/nested/instructions.ts'
import { readVmcs12Number, setVmcs12Launched, VMCS12_OFFSETS, VMCS12_REVISION, writeVmcs12 } from '../../../src/kvm/nested/vmcs12.ts'
import { nestedVmexit } from '../../../src/kvm/nested/vmexit.ts'
import { resolveRunConfig } from '../../../src/session/config.ts'
import type { TraceEvent } from '../../../src/spec/trace-events.ts'
import type { VmcsFieldName } from '../../../src/spec/vmcs-fields.ts'
import type { ControlName } from '../../../src/spec/vmx-controls.ts'
import { rigOf, TIMER_CONTROLS, VMCS } from '../../hw/vmx/rig.ts'
import { started } from '../rig.ts'

/** ok; `error n`; or `exit reason, qualification`; with the rule that was named. */
export interface Verdict {
  readonly end: string
  readonly rule: string
  /** Of KVM, when the entry is good: what the processor said to the merged VMCS. */
  readonly merged?: string
}

export interface EntryCase {
  /** The number of the good VMCS that it begins with, and the fields that it changes. */
  readonly base: number
  readonly fields: ReadonlyMap<VmcsFieldName, bigint>
  readonly memory: readonly (readonly [address: number, value: bigint])[]
}

/** mulberry32: small, and the same everywhere. */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b_79f5) >>> 0
    let value = Math.imul(state ^ (state >>> 15), 1 | state)
    value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value
    return (value ^ (value >>> 14)) >>> 0
  }
}

const AREA = 0x20_8000
const LINKED = 0x21_4000
const CR3 = 0x21_6000
const FIELDS = [...VMCS12_OFFSETS.keys()].filter(name => !['VM_EXIT_REASON', 'VM_INSTRUCTION_ERROR', 'EXIT_QUALIFICATION'].includes(name))

/** Values at which rules turn. */
const EDGES = [
  0n,
  1n,
  2n,
  3n,
  4n,
  5n,
  7n,
  8n,
  0xfn,
  0x10n,
  0x20n,
  0x21n,
  0x93n,
  0x9bn,
  0xc093n,
  0xa09bn,
  0x8bn,
  0x1_0000n,
  0x202n,
  0x2_0002n,
  0x100n,
  0x400n,
  0x500n,
  0xd01n,
  0xfffn,
  0x1000n,
  0x20_8000n,
  0x21_4000n,
  0x21_6000n,
  0x7fff_ffffn,
  0x8000_0000n,
  0x8000_0202n,
  0x8000_0306n,
  0x8000_0b0dn,
  0x8000_0403n,
  0xffff_ffffn,
  1n << 45n,
  1n << 46n,
  0x7fff_ffff_ffffn,
  0xffff_8000_0000_0000n,
  1n << 63n,
  0xffff_ffff_ffff_ffffn,
  0x8005_0033n,
  0x8000_0031n,
  0x2020n,
  0x22a0n,
  0x21_001en,
  0x0606_0606_0606_0606n,
]
const MSR_CHOICES = [
  0xc000_0082, 0xc000_0080, 0x174, 0x277, 0x10, 0x1b, 0x8b, 0x12345, 0xc000_0100, 0xc000_0101, 0x808, 0x6e0, 0x3a, 0x480, 0xc000_0102,
  0xc000_0103,
]
const SETS: readonly (readonly ControlName[])[] = [
  [],
  TIMER_CONTROLS,
  [...TIMER_CONTROLS, 'PIN_BASED_POSTED_INTR'],
  ['PIN_BASED_NMI_EXITING', 'PIN_BASED_VIRTUAL_NMIS'],
  ['CPU_BASED_ACTIVATE_SECONDARY_CONTROLS', 'SECONDARY_EXEC_ENABLE_EPT', 'SECONDARY_EXEC_UNRESTRICTED_GUEST'],
  ['CPU_BASED_ACTIVATE_SECONDARY_CONTROLS', 'SECONDARY_EXEC_ENABLE_VPID', 'SECONDARY_EXEC_TSC_SCALING', 'CPU_BASED_USE_TSC_OFFSETTING'],
  ['CPU_BASED_TPR_SHADOW', 'CPU_BASED_USE_IO_BITMAPS', 'PIN_BASED_VMX_PREEMPTION_TIMER'],
]
const LIKELY = [
  'VM_ENTRY_INTR_INFO_FIELD',
  'GUEST_RFLAGS',
  'GUEST_CR0',
  'GUEST_CR4',
  'GUEST_IA32_EFER',
  'GUEST_ACTIVITY_STATE',
  'GUEST_INTERRUPTIBILITY_INFO',
  'VM_ENTRY_CONTROLS',
  'VM_EXIT_CONTROLS',
  'CPU_BASED_VM_EXEC_CONTROL',
  'SECONDARY_VM_EXEC_CONTROL',
  'PIN_BASED_VM_EXEC_CONTROL',
  'VMCS_LINK_POINTER',
  'VM_ENTRY_MSR_LOAD_COUNT',
  'HOST_CR4',
  'GUEST_PENDING_DBG_EXCEPTIONS',
] as const

/** The machine with KVM's model and, beside it, KVM with a vCPU that is in VMX operation. */
export function createJudges(): {
  bare: (entry: EntryCase) => Verdict
  nested: (entry: EntryCase) => Verdict
  good: (random: () => number) => EntryCase
} {
  const config = resolveRunConfig({ bare: true, model: 'kvm-guest', guestMemoryMiB: 8 }).machine
  const rigs = SETS.map(controls => rigOf(createMachine(config, false), 'nop', controls))
  const rig = rigs[0]!
  const bases = rigs.map((each, index) => {
    if (SETS[index]!.includes('SECONDARY_EXEC_ENABLE_EPT')) each.write('EPT_POINTER', 0x21_001e)
    if (SETS[index]!.includes('SECONDARY_EXEC_ENABLE_VPID')) each.write('VIRTUAL_PROCESSOR_ID', 1)
    if (SETS[index]!.includes('PIN_BASED_POSTED_INTR')) each.write('POSTED_INTR_DESC_ADDR', 0x20_9000)
    return new Map(FIELDS.map(name => [name, each.read(name)] as const))
  })

  const good = (random: () => number): EntryCase => {
    const base = random() % bases.length
    const fields = new Map<VmcsFieldName, bigint>()
    const memory: (readonly [number, bigint])[] = []
    const changes = random() % 4
    for (let change = 0; change < changes; change++) {
      const name = random() % 2 === 0 ? LIKELY[random() % LIKELY.length]! : FIELDS[random() % FIELDS.length]!
      const before = fields.get(name) ?? bases[base]!.get(name)!
      const value = random() % 3 === 0 ? before ^ (1n << BigInt(random() % 64)) : EDGES[random() % EDGES.length]!
      fields.set(name, value)
    }
    if (random() % 3 === 0) {
      const count = random() % 4
      fields.set('VM_ENTRY_MSR_LOAD_ADDR', BigInt(AREA))
      fields.set('VM_ENTRY_MSR_LOAD_COUNT', BigInt(count))
      for (let entry = 0; entry < count; entry++) {
        memory.push([AREA + entry * 16, BigInt(MSR_CHOICES[random() % MSR_CHOICES.length]!) | (random() % 8 === 0 ? 1n << 32n : 0n)])
        memory.push([AREA + entry * 16 + 8, EDGES[random() % EDGES.length]!])
      }
    }
    if (random() % 8 === 0) {
      fields.set('VMCS_LINK_POINTER', BigInt(LINKED))
      memory.push([LINKED, [BigInt(VMCS12_REVISION), BigInt(VMCS12_REVISION) | (1n << 31n), 1n, 0n][random() % 4]!])
    }
    if (random() % 8 === 0) for (let entry = 0; entry < 4; entry++) memory.push([CR3 + entry * 8, EDGES[random() % EDGES.length]!])
    memory.push([0x20_3080, BigInt((random() % 16) << 4)])
    return { base, fields, memory }
  }

  const pages = rigs.map(({ machine }) => machine.memory.ram.slice(VMCS, VMCS + 4096))
  const bare = ({ base, fields, memory }: EntryCase): Verdict => {
    const { machine, events } = rig
    machine.memory.writeBytes(VMCS, pages[base]!)
    for (const [name, value] of fields) rig.write(name, BigInt.asUintN(64, value))
    for (const [address, value] of memory) machine.memory.write64(address, value)
    const cpu = machine.cpus[0]!
    const msrs = { ...cpu.msrs }
    const before = { ...cpu.apic }
    machine.memory.write32(VMCS + 8, 0)
    rig.write('VM_EXIT_REASON', 0)
    events.length = 0
    const outcome = rig.launch()
    const rule = events.flatMap(event => (event.kind === 'vmx_entry_failed' ? [event.rule] : [])).join()
    const restore = (): void => {
      cpu.msrs = msrs
      Object.assign(cpu.apic, before)
    }
    if (outcome.kind === 'failed') return { end: `error ${outcome.error}`, rule }
    const reason = Number(rig.read('VM_EXIT_REASON'))
    if (cpu.vmx.mode === 'non-root') vmExit(machine.engines[0]!, new VmExit('EXIT_REASON_PREEMPTION_TIMER'))
    cpu.activity = 'active'
    machine.ended = null
    restore()
    if (reason >>> 31 === 0) return { end: 'ok', rule }
    return { end: `exit ${reason & 0xffff}, ${rig.read('EXIT_QUALIFICATION')}`, rule }
  }

  const guest = started('examples/masked.asm', { guestMemoryMiB: 8 })
  const { machine } = guest
  const events: TraceEvent[] = []
  machine.observe = event => events.push(event)
  const c = contextOf(rootMachine(machine), 0)
  c.vcpu.nested.vmxon = true
  c.vcpu.nested.vmxonPtr = 0x20_0000
  writePhysical32(c, VMCS, VMCS12_REVISION)
  setCurrentVmcs(c, VMCS)
  c.vcpu.efer = 0x500n

  const pages12 = bases.map(fields => {
    for (const [name, value] of fields) writeVmcs12(c, name, value)
    return machine.memory.ram.slice(c.vcpu.nested.vmcs12, c.vcpu.nested.vmcs12 + 4096)
  })
  const nested = ({ base, fields, memory }: EntryCase): Verdict => {
    const { cpu, vcpu } = c
    machine.memory.writeBytes(vcpu.nested.vmcs12, pages12[base]!)
    for (const [name, value] of fields) writeVmcs12(c, name, BigInt.asUintN(64, value))
    for (const [address, value] of memory) writePhysical64(c, address, value)
    setVmcs12Launched(c, false)
    for (const name of ['VM_EXIT_REASON', 'VM_INSTRUCTION_ERROR', 'EXIT_QUALIFICATION'] as const) writeVmcs12(c, name, 0)
    vcpu.nested.needSyncRare = false
    cpu.vmwrite('VM_EXIT_INSTRUCTION_LEN', 3)
    cpu.vmwrite('GUEST_RIP', 0x10_0000)
    const kept = {
      msrs: { ...vcpu.msrs },
      apicBase: vcpu.apicBase,
      efer: vcpu.efer,
      cr0: vcpu.cr0,
      cr4: vcpu.cr4,
      timer: { ...vcpu.timer },
    }
    events.length = 0
    handleVmlaunch(c)
    const rule = events.flatMap(event => (event.kind === 'kvm_nested_vmenter_failed' ? [event.msg] : [])).join()
    const error = readVmcs12Number(c, 'VM_INSTRUCTION_ERROR')
    if (error !== 0) return { end: `error ${error}`, rule }
    const reason = readVmcs12Number(c, 'VM_EXIT_REASON')
    let merged = ''
    if (vcpu.nested.guestMode) {
      merged = enterMerged()
      nestedVmexit(c, { reason: 'EXIT_REASON_PREEMPTION_TIMER' })
    }
    restoreL1(kept)
    if (reason >>> 31 === 0) return { end: 'ok', rule, merged }
    return { end: `exit ${reason & 0xffff}, ${readVmcs12Number(c, 'EXIT_QUALIFICATION')}`, rule }
  }

  /** The processor's own word on vmcs02. */
  function enterMerged(): string {
    const { cpu } = c
    machine.memory.write32(c.vcpu.nested.vmcs02 + 8, 0)
    const outcome = cpu.vmlaunch()
    const hardware = machine.cpus[0]!
    if (outcome.kind !== 'entered') return `error ${cpu.vmread('VM_INSTRUCTION_ERROR')}`
    const failed = hardware.vmx.mode !== 'non-root' && Number(cpu.vmread('VM_EXIT_REASON')) >>> 31 === 1
    if (hardware.vmx.mode === 'non-root') vmExit(machine.engines[0]!, new VmExit('EXIT_REASON_PREEMPTION_TIMER'))
    hardware.activity = 'active'
    machine.ended = null
    return failed ? `exit ${Number(cpu.vmread('VM_EXIT_REASON')) & 0xffff}` : 'ok'
  }

  function restoreL1(kept: Pick<typeof c.vcpu, 'msrs' | 'apicBase' | 'efer' | 'cr0' | 'cr4' | 'timer'>): void {
    Object.assign(c.vcpu, kept)
    c.vcpu.exit = null
    c.vcpu.phase = 'enter'
    c.vcpu.exception = null
    c.vcpu.injected = null
    c.cpu.vmwrite('GUEST_INTERRUPTIBILITY_INFO', 0)
    c.cpu.vmwrite('GUEST_SS_AR_BYTES', 0xc093)
    c.cpu.vmwrite('GUEST_CR0', 0x8000_0031n)
    c.cpu.vmwrite('GUEST_CR4', 0x2020n)
  }
  return { bare, nested, good }
}
