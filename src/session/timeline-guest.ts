/**
 * The guest's registers and timer at a moment, wherever they stand then: in the CPU while the guest runs, in the VMCS (RIP, RSP,
 * RFLAGS, control registers) while KVM is at work.
 */

import { assert } from '../base/assert.ts'
import { type Cpu, LONG_MODE_CODE } from '../hw/cpu/registers.ts'
import { retired } from '../hw/run.ts'
import { convertDeadline, MULTIPLIER_ONE, physicalTsc, type TscView, tickOf, virtualTsc } from '../hw/time/clock.ts'
import { isControlSet } from '../hw/vmx/state.ts'
import { readField, readNumber } from '../hw/vmx/vmcs.ts'
import type { KvmState, VcpuState } from '../kvm/state.ts'
import { MSRS } from '../spec/msrs.ts'
import type { VmcsFieldName } from '../spec/vmcs-fields.ts'
import type { TimelineView } from './timeline.ts'
import { vcpuOf } from './timeline-memory.ts'
import { savedIn } from './timeline-segments.ts'

export interface GuestRegisters {
  /** 0: VMX root operation or none; 1: a guest's code is what runs. */
  readonly level: 0 | 1
  /** RAX..R15 in the order of their encodings. */
  readonly gpr: readonly bigint[]
  readonly rip: bigint
  readonly rflags: bigint
  readonly cr0: bigint
  readonly cr2: bigint
  readonly cr3: bigint
  readonly cr4: bigint
  readonly efer: bigint
  readonly pdptes: readonly bigint[]
  readonly cs: number
  readonly ss: number
  /** Current privilege level. */
  readonly cpl: number
  /** Code size. */
  readonly bits: 16 | 32 | 64
}

const RSP = 4
const DEFAULT_BIG = 14

const codeBits = (accessRights: number): 16 | 32 | 64 =>
  (accessRights >>> LONG_MODE_CODE) & 1 ? 64 : (accessRights >>> DEFAULT_BIG) & 1 ? 32 : 16

/** Of the CPU whose turn it is, or of another. */
export function guestRegisters(view: TimelineView, index = view.cpu): GuestRegisters {
  const { machine, instructions, tick } = view
  assert(retired(machine) === instructions && machine.tick === tick, 'a view is read before the timeline moves on')
  const cpu = machine.cpus[index]!
  const { gpr, rip, rflags, cr, pdpte } = machine.registers[index]!
  const level = cpu.vmx.mode === 'non-root' ? 1 : 0
  const saved = savedIn({ ...view, cpu: index })
  if (saved !== undefined) return savedRegisters(machine, index, saved)
  const [cs, ss] = [cpu.segments[1]!, cpu.segments[2]!]
  return {
    level,
    gpr: [...gpr],
    rip: rip[0]!,
    rflags: rflags[0]!,
    cr0: cr[0]!,
    cr2: cr[2]!,
    cr3: cr[3]!,
    cr4: cr[4]!,
    efer: cpu.msrs[MSRS.MSR_EFER.index] ?? 0n,
    pdptes: [...pdpte],
    cs: cs.selector,
    ss: ss.selector,
    cpl: (ss.accessRights >>> 5) & 3,
    bits: codeBits(cs.accessRights),
  }
}

/** The guest while KVM has the CPU: KVM leaves the other registers in place. */
function savedRegisters(machine: TimelineView['machine'], cpu: number, vmcs: number): GuestRegisters {
  const { registers, memory } = machine
  const { gpr, cr } = registers[cpu]!
  const field = (name: VmcsFieldName): bigint => readField(memory, vmcs, name)
  return {
    level: 0,
    gpr: Array.from(gpr, (value, index) => (index === RSP ? field('GUEST_RSP') : value)),
    rip: field('GUEST_RIP'),
    rflags: field('GUEST_RFLAGS'),
    cr0: field('GUEST_CR0'),
    cr2: cr[2]!,
    cr3: field('GUEST_CR3'),
    cr4: field('GUEST_CR4'),
    efer: vcpuOf(machine, cpu)?.vcpu.efer ?? field('GUEST_IA32_EFER'),
    pdptes: [field('GUEST_PDPTR0'), field('GUEST_PDPTR1'), field('GUEST_PDPTR2'), field('GUEST_PDPTR3')],
    cs: Number(field('GUEST_CS_SELECTOR')),
    ss: Number(field('GUEST_SS_SELECTOR')),
    cpl: (readNumber(memory, vmcs, 'GUEST_SS_AR_BYTES') >>> 5) & 3,
    bits: codeBits(readNumber(memory, vmcs, 'GUEST_CS_AR_BYTES')),
  }
}

