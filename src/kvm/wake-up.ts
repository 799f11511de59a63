/**
 * Whether anything could still wake a VM whose vCPUs are all halted or wait. Time may pass only towards an event that could interrupt one of
 * them: a timer that fires for ever into a masked line would otherwise let it pass for ever.
 */

import { passesIoApic, passesPics, TIMER_LINE } from '../devices/interrupt-lines.ts'
import { APIC_BITS } from '../spec/apic-registers.ts'
import { type Context, contextsOf, type VmContext } from './context.ts'
import { isInterruptible } from './interrupts.ts'
import { acceptsPic } from './irqchip.ts'
import { apicRegister, isApicEnabled, priority } from './lapic.ts'

/** `lines` are those that user space's devices will drive high by themselves. */
export const canWake = (v: VmContext, lines: number): boolean => contextsOf(v).some(c => canWakeVcpu(c, lines | pitLines(c)))

const pitLines = ({ kvm, vm }: VmContext): number => (kvm.hostTimers[vm.vcpus[0]?.cpu ?? 0]!.pit === 0n ? 0 : 1 << TIMER_LINE)

function canWakeVcpu(c: Context, lines: number): boolean {
  const { kvm, vm, vcpu } = c
  if (vcpu.mpState !== 'runnable') return false // only another vCPU's message wakes one that waits for a start-up
  const timers = kvm.hostTimers[vcpu.cpu]!
  // What wakes a halted L2 is L1's affair too: any timer may end in an exit to it.
  if (vcpu.nested.guestMode) return lines !== 0 || timers.lapic !== 0n || timers.preemption !== 0n || timers.guestDeadline !== 0n
  if (!isInterruptible(c)) return false
  if (timers.lapic !== 0n && isTimerOpen(c)) return true
  if (vm.chips === null) return false
  if (acceptsPic(c) && passesPics(vm.chips.pics, lines)) return true
  return isApicEnabled(c) && passesIoApic(vm.chips.ioApic, lines, priority(c) >> 4)
}

/** The local APIC's timer is not masked. Its priority may be too low for now: that is rare, and time then passes. */
const isTimerOpen = (c: Context): boolean => (apicRegister(c, 'APIC_LVTT') & APIC_BITS.APIC_LVT_MASKED) === 0
