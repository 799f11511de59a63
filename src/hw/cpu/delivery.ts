/**
 * Delivering interrupts and exceptions through the 64-bit IDT (Intel SDM, "Interrupt and Exception Handling in 64-Bit Mode").
 *
 *     gate:  15:0 offset, 31:16 selector, 34:32 IST, 43:40 type, 46:45 DPL, 47 P, 63:48 offset, 95:64 offset
 *     frame: SS, RSP, RFLAGS, CS, RIP [, error code], each 8 bytes, from a 16-byte boundary down
 */

import { bitField, shiftRight } from '../../base/u64.ts'
import { isCanonical } from '../../spec/address-width.ts'
import { EXCEPTIONS, exceptionOf } from '../../spec/exceptions.ts'
import { emit } from '../observe.ts'
import { guestHas } from '../vmx/state.ts'
import type { Engine } from './engine.ts'
import { Fault, VECTOR } from './faults.ts'
import { IF, NT, RF, TF } from './lazy-flags.ts'
import { CODE64_RIGHTS, cplOf, TR, UNUSABLE_RIGHTS } from './registers.ts'

/** Types of interruption information (SDM, "Information for VM Exits Due to Vectored Events"). */
export const EVENT = { external: 0, nmi: 2, hardware: 3, software: 4, privileged: 5, softwareException: 6 } as const
export type EventType = (typeof EVENT)[keyof typeof EVENT]

export interface DeliveredEvent {
  readonly vector: number
  readonly type: EventType
  readonly errorCode: number | null
  /** Bytes that RIP moves on before it is pushed: the instruction of a software interrupt. */
  readonly length: number
}

const SUPERVISOR = 0
const INTERRUPT_GATE = 14
const TRAP_GATE = 15

/** Interruption-information word: vector, type, "error code valid", "valid". */
export const interruptionInfo = (event: DeliveredEvent): number =>
  (event.vector | (event.type << 8) | (event.errorCode === null ? 0 : 1 << 11) | (1 << 31)) >>> 0

const isSoftware = (type: EventType): boolean => type === EVENT.software || type === EVENT.privileged || type === EVENT.softwareException

/** Delivers; throws a `Fault` where the delivery itself faults, leaving the registers as they were. */
export function deliver(engine: Engine, event: DeliveredEvent): void {
  const { cpu, registers } = engine
  engine.delivering = { info: interruptionInfo(event), errorCode: event.errorCode ?? 0, length: event.length }
  const external = isSoftware(event.type) && event.type !== EVENT.privileged ? 0 : 1
  const gate = readGate(engine, event, external)
  const { base, dpl, conforming } = readTargetCode(engine, gate.selector, external)
  const cpl = cplOf(cpu)
  const newCpl = conforming ? cpl : dpl
  const stack = newStack(engine, gate.ist, newCpl < cpl ? newCpl : -1)
  const flags = engine.materialised() | (cpu.midRepeat || event.type === EVENT.hardware ? RF : 0)
  const returnTo = BigInt.asUintN(64, registers.rip[0]! + BigInt(event.length))
  const frame = [BigInt(cpu.segments[2]!.selector), registers.gpr[4]!, BigInt(flags >>> 0), BigInt(cpu.segments[1]!.selector), returnTo]
  if (event.errorCode !== null) frame.push(BigInt(event.errorCode))
  const top = stack & ~0xfn
  const bottom = BigInt.asUintN(64, top - BigInt(8 * frame.length))
  if (!isCanonical(top) || !isCanonical(bottom)) throw new Fault(VECTOR.SS, external)
  // Every byte is checked before the first is written.
  engine.touchLinear(8 * frame.length, bottom, SUPERVISOR)
  for (const [position, value] of frame.entries())
    engine.storeLinear(64, BigInt.asUintN(64, top - BigInt(8 * (position + 1))), value, SUPERVISOR)

  registers.gpr[4] = bottom
  registers.rip[0] = gate.offset
  cpu.segments[1] = { selector: (gate.selector & ~3) | newCpl, limit: 0xffff_ffff, accessRights: (CODE64_RIGHTS & ~0x60) | (newCpl << 5) }
  registers.segmentBase[1] = base
  if (newCpl < cpl) cpu.segments[2] = { selector: newCpl, limit: 0, accessRights: UNUSABLE_RIGHTS | 0x93 | (newCpl << 5) }
  const cleared = TF | NT | RF | (gate.type === INTERRUPT_GATE ? IF : 0)
  engine.replaceFlags(flags & ~cleared)
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
  engine.attention = true
  engine.reloadAddressSpace()
  machine.tick += machine.config.costs.interruptDelivery
  if (event.type === EVENT.hardware)
    emit(machine, cpu, 'exception', {
      vector: event.vector,
      error_code: event.errorCode ?? 0,
      rip: returnTo,
      cr2: event.vector === VECTOR.PF ? engine.registers.cr[2]! : 0n,
    })
}

