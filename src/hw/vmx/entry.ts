/** VM entries (Intel SDM, "VM Entries"): checks, loading of the guest's state, then the event to inject. */

import { bit } from '../../base/bits.ts'
import { CONTROL_CHECKS } from '../../spec/vmx-entry/control-checks.ts'
import type { EntryCheck } from '../../spec/vmx-entry/entry-check.ts'
import { GUEST_CHECKS, HOST_CHECKS } from '../../spec/vmx-entry/state-checks.ts'
import { VMX_INSTRUCTION_ERRORS } from '../../spec/vmx-instruction-errors.ts'
import type { Engine } from '../cpu/engine.ts'
import { type DeliveredEvent, EVENT, type EventType } from '../cpu/event.ts'
import { VmExit } from '../cpu/faults.ts'
import { deliverEvent } from '../cpu/step.ts'
import { emit } from '../observe.ts'
import { firstBroken, stateUnderCheck } from './checked-vmcs.ts'
import { controlsOf } from './controls.ts'
import { failEntry, vmExit } from './exit.ts'
import { loadGuestState } from './guest-state.ts'
import { loadGuestTimer } from './guest-timer.ts'
import { loadMsrs } from './msr-areas.ts'
import { fail, type VmxOutcome } from './outcome.ts'
import { startPreemptionTimer } from './preemption-timer.ts'
import { guestHas, isControlSet } from './state.ts'
import { isTprBelowThreshold, loadInterruptStatus } from './virtual-apic.ts'
import { isLaunched, isShadowHeader, readNumber, setLaunched, writeField } from './vmcs.ts'

const ERROR = VMX_INSTRUCTION_ERRORS
const CHECKS = { control: CONTROL_CHECKS, host: HOST_CHECKS, guest: GUEST_CHECKS } as const

/** VMLAUNCH and VMRESUME. On success the CPU stands at the guest's RIP, or after a bad guest state at the host's. */
export function vmEntry(engine: Engine, launch: boolean): VmxOutcome {
  const { cpu, machine, memory } = engine
  const vmcs = cpu.vmx.currentVmcs
  if (vmcs < 0 || isShadowHeader(memory.read32(vmcs))) return { kind: 'invalid' }
  if (cpu.movSsBlocking) return fail(engine, ERROR.VMXERR_ENTRY_EVENTS_BLOCKED_BY_MOV_SS.number)
  if (launch && isLaunched(memory, vmcs)) return fail(engine, ERROR.VMXERR_VMLAUNCH_NONCLEAR_VMCS.number)
  if (!launch && !isLaunched(memory, vmcs)) return fail(engine, ERROR.VMXERR_VMRESUME_NONLAUNCHED_VMCS.number)
  const known = machine.caching ? engine.checkedVmcses.find(memory, cpu) : undefined
  const controls = known?.controls ?? controlsOf(memory, vmcs)
  const checks = known?.again ?? CHECKS
  const again: Record<keyof typeof CHECKS, EntryCheck[]> = { control: [], host: [], guest: [] }
  const state = stateUnderCheck(machine, cpu, controls)
  const badControl = firstBroken(checks.control, state, again.control)
  if (badControl !== null) return refuse(engine, ERROR.VMXERR_ENTRY_INVALID_CONTROL_FIELD.number, badControl.rule)
  const badHost = firstBroken(checks.host, state, again.host)
  if (badHost !== null) return refuse(engine, ERROR.VMXERR_ENTRY_INVALID_HOST_STATE_FIELD.number, badHost.rule)
  machine.tick += machine.config.costs.vmEntry
  cpu.vmx.controls = controls
  cpu.vmx.tprThreshold = readNumber(memory, vmcs, 'TPR_THRESHOLD')
  const badGuest = firstBroken(checks.guest, state, again.guest)
  if (badGuest !== null) {
    emit(machine, cpu, 'vmx_entry_failed', { error: 0, rule: badGuest.rule })
    failEntry(engine, BigInt(badGuest.qualification ?? 0))
    return { kind: 'entered' }
  }
  if (known === undefined) engine.checkedVmcses.remember(memory, cpu, { controls, again })
  if (enter(engine, vmcs) && launch) setLaunched(memory, vmcs, true)
  return { kind: 'entered' }
}

