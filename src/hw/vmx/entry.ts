/** VM entries (Intel SDM, "VM Entries"): checks, loading of the guest's state, then the event to inject. */

import { bit } from '../../base/bits.ts'
import { MSRS } from '../../spec/msrs.ts'
import { VMX_CONTROLS } from '../../spec/vmx-controls.ts'
import { CONTROL_CHECKS } from '../../spec/vmx-entry/control-checks.ts'
import { type EntryState, entryStateOf, firstBroken } from '../../spec/vmx-entry/entry-check.ts'
import { GUEST_CHECKS, HOST_CHECKS } from '../../spec/vmx-entry/state-checks.ts'
import { VMX_INSTRUCTION_ERRORS } from '../../spec/vmx-instruction-errors.ts'
import { type DeliveredEvent, EVENT, type EventType } from '../cpu/delivery.ts'
import type { Engine } from '../cpu/engine.ts'
import { deliverEvent } from '../cpu/step.ts'
import type { Machine } from '../machine.ts'
import { emit } from '../observe.ts'
import { MULTIPLIER_ONE } from '../time/clock.ts'
import { failEntry } from './exit.ts'
import { loadGuestState } from './guest-state.ts'
import { loadGuestTimer } from './guest-timer.ts'
import { loadMsrs } from './msr-areas.ts'
import { fail, type VmxOutcome } from './outcome.ts'
import { startPreemptionTimer } from './preemption-timer.ts'
import { type Controls, isControlSet } from './state.ts'
import { loadInterruptStatus } from './virtual-apic.ts'
import { isLaunched, readField, readNumber, setLaunched, writeField } from './vmcs.ts'

const ERROR = VMX_INSTRUCTION_ERRORS

/** VMLAUNCH and VMRESUME. On success the CPU stands at the guest's RIP, or after a bad guest state at the host's. */
export function vmEntry(engine: Engine, launch: boolean): VmxOutcome {
  const { cpu, machine, memory } = engine
  const vmcs = cpu.vmx.currentVmcs
  if (vmcs < 0) return { kind: 'invalid' }
  if (cpu.movSsBlocking) return fail(engine, ERROR.VMXERR_ENTRY_EVENTS_BLOCKED_BY_MOV_SS.number)
  if (launch && isLaunched(memory, vmcs)) return fail(engine, ERROR.VMXERR_VMLAUNCH_NONCLEAR_VMCS.number)
  if (!launch && !isLaunched(memory, vmcs)) return fail(engine, ERROR.VMXERR_VMRESUME_NONLAUNCHED_VMCS.number)
  const state = checkedVmcs(machine, vmcs)
  const badControl = firstBroken(CONTROL_CHECKS, state)
  if (badControl !== null) return refuse(engine, ERROR.VMXERR_ENTRY_INVALID_CONTROL_FIELD.number, badControl)
  const badHost = firstBroken(HOST_CHECKS, state)
  if (badHost !== null) return refuse(engine, ERROR.VMXERR_ENTRY_INVALID_HOST_STATE_FIELD.number, badHost)
  machine.tick += machine.config.costs.vmEntry
  cpu.vmx.controls = loadControls(engine, vmcs)
  const badGuest = firstBroken(GUEST_CHECKS, state)
  if (badGuest !== null) {
    emit(machine, cpu, 'vmx_entry_failed', { error: 0, rule: badGuest })
    failEntry(engine, badGuest === LINK_POINTER_RULE ? 4n : 0n)
    return { kind: 'entered' }
  }
  if (enter(engine, vmcs) && launch) setLaunched(memory, vmcs, true)
  return { kind: 'entered' }
}

const checkedVmcs = ({ memory, config }: Machine, vmcs: number): EntryState =>
  entryStateOf({
    get: name => readField(memory, vmcs, name),
    capability: name => config.vmxMsrs[MSRS[name].index] ?? 0n,
    read32: address => memory.read32(address),
    read64: address => memory.read64(address),
  })

