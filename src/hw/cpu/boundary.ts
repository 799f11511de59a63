/**
 * What is looked at between two instructions, in the SDM's order ("Priority Among Concurrent Events"; "VM Exits Not Caused by
 * Instructions"; for the guest timer "APIC-timer virtualization"):
 *
 *     1  VMX-preemption timer exit
 *     2  NMI: exit or delivery
 *     3  external interrupt: exit or delivery
 *     4  guest-timer event
 *     5  interrupt-window exit
 *     6  virtual interrupt
 */

import { acknowledge, offeredVector } from '../apic/interrupts.ts'
import { emit } from '../machine.ts'
import { vmExit } from '../vmx/exit.ts'
import { guestTimerPending, processGuestTimer } from '../vmx/guest-timer.ts'
import { guestHas } from '../vmx/state.ts'
import { deliverVirtualInterrupt } from '../vmx/virtual-apic.ts'
import { EVENT } from './delivery.ts'
import type { Engine } from './engine.ts'
import { VmExit } from './faults.ts'
import { IF } from './lazy-flags.ts'
import { deliverEvent } from './step.ts'

const NMI_VECTOR = 2

/** Deals with at most one event; returns whether there was one. Afterwards `attention` says whether to look again next time. */
export function attend(engine: Engine): boolean {
  engine.attention = false
  engine.releaseRip()
  const happened = attendNonMaskable(engine) || attendInterrupt(engine) || attendVirtual(engine)
  const { cpu } = engine
  if (happened || cpu.stiBlocking || cpu.movSsBlocking) engine.attention = true
  return happened
}

function attendNonMaskable(engine: Engine): boolean {
  const { cpu, machine } = engine
  const { vmx } = cpu
  if (vmx.mode === 'non-root' && vmx.preemptionTick <= machine.tick) {
    vmExit(engine, new VmExit('EXIT_REASON_PREEMPTION_TIMER'))
    return true
  }
  if (!cpu.nmiPending || cpu.nmiBlocking || cpu.stiBlocking || cpu.movSsBlocking) return false
  cpu.nmiPending = false
  const interruption = (NMI_VECTOR | (EVENT.nmi << 8) | (1 << 31)) >>> 0
  if (guestHas(vmx, 'PIN_BASED_NMI_EXITING')) vmExit(engine, new VmExit('EXIT_REASON_EXCEPTION_NMI', { interruption }))
  else deliverEvent(engine, { vector: NMI_VECTOR, type: EVENT.nmi, errorCode: null, length: 0 })
  return true
}

const isBlocked = (engine: Engine): boolean => engine.cpu.stiBlocking || engine.cpu.movSsBlocking

function attendInterrupt(engine: Engine): boolean {
  const { cpu, machine } = engine
  if (isBlocked(engine) || offeredVector(machine, engine.index) < 0) return false
  if (guestHas(cpu.vmx, 'PIN_BASED_EXT_INTR_MASK')) {
    const acknowledged = guestHas(cpu.vmx, 'VM_EXIT_ACK_INTR_ON_EXIT') ? acknowledge(machine, engine.index) : -1
    const interruption = acknowledged < 0 ? 0 : (acknowledged | (EVENT.external << 8) | (1 << 31)) >>> 0
    vmExit(engine, new VmExit('EXIT_REASON_EXTERNAL_INTERRUPT', { interruption }))
    return true
  }
  if ((engine.flagsWord & IF) === 0) return false
  wake(engine)
  const vector = acknowledge(machine, engine.index)
  emit(machine, cpu, 'interrupt', { vector, source: 'external', rip: engine.registers.rip[0]! })
  deliverEvent(engine, { vector, type: EVENT.external, errorCode: null, length: 0 })
  return true
}

function attendVirtual(engine: Engine): boolean {
  const { cpu } = engine
  if (cpu.vmx.mode !== 'non-root') return false
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
  deliverVirtualInterrupt(engine)
  return true
}

/** Leaving HLT takes time. */
function wake(engine: Engine): void {
  if (engine.cpu.activity === 'hlt') engine.machine.tick += engine.machine.config.costs.haltWake
}
