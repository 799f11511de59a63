/** A vCPU as user space holds it: the ioctls of its file descriptor (Linux `kvm_vcpu_ioctl`), and how one is made. */

import { assert } from '../base/assert.ts'
import type { RootMachine } from '../hw/root-cpu.ts'
import { type Context, contextOf, kvmStateOf } from './context.ts'
import { type CpuidEntry, supportedCpuid } from './cpuid.ts'
import { completeMmio } from './emulate.ts'
import { KvmError } from './error.ts'
import type { KvmExit } from './exit-reason.ts'
import { completeIo } from './io.ts'
import { resetApic } from './lapic.ts'
import { allocateHostPage } from './mmu.ts'
import { completeMsr } from './msr-exits.ts'
import { getMsrs, type MsrEntry, setMsrs } from './msr-ioctls.ts'
import { followCpuid, withoutGuestTimer } from './nested/capabilities.ts'
import { newNestedState } from './nested/nested-state.ts'
import { getNestedState, type NestedStateImage, setNestedState } from './nested/nested-state-ioctls.ts'
import { offersShadowVmcs } from './nested/shadow-vmcs.ts'
import type { KvmParameters } from './parameters.ts'
import { type Registers, type SpecialRegisters, setRegisters, setSpecialRegisters } from './registers.ts'
import { resetVcpu } from './startup.ts'
import type { LapicTimerState, VcpuState, VmState } from './state.ts'
import { newStatistics, type Statistics } from './statistics.ts'
import { type StepResult, step } from './step.ts'
import { initialAdvance } from './timer-advance.ts'
import { MULTIPLIER_ONE, setGuestTsc } from './tsc.ts'
import {
  changeTscOffset,
  getLapic,
  getMpState,
  getRegisters,
  getSpecialRegisters,
  getVcpuEvents,
  type MpState,
  setGuestDebug,
  setLapic,
  setMpState,
  setTscKhz,
  setVcpuEvents,
  type VcpuEvents,
} from './vcpu-ioctls.ts'
import { markVmcsPage, newVmcsPage } from './vmcs-page.ts'
import { initializeVmcs } from './vmcs01.ts'
import { type DebugRegisters, getDebugRegisters, getXcr0, getXsave, setDebugRegisters, setXcr0, setXsave } from './xstate-ioctls.ts'

const APIC_BASE_AT_RESET = 0xfee0_0800n
const BOOTSTRAP = 0x100n
const PAT_AT_RESET = 0x0007_0406_0007_0406n

export interface Vcpu {
  readonly id: number
  setCpuid2(entries: readonly CpuidEntry[]): void
  getCpuid2(): readonly CpuidEntry[]
  setRegs(registers: Registers): void
  setSregs(registers: SpecialRegisters): void
  /** How many of the MSRs were set: the first that KVM refuses ends it. */
  setMsrs(entries: readonly MsrEntry[]): number
  /** The values up to the first MSR that KVM does not have. */
  getMsrs(indices: readonly number[]): MsrEntry[]
  getRegs(): Registers
  getSregs(): SpecialRegisters
  /** The 1 KByte of registers; EINVAL without an in-kernel local APIC. */
  getLapic(): Uint8Array
  setLapic(bytes: Uint8Array): void
  getXsave(): Uint8Array
  setXsave(bytes: Uint8Array): void
  /** Of KVM_GET_XCRS and KVM_SET_XCRS: XCR0. */
  getXcr0(): bigint
  setXcr0(value: bigint): void
  getDebugRegs(): DebugRegisters
  setDebugRegs(registers: DebugRegisters): void
  getMpState(): MpState
  setMpState(state: MpState): void
  getVcpuEvents(): VcpuEvents
  setVcpuEvents(events: VcpuEvents): void
  getNestedState(): NestedStateImage
  /** EINVAL for a state that no guest can have come to. */
  setNestedState(state: NestedStateImage): void
  /** EINVAL beyond what the CPU can scale to. */
  setTscKhz(khz: number): void
  getTscKhz(): number
  /** The attribute KVM_VCPU_TSC_OFFSET. */
  getTscOffset(): bigint
  setTscOffset(offset: bigint): void
  /** Of KVM_SET_GUEST_DEBUG the flag KVM_GUESTDBG_BLOCKIRQ: no interrupts for the guest, and no APICv, until it is taken back. */
  setGuestDebug(flags: { readonly blockIrq: boolean }): void
  /** KVM_GET_STATS_FD: the counters, as they are now. */
  getStats(): Statistics
  /** One bounded step of KVM_RUN: the caller alternates it with `machine.run`. */
  step(): StepResult
  /** Why KVM_RUN returned last. */
  exit(): KvmExit
  /** `immediate_exit` of `struct kvm_run`, with the signal that belongs to it: KVM_RUN does what is begun, then returns EINTR. */
  setImmediateExit(asked: boolean): void
  /** Enters KVM_RUN again after an exit, with the data that user space supplied for a read; `error` ends an access to an MSR in #GP. */
  resume(data?: number | bigint | 'error'): void
}

