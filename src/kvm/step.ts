/**
 * One bounded piece of host work for one CPU: deal with the VM exit or the host interrupt that ended the last run, then enter the
 * guest, let the CPU idle, or hand over to user space. Where the vCPU's thread stands is `vcpu.phase`, plain data.
 */

import type { RootMachine } from '../hw/root-cpu.ts'
import { exitReasonOf } from '../spec/exit-reasons.ts'
import { updateApicv } from './apicv.ts'
import { type Context, contextOf, trace } from './context.ts'
import { continueEmulation } from './emulate.ts'
import { loadEoiExitBitmap } from './eoi.ts'
import type { ExitOutcome } from './exit-reason.ts'
import { handleExit, isFastpath } from './exits.ts'
import { attendHalted, halt } from './halt.ts'
import { injectEvents, recoverInterruptedDelivery } from './interrupts.ts'
import { injectTimerInterrupts, preemptionTimerValue } from './lapic-timer.ts'
import { checkNestedEvents } from './nested/events.ts'
import { refreshShadowVmcs } from './nested/shadow-vmcs.ts'
import { acceptApicEvents } from './startup.ts'
import { waitForDeadline } from './timer-advance.ts'
import { setControl } from './vmcs01.ts'

/**
 * run: call `machine.run`, the guest is in or the CPU idles. user: KVM_RUN returned, `vcpu.exit` says why. interrupted: it returned with
 * EINTR, since user space asked for that (`immediate_exit` of `struct kvm_run`); nothing is left half done, and the next step is KVM_RUN again.
 */
export type StepResult = 'run' | 'user' | 'interrupted'

export function step(machine: RootMachine, cpu: number): StepResult {
  const c = contextOf(machine, cpu)
  const { vcpu } = c
  if (vcpu.phase === 'guest') afterExit(c)
  else if (vcpu.phase === 'halting') halt(c)
  else if (vcpu.phase === 'polling' || vcpu.phase === 'blocked') attendHalted(c)
  if (vcpu.phase === 'enter') completeEmulation(c)
  if (vcpu.phase !== 'user' && vcpu.immediateExitAsked === true) return 'interrupted'
  if (vcpu.phase === 'enter') enterGuest(c)
  return vcpu.phase === 'user' ? 'user' : 'run'
}

/** What an instruction that KVM emulates still has to do, with what user space answered. */
function completeEmulation(c: Context): void {
  if (c.vcpu.mpState === 'runnable' && continueEmulation(c) === 'user') leave(c, c.vcpu.exit!)
}

function afterExit(c: Context): void {
  const { cpu, vcpu } = c
  const hardwareReason = Number(cpu.vmread('VM_EXIT_REASON'))
  const reason = exitReasonOf(hardwareReason)
  vcpu.stats.exits++
  vcpu.nested.runPending = false
  trace(
    c,
    'kvm_exit',
    {
      reason: hardwareReason,
      rip: cpu.vmread('GUEST_RIP'),
      info1: cpu.vmread('EXIT_QUALIFICATION'),
      info2: cpu.vmread('IDT_VECTORING_INFO_FIELD'),
      intr_info: Number(cpu.vmread('VM_EXIT_INTR_INFO')),
      error_code: Number(cpu.vmread('VM_EXIT_INTR_ERROR_CODE')),
    },
    'guest',
  )
  if (reason === undefined || hardwareReason >>> 31 === 1) return leave(c, { reason: 'KVM_EXIT_FAIL_ENTRY', hardwareReason })
  cpu.spend(isFastpath(c, reason) ? 'kvmFastpath' : 'kvmExit')
  recoverInterruptedDelivery(c)
  conclude(c, handleExit(c, reason))
}

function conclude(c: Context, outcome: ExitOutcome): void {
  if (outcome === 'resume') c.vcpu.phase = 'enter'
  else if (outcome === 'block') halt(c)
  else leave(c, c.vcpu.exit!)
}

function leave(c: Context, exit: NonNullable<Context['vcpu']['exit']>): void {
  c.vcpu.exit = exit
  c.vcpu.phase = 'user'
  c.cpu.spend('kvmUserExit')
  trace(c, 'kvm_userspace_exit', { reason: exit.reason })
}

function enterGuest(c: Context): void {
  const { cpu, vcpu } = c
  acceptApicEvents(c)
  if (vcpu.mpState !== 'runnable') {
    vcpu.phase = 'blocked'
    return cpu.idle()
  }
  updateApicv(c)
  loadEoiExitBitmap(c)
  injectTimerInterrupts(c)
  const events = checkNestedEvents(c)
  if (typeof events === 'object' && events.outcome !== 'resume') return conclude(c, events.outcome)
  vcpu.nested.halted = false
  injectEvents(c)
  if (!vcpu.nested.guestMode) refreshShadowVmcs(c)
  cpu.spend('kvmEntry')
  trace(c, 'kvm_entry', { rip: cpu.vmread('GUEST_RIP') }, 'guest')
  setPreemptionTimer(c, events === 'busy')
  waitForDeadline(c)
  cpu.nameLevel(vcpu.nested.guestMode ? 2 : 1)
  const launched = vcpu.nested.guestMode ? vcpu.nested.vmcs02Launched : vcpu.launched
  const outcome = launched ? cpu.vmresume() : cpu.vmlaunch()
  if (outcome.kind !== 'entered') {
    const hardwareReason = Number(cpu.vmread('VM_INSTRUCTION_ERROR'))
    return leave(c, { reason: 'KVM_EXIT_FAIL_ENTRY', hardwareReason })
  }
  if (vcpu.nested.guestMode) vcpu.nested.vmcs02Launched = true
  else vcpu.launched = true
  vcpu.phase = 'guest'
}

/** `immediate`: the guest is to exit before its first instruction. */
function setPreemptionTimer(c: Context, immediate: boolean): void {
  c.vcpu.immediateExit = immediate
  const value = immediate ? 0 : preemptionTimerValue(c)
  setControl(c, 'PIN_BASED_VMX_PREEMPTION_TIMER', value !== null)
  if (value !== null) c.cpu.vmwrite('VMX_PREEMPTION_TIMER_VALUE', value)
}
