/**
 * What is looked at between two instructions, in the SDM's order ("Priority Among Concurrent Events"; "VM Exits Not Caused by
 * Instructions"; for the guest timer "APIC-timer virtualization"):
 *
 *     0  INIT and start-up messages
 *     1  emulation of a completed write to the APIC-access page
 *     2  monitor trap flag exit
 *     3  pending debug exceptions
 *     4  VMX-preemption timer exit
 *     5  NMI-window exit
 *     6  NMI: exit or delivery
 *     7  external interrupt: exit, posted-interrupt processing or delivery
 *     8  guest-timer event
 *     9  interrupt-window exit
 *    10  virtual interrupt
 *
 * In the shutdown state only 2, 4, 5 and 6 are looked at, and in wait-for-SIPI 0 alone.
 */

import { IF } from '../../isa/status-flags.ts'
import { endOfInterrupt } from '../apic/eoi.ts'
import { isInterruptOffered, takeOfferedInterrupt } from '../apic/interrupts.ts'
import { emit } from '../observe.ts'
import { emulateApicWrite } from '../vmx/apic-access.ts'
import { vmExit } from '../vmx/exit.ts'
import { guestTimerPending, processGuestTimer } from '../vmx/guest-timer.ts'
import { processPostedInterrupts } from '../vmx/posted-interrupts.ts'
import { guestHas } from '../vmx/state.ts'
import { takeVirtualInterrupt } from '../vmx/virtual-apic.ts'
import type { Engine } from './engine.ts'
import { EVENT } from './event.ts'
import { Fault, VECTOR, VmExit } from './faults.ts'
import { attendMonitor } from './monitor.ts'
import { attendStartUp } from './startup.ts'
import { deliverEvent, divert, raiseFault } from './step.ts'

const NMI_VECTOR = 2

/** Deals with at most one event; returns whether there was one. Afterwards `attention` says whether to look again next time. */
export function attend(engine: Engine): boolean {
  engine.attention = false
  engine.releaseRip()
  const happened = attendStartUp(engine) || (engine.cpu.activity !== 'wait-for-sipi' && attendEvent(engine))
  const { cpu } = engine
  if (happened || cpu.stiBlocking || cpu.movSsBlocking) engine.attention = true
  return happened
}

const attendEvent = (engine: Engine): boolean =>
  attendGuest(engine) || attendMonitor(engine) || attendNonMaskable(engine) || attendInterrupt(engine) || attendVirtual(engine)

/** What the guest's last instruction, or the VM entry, left to be done. */
function attendGuest(engine: Engine): boolean {
  const { vmx, movSsBlocking } = engine.cpu
  if (vmx.mode !== 'non-root') return false
  if (vmx.apicWrite >= 0) {
    engine.target = engine.registers.rip[0]!
    attempt(engine, () => emulateApicWrite(engine))
    return true
  }
  if (vmx.trapPending) {
    vmExit(engine, new VmExit('EXIT_REASON_MONITOR_TRAP_FLAG'))
    return true
  }
  if (vmx.pendingDebug === 0 || movSsBlocking) return false
  const conditions = BigInt(vmx.pendingDebug & ~ENABLED_BREAKPOINT)
  vmx.pendingDebug = 0
  raiseFault(engine, new Fault(VECTOR.DB, null, conditions))
  return true
}

/** Bit 12 of the pending debug exceptions is none of DR6's. */
const ENABLED_BREAKPOINT = 1 << 12

function attempt(engine: Engine, action: () => void): void {
  try {
    action()
  } catch (thrown) {
    divert(engine, thrown)
  }
}

function attendNonMaskable(engine: Engine): boolean {
  const { cpu, machine } = engine
  const { vmx } = cpu
  if (vmx.mode === 'non-root' && vmx.preemptionTick <= machine.tick) {
    vmExit(engine, new VmExit('EXIT_REASON_PREEMPTION_TIMER'))
    return true
  }
  const blocked = isBlocked(engine)
  if (guestHas(vmx, 'CPU_BASED_NMI_WINDOW_EXITING') && !vmx.virtualNmiBlocking && !blocked) {
    vmExit(engine, new VmExit('EXIT_REASON_NMI_WINDOW'))
    return true
  }
  if (!cpu.nmiPending || cpu.nmiBlocking || blocked) return false
  cpu.nmiPending = false
  const interruption = (NMI_VECTOR | (EVENT.nmi << 8) | (1 << 31)) >>> 0
  if (guestHas(vmx, 'PIN_BASED_NMI_EXITING')) vmExit(engine, new VmExit('EXIT_REASON_EXCEPTION_NMI', { interruption }))
  else deliverEvent(engine, { vector: NMI_VECTOR, type: EVENT.nmi, errorCode: null, length: 0 })
  return true
}

/** Shutdown holds interrupts back; an NMI leaves it. */
const isDeaf = ({ cpu }: Engine): boolean => cpu.activity === 'shutdown'

const isBlocked = (engine: Engine): boolean => engine.cpu.stiBlocking || engine.cpu.movSsBlocking

function attendInterrupt(engine: Engine): boolean {
  const { cpu, machine } = engine
  if (isBlocked(engine) || isDeaf(engine) || !isInterruptOffered(machine, engine.index)) return false
  if (guestHas(cpu.vmx, 'PIN_BASED_EXT_INTR_MASK')) {
    const acknowledged = guestHas(cpu.vmx, 'VM_EXIT_ACK_INTR_ON_EXIT') ? takeOfferedInterrupt(machine, engine.index) : -1
    if (guestHas(cpu.vmx, 'PIN_BASED_POSTED_INTR') && acknowledged === cpu.vmx.controls.postedVector) {
      endOfInterrupt(machine, engine.index)
      processPostedInterrupts(engine)
      return true
    }
    const interruption = acknowledged < 0 ? 0 : (acknowledged | (EVENT.external << 8) | (1 << 31)) >>> 0
    vmExit(engine, new VmExit('EXIT_REASON_EXTERNAL_INTERRUPT', { interruption }))
    return true
  }
  if ((engine.flagsWord & IF) === 0) return false
  wake(engine)
  const vector = takeOfferedInterrupt(machine, engine.index)
  emit(machine, cpu, 'interrupt', { vector, source: 'external', rip: engine.registers.rip[0]! })
  deliverEvent(engine, { vector, type: EVENT.external, errorCode: null, length: 0 })
  return true
}

function attendVirtual(engine: Engine): boolean {
  const { cpu } = engine
  if (cpu.vmx.mode !== 'non-root' || isDeaf(engine)) return false
  if (guestTimerPending(engine)) {
    processGuestTimer(engine)
    return true
  }
  const open = (engine.flagsWord & IF) !== 0 && !isBlocked(engine)
  if (!open) return false
  if (guestHas(cpu.vmx, 'CPU_BASED_INTR_WINDOW_EXITING')) {
    vmExit(engine, new VmExit('EXIT_REASON_INTERRUPT_WINDOW'))
    return true
  }
  if (!cpu.vmx.virtualInterruptRecognised) return false
  wake(engine)
  const vector = takeVirtualInterrupt(engine)
  engine.machine.tick += engine.machine.config.costs.virtualInterrupt
  emit(engine.machine, cpu, 'interrupt', { vector, source: 'virtual', rip: engine.registers.rip[0]! })
  deliverEvent(engine, { vector, type: EVENT.external, errorCode: null, length: 0 })
  return true
}

/** Leaving HLT or MWAIT takes time. */
function wake(engine: Engine): void {
  if (engine.cpu.activity === 'hlt' || engine.cpu.activity === 'mwait') engine.machine.tick += engine.machine.config.costs.haltWake
}