const newLapicTimer = ({ lapic_timer_advance }: KvmParameters): LapicTimerState => ({
  mode: 'one-shot',
  tscDeadline: 0n,
  periodNs: 0,
  pending: 0,
  hvTimerInUse: false,
  hvDeadline: 0n,
  apicVirtTimerInUse: false,
  advanceNs: initialAdvance(lapic_timer_advance),
  expiredDeadline: 0n,
})

export function createVcpu(machine: RootMachine, vmIndex: number, vm: VmState, id: number): Vcpu {
  if (vm.vcpus.some(vcpu => vcpu.id === id)) throw new KvmError('EEXIST', `vCPU ${id} exists`)
  const kvm = kvmStateOf(machine)
  const physical = id
  const cpu = machine.cpus[physical]
  if (cpu === undefined) throw new KvmError('EINVAL', `the machine has ${machine.cpus.length} CPU, and a vCPU is pinned to one`)
  const vcpu: VcpuState = {
    id,
    cpu: physical,
    phase: 'enter',
    exit: null,
    vmcs01: newVmcsPage(machine),
    launched: false,
    msrBitmap: allocateHostPage(machine),
    apicPage: allocateHostPage(machine),
    apicBase: id === 0 ? APIC_BASE_AT_RESET | BOOTSTRAP : APIC_BASE_AT_RESET,
    apicvActive: vm.apicvInhibits === 0,
    blockIrq: false,
    timer: newLapicTimer(kvm.parameters),
    tscKhz: machine.tscKhz,
    tscOffset: 0n,
    tscMultiplier: MULTIPLIER_ONE,
    featureControl: 0n,
    cr0: 0n,
    cr4: 0n,
    efer: 0n,
    cpuid: supportedCpuid(cpu, kvm.parameters.nested),
    msrs: {},
    exception: null,
    injected: null,
    nmiPending: false,
    mpState: id === 0 ? 'runnable' : 'wait-for-sipi',
    initPending: false,
    startUpVector: -1,
    scanIoApic: false,
    emulation: null,
    immediateExit: false,
    nested: newNestedState(
      machine,
      vm.irqchip ? { ...kvm.nestedMsrs } : withoutGuestTimer(kvm.nestedMsrs),
      offersShadowVmcs(cpu, kvm.parameters),
    ),
    halt: { pollNs: 0, since: 0n, pollUntil: 0n, sleptAt: 0n },
    stats: newStatistics(),
  }
  vm.vcpus.push(vcpu)
  const c = contextOf(machine, physical)
  assert(c.vm === vm, 'the vCPU belongs to its VM')
  markVmcsPage(machine, vcpu.nested.vmcs02)
  cpu.vmclear(vcpu.nested.vmcs02)
  cpu.vmclear(vcpu.vmcs01)
  cpu.vmptrld(vcpu.vmcs01)
  resetApic(c)
  initializeVmcs(c)
  resetVcpu(c)
  cpu.vmwrite('GUEST_IA32_PAT', PAT_AT_RESET)
  setGuestTsc(c, 0n)
  return vcpuHandle(machine, vmIndex, id)
}