/** Whose code a CPU runs: under KVM 1, or 2 for L2; on the bare CPU 1 for a guest of the program's and 0 for the program. */
export function levelOf(machine: TimelineView['machine'], cpu: number): 0 | 1 | 2 {
  const kvm = vcpuOf(machine, cpu)
  if (kvm !== undefined) return kvm.vcpu.nested.guestMode ? 2 : 1
  return machine.cpus[cpu]!.vmx.mode === 'non-root' ? 1 : 0
}

/** The TSC-deadline timer as the guest sees it, and what carries it. */
export interface GuestTimer {
  /** The guest's TSC. */
  readonly tsc: bigint
  /** IA32_TSC_DEADLINE in the guest's TSC; 0 when disarmed. */
  readonly deadline: bigint
  readonly carrier: 'guest timer' | 'preemption timer' | 'host timer' | 'APIC timer' | 'none'
}

export function guestTimer({ machine, tick, cpu: index }: TimelineView): GuestTimer {
  const cpu = machine.cpus[index]!
  const tsc = physicalTsc(tick, cpu.msrs[MSRS.MSR_IA32_TSC_ADJUST.index] ?? 0n)
  const kvm = vcpuOf(machine, index)
  if (kvm !== undefined) return kvmTimer(machine, tsc, kvm.vcpu)
  return { tsc, deadline: cpu.apic.deadline, carrier: cpu.apic.deadline === 0n ? 'none' : 'APIC timer' }
}

function kvmTimer({ cpus, memory, host }: TimelineView['machine'], physical: bigint, vcpu: VcpuState): GuestTimer {
  const { cpu, timer, tscOffset: offset, tscMultiplier: multiplier } = vcpu
  const isHostTimerActive = ((host as KvmState).hostTimers[cpu]?.lapic ?? 0n) !== 0n
  const tsc = virtualTsc(physical, { offset, multiplier })
  if (vcpu.nested.guestMode && isControlSet(cpus[cpu]!.vmx.controls, 'TERTIARY_EXEC_GUEST_APIC_TIMER'))
    return nestedTimer(memory, physical, cpus[cpu]!.vmx)
  if (timer.apicVirtTimerInUse) {
    const { mode, currentVmcs, guestDeadline } = cpus[cpu]!.vmx
    const armed = mode === 'non-root' ? guestDeadline : readField(memory, currentVmcs, 'GUEST_DEADLINE_PHY')
    const deadline = armed === 0n ? 0n : readField(memory, currentVmcs, 'GUEST_DEADLINE_VIR')
    return { tsc, deadline, carrier: isHostTimerActive ? 'host timer' : 'guest timer' }
  }
  const carrier = timer.hvTimerInUse ? 'preemption timer' : isHostTimerActive ? 'host timer' : 'none'
  return { tsc, deadline: timer.tscDeadline, carrier }
}

/** L2's own, which the processor carries by vmcs02. */
function nestedTimer(memory: TimelineView['machine']['memory'], physical: bigint, vmx: Cpu['vmx']): GuestTimer {
  const { mode, currentVmcs, guestDeadline, controls } = vmx
  const armed = mode === 'non-root' ? guestDeadline : readField(memory, currentVmcs, 'GUEST_DEADLINE_PHY')
  const deadline = armed === 0n ? 0n : readField(memory, currentVmcs, 'GUEST_DEADLINE_VIR')
  return { tsc: virtualTsc(physical, controls.tsc), deadline, carrier: armed === 0n ? 'none' : 'guest timer' }
}

/** The tick at which the guest's TSC reaches a value; now if it did. */
export function tickOfGuestTsc({ machine, tick, cpu }: TimelineView, value: bigint): number {
  const adjust = machine.cpus[cpu]!.msrs[MSRS.MSR_IA32_TSC_ADJUST.index] ?? 0n
  const write = convertDeadline(value, physicalTsc(tick, adjust), tscViewOf(machine, cpu))
  return write.kind === 'armed' ? tickOf(write.deadline, adjust) : tick
}

function tscViewOf(machine: TimelineView['machine'], cpu: number): TscView {
  const kvm = vcpuOf(machine, cpu)
  if (kvm === undefined) return { offset: 0n, multiplier: MULTIPLIER_ONE }
  const { tscOffset: offset, tscMultiplier: multiplier } = kvm.vcpu
  return { offset, multiplier }
}