interface Gate {
  readonly selector: number
  readonly offset: bigint
  readonly ist: number
  readonly type: number
}

function readGate(engine: Engine, { vector, type }: DeliveredEvent, external: number): Gate {
  const { base, limit } = engine.cpu.idtr
  const errorCode = vector * 8 + 2 + external
  if (vector * 16 + 15 > limit) throw new Fault(VECTOR.GP, errorCode)
  const at = BigInt.asUintN(64, base + BigInt(vector * 16))
  const low = engine.loadLinear(64, at, SUPERVISOR)
  const high = engine.loadLinear(64, BigInt.asUintN(64, at + 8n), SUPERVISOR)
  const gateType = bitField(low, 40, 5)
  if (gateType !== INTERRUPT_GATE && gateType !== TRAP_GATE) throw new Fault(VECTOR.GP, errorCode)
  const dpl = bitField(low, 45, 2)
  if (isSoftware(type) && type !== EVENT.privileged && dpl < cplOf(engine.cpu)) throw new Fault(VECTOR.GP, errorCode)
  if ((shiftRight(low, 47) & 1n) === 0n) throw new Fault(VECTOR.NP, errorCode)
  const offset = (low & 0xffffn) | (shiftRight(low, 32) & 0xffff_0000n) | ((high & 0xffff_ffffn) << 32n)
  if (!isCanonical(offset)) throw new Fault(VECTOR.GP, external)
  return { selector: bitField(low, 16, 16), offset, ist: bitField(low, 32, 3), type: gateType }
}

function readTargetCode(engine: Engine, selector: number, external: number): { base: bigint; dpl: number; conforming: boolean } {
  const { base, limit } = engine.cpu.gdtr
  const errorCode = (selector & 0xfffc) | external
  if ((selector & 0xfffc) === 0 || (selector & 4) !== 0 || (selector | 7) > limit) throw new Fault(VECTOR.GP, errorCode)
  const descriptor = engine.loadLinear(64, BigInt.asUintN(64, base + BigInt(selector & 0xfff8)), SUPERVISOR)
  const rights = bitField(descriptor, 40, 16)
  const dpl = (rights >> 5) & 3
  const isLongCode = (rights & 0x18) === 0x18 && (rights & 0x2000) !== 0 && (rights & 0x4000) === 0
  if (!isLongCode || dpl > cplOf(engine.cpu)) throw new Fault(VECTOR.GP, errorCode)
  if ((rights & 0x80) === 0) throw new Fault(VECTOR.NP, errorCode)
  return { base: 0n, dpl, conforming: (rights & 4) !== 0 }
}

/** The stack pointer to push at: an IST entry, the inner level's RSP from the TSS, or the present one. */
function newStack(engine: Engine, ist: number, innerCpl: number): bigint {
  if (ist === 0 && innerCpl < 0) return engine.registers.gpr[4]!
  const offset = ist === 0 ? 4 + 8 * innerCpl : 28 + 8 * ist
  if (offset + 7 > engine.cpu.segments[TR]!.limit) throw new Fault(VECTOR.TS, engine.cpu.segments[TR]!.selector & 0xfffc)
  return engine.loadLinear(64, BigInt.asUintN(64, engine.registers.segmentBase[TR]! + BigInt(offset)), SUPERVISOR)
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