export function vcpuHandle(machine: RootMachine, vmIndex: number, id: number): Vcpu {
  const context = (): Context => {
    const vcpu = kvmStateOf(machine).vms[vmIndex]?.vcpus.find(candidate => candidate.id === id)
    if (vcpu === undefined) throw new KvmError('ENOENT', `there is no vCPU ${id}`)
    return contextOf(machine, vcpu.cpu)
  }
  return {
    id,
    setCpuid2: entries => {
      const { vcpu } = context()
      vcpu.cpuid = entries.map(entry => ({ ...entry }))
      followCpuid(vcpu.nested.msrs, vcpu.cpuid)
    },
    getCpuid2: () => context().vcpu.cpuid.map(entry => ({ ...entry })),
    setRegs: registers => setRegisters(context(), registers),
    setSregs: registers => setSpecialRegisters(context(), registers),
    setMsrs: entries => setMsrs(context(), entries),
    getMsrs: indices => getMsrs(context(), indices),
    getRegs: () => getRegisters(context()),
    getSregs: () => getSpecialRegisters(context()),
    getLapic: () => getLapic(context()),
    setLapic: bytes => setLapic(context(), bytes),
    getXsave: () => getXsave(context()),
    setXsave: bytes => setXsave(context(), bytes),
    getXcr0: () => getXcr0(context()),
    setXcr0: value => setXcr0(context(), value),
    getDebugRegs: () => getDebugRegisters(context()),
    setDebugRegs: registers => setDebugRegisters(context(), registers),
    getMpState: () => getMpState(context()),
    setMpState: state => setMpState(context(), state),
    getVcpuEvents: () => getVcpuEvents(context()),
    setVcpuEvents: events => setVcpuEvents(context(), events),
    getNestedState: () => getNestedState(context()),
    setNestedState: state => setNestedState(context(), state),
    setTscKhz: khz => setTscKhz(context(), khz),
    getTscKhz: () => context().vcpu.tscKhz,
    getTscOffset: () => context().vcpu.tscOffset,
    setTscOffset: offset => changeTscOffset(context(), offset),
    setGuestDebug: ({ blockIrq }) => setGuestDebug(context(), blockIrq),
    getStats: () => ({ ...context().vcpu.stats }),
    step: () => step(machine, context().vcpu.cpu),
    exit: () => {
      const { exit } = context().vcpu
      if (exit === null) throw new KvmError('EINVAL', 'KVM_RUN has not returned')
      return exit
    },
    setImmediateExit: asked => {
      const { vcpu } = context()
      if (asked) vcpu.immediateExitAsked = true
      else delete vcpu.immediateExitAsked
    },
    resume: data => resume(context(), data ?? 0),
  }
}

function resume(c: Context, data: number | bigint | 'error'): void {
  const { vcpu } = c
  if (vcpu.phase !== 'user' || vcpu.exit === null) throw new KvmError('EINVAL', 'KVM_RUN has not returned')
  const { exit } = vcpu
  if (exit.reason === 'KVM_EXIT_X86_RDMSR' || exit.reason === 'KVM_EXIT_X86_WRMSR')
    completeMsr(c, exit.reason === 'KVM_EXIT_X86_RDMSR' ? 'read' : 'write', data === 'error' ? data : BigInt(data))
  else if (data === 'error') throw new KvmError('EINVAL', 'only an access to an MSR can be answered with an error')
  else if (exit.reason === 'KVM_EXIT_IO') completeIo(c, Number(data))
  else if (exit.reason === 'KVM_EXIT_MMIO' && !exit.write) completeMmio(c, BigInt(data))
  vcpu.exit = null
  vcpu.phase = 'enter'
}
