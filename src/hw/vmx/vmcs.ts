/**
 * The VMCS region in memory. The SDM leaves its format to the implementation; ours is a header and one 64-bit slot for each
 * field, in the order of the table, so that a snapshot of memory holds every VMCS.
 *
 *     +0  revision identifier     +4  VMX-abort indicator     +8  launch state (0 clear, 1 launched)     +16  slots
 */

import { assert } from '../../base/assert.ts'
import { shiftRight } from '../../base/u64.ts'
import { PAGE_SIZE } from '../../base/units.ts'
import { VMCS_FIELDS, type VmcsFieldName, widthOf } from '../../spec/vmcs-fields.ts'
import type { Memory } from '../memory.ts'

/** Distinct from the revision of KVM's vmcs12, so that a mix-up shows. */
export const VMCS_REVISION = 0x0000_0001

const LAUNCH_STATE = 8
const SLOTS = 16

const offsets = new Map<number, number>(Object.values(VMCS_FIELDS).map((row, position) => [row.encoding, SLOTS + 8 * position]))
assert(SLOTS + 8 * offsets.size <= PAGE_SIZE, 'the VMCS fits its page')

const FULL_WIDTH = (1n << 64n) - 1n
const slotMask = (encoding: number): bigint => (widthOf(encoding) === 16 ? 0xffffn : widthOf(encoding) === 32 ? 0xffff_ffffn : FULL_WIDTH)

export const hasVmcsField = (encoding: number): boolean => offsets.has(encoding & ~1) && ((encoding & 1) === 0 || widthOf(encoding) === 64)

/** VMREAD of any encoding, high halves included. */
export function readEncoding(memory: Memory, vmcs: number, encoding: number): bigint {
  const value = memory.read64(vmcs + offsets.get(encoding & ~1)!)
  return (encoding & 1) === 1 ? shiftRight(value, 32) : value
}

/** VMWRITE of any encoding: a high half leaves the low one, a narrow field takes the low bits. */
export function writeEncoding(memory: Memory, vmcs: number, encoding: number, value: bigint): void {
  const at = vmcs + offsets.get(encoding & ~1)!
  const whole = (encoding & 1) === 1 ? (memory.read64(at) & 0xffff_ffffn) | ((value & 0xffff_ffffn) << 32n) : value & slotMask(encoding)
  memory.write64(at, whole)
}

export const readField = (memory: Memory, vmcs: number, name: VmcsFieldName): bigint =>
  readEncoding(memory, vmcs, VMCS_FIELDS[name].encoding)

/** A field of at most 32 bits, or a physical address, as a number. */
export const readNumber = (memory: Memory, vmcs: number, name: VmcsFieldName): number => Number(readField(memory, vmcs, name))

export const writeField = (memory: Memory, vmcs: number, name: VmcsFieldName, value: bigint | number): void =>
  writeEncoding(memory, vmcs, VMCS_FIELDS[name].encoding, BigInt(value))

export const isLaunched = (memory: Memory, vmcs: number): boolean => memory.read32(vmcs + LAUNCH_STATE) === 1
export const setLaunched = (memory: Memory, vmcs: number, launched: boolean): void => memory.write32(vmcs + LAUNCH_STATE, launched ? 1 : 0)
