/**
 * Logical to linear addresses outside 64-bit mode (Intel SDM, "Segment Limit Checking"; "Type Checking"; "Real-Address Mode"). In
 * 64-bit mode segments have no limits and only FS and GS a base: that path is in `linear-memory`.
 */

import { type SegmentIndex, SS } from '../../isa/operands.ts'
import { Fault, generalProtection, VECTOR } from './faults.ts'
import { BIG, isRealStyle, type OperatingMode } from './mode.ts'
import { type Cpu, type Registers, type Segment, UNUSABLE_RIGHTS } from './registers.ts'

const ADDRESS_SPACE = 2 ** 32
const CODE = 0x8
const EXPAND_DOWN = 0x4
/** Of data: writable. Of code: readable. */
const ACCESSIBLE = 0x2

/** #SS where the stack segment refuses an access, #GP where another does. */
export const segmentFault = (segment: SegmentIndex): Fault => (segment === SS ? new Fault(VECTOR.SS, 0) : generalProtection())

export interface SegmentedMemory {
  readonly cpu: Cpu
  readonly registers: Registers
  readonly mode: OperatingMode
}

/** Linear address of `bytes` bytes at an offset in a segment; faults as the access would. */
export function segmentedAddress(
  { cpu, registers, mode }: SegmentedMemory,
  segment: SegmentIndex,
  offset: bigint,
  bytes: number,
  access: 'read' | 'write',
): bigint {
  const row = cpu.segments[segment]!
  const first = Number(offset)
  if (!isAllowed(row, access, mode) || !isWithin(row, first, first + bytes - 1)) throw segmentFault(segment)
  return wrapped(registers.segmentBase[segment]! + offset)
}

/** Linear addresses have 32 bits outside 64-bit mode. */
export const wrapped = (linear: bigint): bigint => BigInt.asUintN(32, linear)

/** Real-address mode does not look at the type: what code segments hold may be written. */
function isAllowed({ accessRights }: Segment, access: 'read' | 'write', mode: OperatingMode): boolean {
  if ((accessRights & UNUSABLE_RIGHTS) !== 0) return false
  if (isRealStyle(mode)) return true
  const isAccessible = (accessRights & ACCESSIBLE) !== 0
  return (accessRights & CODE) !== 0 ? access === 'read' && isAccessible : access === 'read' || isAccessible
}

/** An expand-down segment has the offsets above its limit, up to 64 KBytes or 4 GBytes. */
export function isWithin({ accessRights, limit }: Segment, first: number, last: number): boolean {
  if ((accessRights & (CODE | EXPAND_DOWN)) !== EXPAND_DOWN) return last <= limit
  return first > limit && last < ((accessRights & BIG) !== 0 ? ADDRESS_SPACE : 0x1_0000)
}
