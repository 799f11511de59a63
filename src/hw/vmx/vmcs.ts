/**
 * The VMCS region in memory. The SDM leaves its format to the implementation; ours is a header and one 64-bit slot for each
 * field, so that a snapshot of memory holds every VMCS. First come the fields that change from entry to entry by themselves, then
 * the settled ones, which software writes rarely: a VM entry that finds the latter unchanged need not look at them again.
 *
 *     +0  revision identifier     +4  VMX-abort indicator     +8  launch state (0 clear, 1 launched)     +16  slots
 */

import { assert } from '../../base/assert.ts'
import { shiftRight } from '../../base/u64.ts'
import { PAGE_SIZE } from '../../base/units.ts'
import { groupOf, VMCS_FIELDS, type VmcsFieldName, widthOf } from '../../spec/vmcs-fields.ts'
import type { Memory } from '../memory.ts'

/** Distinct from the revision of KVM's vmcs12, so that a mix-up shows. */
export const VMCS_REVISION = 0x0000_0001

/** The first doubleword: the revision, and in bit 31 whether it is a shadow VMCS. */
export const revisionOf = (header: number): number => header & 0x7fff_ffff
export const isShadowHeader = (header: number): boolean => header >>> 31 === 1

const LAUNCH_STATE = 8
const SLOTS = 16
const SLOT_BYTES = 8

/** Besides the exit information: what the guest's own progress, injected events and running timers change. */
const CHANGING: ReadonlySet<VmcsFieldName> = new Set<VmcsFieldName>([
  'VM_ENTRY_INTR_INFO_FIELD',
  'VM_ENTRY_EXCEPTION_ERROR_CODE',
  'VM_ENTRY_INSTRUCTION_LEN',
  'TPR_THRESHOLD',
  'GUEST_DEADLINE_VIR',
  'GUEST_DEADLINE_PHY',
  'GUEST_INTR_STATUS',
  'GUEST_PML_INDEX',
  'GUEST_INTERRUPTIBILITY_INFO',
  'GUEST_ACTIVITY_STATE',
  'GUEST_PENDING_DBG_EXCEPTIONS',
  'VMX_PREEMPTION_TIMER_VALUE',
  'GUEST_CR3',
  'GUEST_RSP',
  'GUEST_RIP',
  'GUEST_RFLAGS',
])

const fieldNames = Object.keys(VMCS_FIELDS) as VmcsFieldName[]
const isChanging = (name: VmcsFieldName): boolean => CHANGING.has(name) || groupOf(VMCS_FIELDS[name].encoding) === 'exit-information'
const inOrder = [...fieldNames.filter(isChanging), ...fieldNames.filter(name => !isChanging(name))]

/** Where each field's slot lies in the region. */
export const SLOT: Readonly<Record<VmcsFieldName, number>> = Object.fromEntries(
  inOrder.map((name, position) => [name, SLOTS + SLOT_BYTES * position]),
) as Record<VmcsFieldName, number>

/** The settled slots: from here to the end. */
export const SETTLED_FROM = SLOTS + SLOT_BYTES * fieldNames.filter(isChanging).length
export const SETTLED_TO = SLOTS + SLOT_BYTES * fieldNames.length
assert(SETTLED_TO <= PAGE_SIZE, 'the VMCS fits its page')

const slotByEncoding: ReadonlyMap<number, number> = new Map(fieldNames.map(name => [VMCS_FIELDS[name].encoding, SLOT[name]]))
const is64: Readonly<Record<VmcsFieldName, boolean>> = Object.fromEntries(
  fieldNames.map(name => [name, isWide(VMCS_FIELDS[name].encoding)]),
) as Record<VmcsFieldName, boolean>

function isWide(encoding: number): boolean {
  const width = widthOf(encoding)
  return width === 64 || width === 'natural'
}

/** VMREAD of any encoding, high halves included. */
export function readEncoding(memory: Memory, vmcs: number, encoding: number): bigint {
  const at = vmcs + slotByEncoding.get(encoding & ~1)!
  if (!isWide(encoding)) return BigInt(memory.read32(at))
  const value = memory.read64(at)
  return (encoding & 1) === 1 ? shiftRight(value, 32) : value
}

/** VMWRITE of any encoding: a high half leaves the low one, a narrow field takes the low bits. */
export function writeEncoding(memory: Memory, vmcs: number, encoding: number, value: bigint): void {
  const at = vmcs + slotByEncoding.get(encoding & ~1)!
  const width = widthOf(encoding)
  if ((encoding & 1) === 1) memory.write32(at + 4, Number(BigInt.asUintN(32, value)))
  else if (width === 16) memory.write64(at, BigInt.asUintN(16, value))
  else if (width === 32) memory.write64(at, BigInt.asUintN(32, value))
  else memory.write64(at, value)
}

export const readField = (memory: Memory, vmcs: number, name: VmcsFieldName): bigint =>
  is64[name] ? memory.read64(vmcs + SLOT[name]) : BigInt(memory.read32(vmcs + SLOT[name]))

/** A field of at most 32 bits, or a physical address, as a number. */
export const readNumber = (memory: Memory, vmcs: number, name: VmcsFieldName): number =>
  is64[name] ? wideNumber(memory, vmcs + SLOT[name]) : memory.read32(vmcs + SLOT[name])

/** 64 bits of memory as a number: exact up to 2^53. */
export const wideNumber = (memory: Memory, at: number): number => memory.read32(at) + memory.read32(at + 4) * 2 ** 32

export function writeField(memory: Memory, vmcs: number, name: VmcsFieldName, value: bigint | number): void {
  const at = vmcs + SLOT[name]
  if (typeof value === 'number' && value >= 0 && value < 2 ** 32 && !is64[name]) writeNarrow(memory, at, value)
  else writeEncoding(memory, vmcs, VMCS_FIELDS[name].encoding, BigInt(value))
}

/** A slot of at most 32 bits; the rest of the slot is 0, whatever the memory held before it was a VMCS. */
export function writeNarrow(memory: Memory, at: number, value: number): void {
  memory.write32(at, value)
  memory.write32(at + 4, 0)
}

export const isLaunched = (memory: Memory, vmcs: number): boolean => memory.read32(vmcs + LAUNCH_STATE) === 1
export const setLaunched = (memory: Memory, vmcs: number, launched: boolean): void => memory.write32(vmcs + LAUNCH_STATE, launched ? 1 : 0)