function refuse(engine: Engine, error: number, rule: string): VmxOutcome {
  emit(engine.machine, engine.cpu, 'vmx_entry_failed', { error, rule })
  return fail(engine, error)
}

/** Loads the guest; false when its MSRs could not be loaded and the CPU stands at the host's RIP. */
function enter(engine: Engine, vmcs: number): boolean {
  const { cpu, machine, memory } = engine
  loadGuestState(engine, vmcs)
  const badMsr = loadMsrs(engine, readNumber(memory, vmcs, 'VM_ENTRY_MSR_LOAD_ADDR'), readNumber(memory, vmcs, 'VM_ENTRY_MSR_LOAD_COUNT'))
  if (badMsr !== 0) {
    failEntry(engine, BigInt(badMsr), 'EXIT_REASON_MSR_LOAD_FAIL')
    return false
  }
  cpu.vmx.mode = 'non-root'
  cpu.vmx.trapPending = false
  cpu.vmx.apicWrite = -1
  cpu.vmx.firstPause = machine.tick
  cpu.vmx.lastPause = machine.tick
  cpu.vmx.virtualInterruptRecognised = false
  cpu.hostIdle = false
  engine.target = engine.registers.rip[0]!
  engine.attention = true
  // What VMLAUNCH and VMRESUME would leave behind as instructions, the end of RF, of blocking and a trap, is not the guest's.
  engine.tookEvent = true
  engine.beganBlocking = true
  engine.reloadAddressSpace()
  if (cpu.vmx.rootSoftware === 'guest') emit(machine, cpu, 'vmx_entry', { rip: engine.target, vmcs: BigInt(vmcs) })
  startPreemptionTimer(engine, vmcs)
  loadGuestTimer(engine, vmcs)
  if (isControlSet(cpu.vmx.controls, 'SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY'))
    loadInterruptStatus(engine, readNumber(memory, vmcs, 'GUEST_INTR_STATUS'))
  inject(engine, vmcs)
  exitBelowThreshold(engine)
  return true
}

/** SDM, "VM Exits Induced by the TPR Threshold": with APIC-access virtualization the entry itself may find TPR below the threshold. */
function exitBelowThreshold(engine: Engine): void {
  const { vmx } = engine.cpu
  if (!guestHas(vmx, 'CPU_BASED_TPR_SHADOW') || !guestHas(vmx, 'SECONDARY_EXEC_VIRTUALIZE_APIC_ACCESSES')) return
  if (!guestHas(vmx, 'SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY') && isTprBelowThreshold(engine))
    vmExit(engine, new VmExit('EXIT_REASON_TPR_BELOW_THRESHOLD'))
}

/** Type 7: a pending exit by the monitor trap flag. */
const OTHER_EVENT = 7

/** Event injection: the interruption information in the VMCS is delivered before the first instruction of the guest. */
function inject(engine: Engine, vmcs: number): void {
  const { memory, machine, cpu } = engine
  const information = readNumber(memory, vmcs, 'VM_ENTRY_INTR_INFO_FIELD')
  if (information >>> 31 === 0) return
  writeField(memory, vmcs, 'VM_ENTRY_INTR_INFO_FIELD', information & 0x7fff_ffff)
  if (((information >>> 8) & 7) === OTHER_EVENT) {
    cpu.vmx.trapPending = true
    return
  }
  const type = ((information >>> 8) & 7) as EventType
  const hasCode = bit(information, 11)
  const isSoftware = type === EVENT.software || type === EVENT.privileged || type === EVENT.softwareException
  const event: DeliveredEvent = {
    vector: information & 0xff,
    type,
    errorCode: hasCode ? readNumber(memory, vmcs, 'VM_ENTRY_EXCEPTION_ERROR_CODE') : null,
    length: isSoftware ? readNumber(memory, vmcs, 'VM_ENTRY_INSTRUCTION_LEN') : 0,
  }
  if (type !== EVENT.hardware) emit(machine, cpu, 'interrupt', { vector: event.vector, source: 'injected', rip: engine.registers.rip[0]! })
  deliverEvent(engine, event)
  // Delivery moved RIP; whoever asked for the entry takes it from here.
  engine.target = engine.registers.rip[0]!
}
