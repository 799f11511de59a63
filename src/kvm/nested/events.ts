/**
 * Events of L1's that end L2's turn (Linux `vmx_check_nested_events`), looked at before every entry, in their order of priority; and
 * whether a halted L2 has anything to run for.
 */

import { clearVector, setVector, VECTOR_IRR } from '../../devices/apic-vectors.ts'
import { APIC_REGISTERS } from '../../spec/apic-registers.ts'
import type { Context } from '../context.ts'
import type { ExitOutcome } from '../exit-reason.ts'
import { exitsOnInterrupt, HAS_ERROR_CODE, INTR_INFO_VALID, INTR_TYPE, isInterruptible } from '../interrupts.ts'
import { apicPage, deliverableVector } from '../lapic.ts'
import { hostAddress } from '../mmu.ts'
import { acknowledgeInterrupt, hasInterrupt } from '../pending-interrupt.ts'
import { hasGuestTimer } from './apic-timer.ts'
import { isPostedNotification } from './posted.ts'
import { interceptsException } from './routing.ts'
import { readVmcs12Number, vmcs12Has } from './vmcs12.ts'
import { acknowledgesOnExit, type NestedExit, nestedVmexit } from './vmexit.ts'

const NMI_VECTOR = 2

/** none: L2 or L1 runs on. busy: an exit is due as soon as L2 has been entered. Else the exit has happened. */
export type NestedEvents = 'none' | 'busy' | { readonly outcome: ExitOutcome }

/** The exit that is due, if any, without its side effects on the local APIC. */
function dueExit(c: Context): NestedExit | 'interrupt' | 'nmi' | null {
  const { exception, initPending, nested } = c.vcpu
  if (initPending) return { reason: 'EXIT_REASON_INIT_SIGNAL' }
  if (exception !== null && interceptsException(c, exception.vector, exception.errorCode ?? 0)) {
    const hasCode = exception.errorCode !== null ? HAS_ERROR_CODE : 0
    return {
      reason: 'EXIT_REASON_EXCEPTION_NMI',
      interruption: (exception.vector | (INTR_TYPE.exception << 8) | hasCode | INTR_INFO_VALID) >>> 0,
      interruptionError: exception.errorCode ?? 0,
      qualification: exception.cr2,
    }
  }
  if (nested.preemptionTimerExpired) return { reason: 'EXIT_REASON_PREEMPTION_TIMER' }
  if (c.vcpu.nmiPending && vmcs12Has(c, 'PIN_BASED_NMI_EXITING')) return 'nmi'
  return exitsOnInterrupt(c) && hasInterrupt(c) ? 'interrupt' : null
}

export function checkNestedEvents(c: Context): NestedEvents {
  const { vcpu } = c
  if (!vcpu.nested.guestMode) return 'none'
  takeNotification(c)
  completePostedInterrupt(c)
  const due = dueExit(c)
  if (due === null) return 'none'
  // Nothing may come between an emulated VM entry, or a delivery that was interrupted, and L2.
  if (vcpu.nested.runPending || vcpu.injected !== null) return 'busy'
  if (due === 'nmi') {
    vcpu.nmiPending = false
    const interruption = (NMI_VECTOR | (INTR_TYPE.nmi << 8) | INTR_INFO_VALID) >>> 0
    return { outcome: nestedVmexit(c, { reason: 'EXIT_REASON_EXCEPTION_NMI', interruption }) }
  }
  if (due !== 'interrupt') {
    if (due.reason === 'EXIT_REASON_INIT_SIGNAL') vcpu.initPending = false
    return { outcome: nestedVmexit(c, due) }
  }
  const interruption = acknowledgesOnExit(c) ? (acknowledgeInterrupt(c) | (INTR_TYPE.external << 8) | INTR_INFO_VALID) >>> 0 : 0
  return { outcome: nestedVmexit(c, { reason: 'EXIT_REASON_EXTERNAL_INTERRUPT', interruption }) }
}