const LINK_POINTER_RULE = 'the VMCS link pointer is all ones'

function refuse(engine: Engine, error: number, rule: string): VmxOutcome {
  emit(engine.machine, engine.cpu, 'vmx_entry_failed', { error, rule })
  return fail(engine, error)
}

/** The CPU's copy of the control fields; words that are not activated count as 0. */
function loadControls(engine: Engine, vmcs: number): Controls {
  const { memory } = engine
  const number = (name: Parameters<typeof readNumber>[2]): number => readNumber(memory, vmcs, name)
  const get = (name: Parameters<typeof readField>[2]): bigint => readField(memory, vmcs, name)
  const primary = number('CPU_BASED_VM_EXEC_CONTROL')
  const controls: Controls = {
    pin: number('PIN_BASED_VM_EXEC_CONTROL'),
    primary,
    secondary: bit(primary, VMX_CONTROLS.CPU_BASED_ACTIVATE_SECONDARY_CONTROLS.bit) ? number('SECONDARY_VM_EXEC_CONTROL') : 0,
    tertiary: bit(primary, VMX_CONTROLS.CPU_BASED_ACTIVATE_TERTIARY_CONTROLS.bit) ? number('TERTIARY_VM_EXEC_CONTROL') : 0,
    exit: number('VM_EXIT_CONTROLS'),
    entry: number('VM_ENTRY_CONTROLS'),
    exceptionBitmap: number('EXCEPTION_BITMAP'),
    pageFaultMask: number('PAGE_FAULT_ERROR_CODE_MASK'),
    pageFaultMatch: number('PAGE_FAULT_ERROR_CODE_MATCH'),
    eptPointer: get('EPT_POINTER'),
    msrBitmap: number('MSR_BITMAP'),
    ioBitmapA: number('IO_BITMAP_A'),
    ioBitmapB: number('IO_BITMAP_B'),
    virtualApicPage: number('VIRTUAL_APIC_PAGE_ADDR'),
    tprThreshold: number('TPR_THRESHOLD'),
    tsc: { offset: 0n, multiplier: MULTIPLIER_ONE },
    cr0Mask: get('CR0_GUEST_HOST_MASK'),
    cr0Shadow: get('CR0_READ_SHADOW'),
    cr4Mask: get('CR4_GUEST_HOST_MASK'),
    cr4Shadow: get('CR4_READ_SHADOW'),
    virtualTimerVector: number('GUEST_APIC_TIMER_VECTOR'),
    postedVector: number('POSTED_INTR_NV'),
    postedDescriptor: number('POSTED_INTR_DESC_ADDR'),
    pauseGap: number('PLE_GAP'),
    pauseWindow: number('PLE_WINDOW'),
  }
  if (isControlSet(controls, 'CPU_BASED_USE_TSC_OFFSETTING')) {
    const multiplier = isControlSet(controls, 'SECONDARY_EXEC_TSC_SCALING') ? get('TSC_MULTIPLIER') : MULTIPLIER_ONE
    controls.tsc = { offset: get('TSC_OFFSET'), multiplier }
  }
  return controls
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
  cpu.vmx.firstPause = machine.tick
  cpu.vmx.lastPause = machine.tick
  cpu.vmx.virtualInterruptRecognised = false
  cpu.hostIdle = false
  engine.target = engine.registers.rip[0]!
  engine.attention = true
  engine.reloadAddressSpace()
  if (cpu.vmx.rootSoftware === 'guest') emit(machine, cpu, 'vmx_entry', { rip: engine.target, vmcs: BigInt(vmcs) })
  startPreemptionTimer(engine, vmcs)
  loadGuestTimer(engine, vmcs)
  if (isControlSet(cpu.vmx.controls, 'SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY'))
    loadInterruptStatus(engine, readNumber(memory, vmcs, 'GUEST_INTR_STATUS'))
  inject(engine, vmcs)
  return true
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
