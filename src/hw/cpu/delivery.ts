/**
 * Delivering interrupts and exceptions: what is alike in every mode, and what a second exception on the way makes of the first
 * (Intel SDM, "Interrupt and Exception Handling"; "Double Fault Exception"). How a mode finds the handler: `gate-delivery` and
 * `real-delivery`.
 */

import { RF } from '../../isa/status-flags.ts'
import { EXCEPTIONS, exceptionOf } from '../../spec/exceptions.ts'
import { emit } from '../observe.ts'
import { guestHas } from '../vmx/state.ts'
import type { Engine } from './engine.ts'
import { type DeliveredEvent, EVENT, interruptionInfo } from './event.ts'
import { Fault, VECTOR } from './faults.ts'
import { deliverThroughGate } from './gate-delivery.ts'
import { deliverThroughVectorTable } from './real-delivery.ts'

/** Delivers; throws a `Fault` where the delivery itself faults, leaving the registers as they were. */
export function deliver(engine: Engine, event: DeliveredEvent): void {
  engine.unblockedNmi = false
  engine.delivering = { info: interruptionInfo(event, engine.mode), errorCode: event.errorCode ?? 0, length: event.length }
  const returnTo = engine.wrapRip(engine.registers.rip[0]! + BigInt(event.length))
  // RF keeps a fault's instruction, when it runs again, from breaking again; traps and breakpoints come with it as it is.
  const isFault = event.type === EVENT.hardware && event.vector !== VECTOR.DB
  const flags = engine.materialised() | (engine.cpu.midRepeat || isFault ? RF : 0)
  if (engine.mode === 'real') deliverThroughVectorTable(engine, event, returnTo, flags)
  else deliverThroughGate(engine, event, returnTo, flags)
  finishDelivery(engine, event, returnTo)
}

function finishDelivery(engine: Engine, event: DeliveredEvent, returnTo: bigint): void {
  const { cpu, machine } = engine
  cpu.activity = 'active'
  cpu.midRepeat = false
  cpu.stiBlocking = false
  cpu.movSsBlocking = false
  if (event.type === EVENT.nmi) {
    if (guestHas(cpu.vmx, 'PIN_BASED_VIRTUAL_NMIS')) cpu.vmx.virtualNmiBlocking = true
    else cpu.nmiBlocking = true
  }
  engine.delivering = null
  engine.tookEvent = true
  engine.attention = true
  // The monitor trap flag: delivering an event counts as an instruction.
  if (guestHas(cpu.vmx, 'CPU_BASED_MONITOR_TRAP_FLAG')) cpu.vmx.trapPending = true
  engine.reloadAddressSpace()
  machine.tick += machine.config.costs.interruptDelivery
  if (event.type !== EVENT.hardware) return
  emit(machine, cpu, 'exception', {
    vector: event.vector,
    error_code: event.errorCode ?? 0,
    rip: returnTo,
    cr2: event.vector === VECTOR.PF ? engine.registers.cr[2]! : 0n,
  })
  endLoop(engine, event.vector)
}

/** A stack of 1 MByte is full sooner. */
const MOST_IN_A_ROW = 100_000

/** Handlers whose first instruction faults can go on for ever on the silicon; here the machine ends. */
function endLoop(engine: Engine, vector: number): void {
  const { cpu } = engine
  const { after, count } = cpu.exceptionsInARow
  cpu.exceptionsInARow = after === cpu.instructions ? { after, count: count + 1 } : { after: cpu.instructions, count: 1 }
  if (count >= MOST_IN_A_ROW) endInLoop(engine, vector)
}

/** Exceptions for ever, without an instruction between them. */
export function endInLoop({ machine }: Engine, vector: number): void {
  machine.ended ??= { reason: 'exception-loop', status: 0, vector }
}

const groupOf = (vector: number): string => {
  const name = exceptionOf(vector)
  return name === undefined ? 'benign' : EXCEPTIONS[name].group
}

/** What a second exception during the delivery of a first becomes: itself, a double fault, or shutdown. */
export function combine(first: DeliveredEvent, second: Fault): Fault | 'shutdown' {
  if (first.type !== EVENT.hardware) return second
  const before = groupOf(first.vector)
  const after = groupOf(second.vector)
  if (before === 'double-fault') return after === 'benign' ? second : 'shutdown'
  const doubles =
    (before === 'contributory' && after === 'contributory') ||
    (before === 'page-fault' && (after === 'contributory' || after === 'page-fault'))
  return doubles ? new Fault(VECTOR.DF, 0) : second
}