/** A notification that waits in L1's local APIC is no interrupt for L1: the CPU takes it in L2 and posts what the descriptor holds. */
function takeNotification(c: Context): void {
  const vector = deliverableVector(c)
  if (vector < 0 || !exitsOnInterrupt(c) || !isPostedNotification(c, vector)) return
  clearVector(apicPage(c), VECTOR_IRR, vector)
  c.vcpu.nested.postedPending = true
}

const OUTSTANDING = 1
const CONTROL_AT = 32

/** L1's virtual-APIC page of L2, as 32-bit registers; -1 where it has none. */
const virtualApicHost = (c: Context): number => hostAddress(c.vm, readVmcs12Number(c, 'VIRTUAL_APIC_PAGE_ADDR'))

const pageAt = ({ cpu }: Context, host: number) => ({
  read: (offset: number): number => cpu.memory.read32(host + offset),
  write: (offset: number, value: number): void => cpu.memory.write32(host + offset, value),
})

/** The CPU was not in L2 to see the notification (Linux `vmx_complete_nested_posted_interrupt`). */
function completePostedInterrupt(c: Context): void {
  const { cpu, vcpu } = c
  if (!vcpu.nested.postedPending) return
  vcpu.nested.postedPending = false
  const descriptor = hostAddress(c.vm, readVmcs12Number(c, 'POSTED_INTR_DESC_ADDR'))
  const apic = virtualApicHost(c)
  if (descriptor < 0 || apic < 0) return
  cpu.memory.write32(descriptor + CONTROL_AT, cpu.memory.read32(descriptor + CONTROL_AT) & ~OUTSTANDING)
  for (let vector = 0; vector < 256; vector++) {
    const at = descriptor + (vector >> 5) * 4
    if (((cpu.memory.read32(at) >>> (vector & 31)) & 1) === 1) requestVirtual(c, apic, vector)
  }
  for (let word = 0; word < 8; word++) cpu.memory.write32(descriptor + word * 4, 0)
}

function requestVirtual(c: Context, apic: number, vector: number): void {
  setVector(pageAt(c, apic), VECTOR_IRR, vector)
  const status = Number(c.cpu.vmread('GUEST_INTR_STATUS'))
  c.cpu.vmwrite('GUEST_INTR_STATUS', (status & 0xff00) | Math.max(status & 0xff, vector))
}

/** A halted L2 whose deadline has passed: what the CPU would have done in HLT, which it is not in (the series leaves this out). */
export function processNestedDeadline(c: Context): void {
  const { cpu } = c
  if (!c.vcpu.nested.guestMode || !hasGuestTimer(c)) return
  const deadline = cpu.vmread('GUEST_DEADLINE_PHY')
  if (deadline === 0n || deadline > cpu.rdtsc()) return
  const apic = virtualApicHost(c)
  if (apic >= 0) requestVirtual(c, apic, Number(cpu.vmread('GUEST_APIC_TIMER_VECTOR')) & 0xff)
  cpu.vmwrite('GUEST_DEADLINE_PHY', 0)
  cpu.vmwrite('GUEST_DEADLINE_VIR', 0)
}

/** Whether the CPU would deliver a virtual interrupt to L2 (Linux `vmx_has_nested_events`). */
function hasVirtualInterrupt(c: Context): boolean {
  if (!vmcs12Has(c, 'SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY') || !isInterruptible(c)) return false
  const apic = virtualApicHost(c)
  if (apic < 0) return false
  const requested = Number(c.cpu.vmread('GUEST_INTR_STATUS')) & 0xff
  return requested >> 4 > pageAt(c, apic).read(APIC_REGISTERS.APIC_PROCPRI.offset) >> 4
}

/** Whether a halted L2 has something to run for, or L1 an exit to get. */
export function isNestedRunnable(c: Context): boolean {
  if (dueExit(c) !== null || c.vcpu.exception !== null || c.vcpu.nmiPending) return true
  if (!exitsOnInterrupt(c) && hasInterrupt(c) && isInterruptible(c)) return true
  return hasVirtualInterrupt(c)
}
