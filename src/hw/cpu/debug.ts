/**
 * Breakpoints in DR0 to DR3 (Intel SDM, "Debug Registers"; "Debug Exceptions"). Nothing here is asked while DR7 enables none.
 *
 *     DR7: 2n local and 2n+1 global enable of DRn, 13 general detect, 17+4n:16+4n kind, 19+4n:18+4n length (1, 2, 8, 4 bytes)
 *     DR6: 3:0 what matched, 13 access to a debug register, 14 single step
 */

import { bitField, low32 } from '../../base/u64.ts'
import { CR4 } from '../../spec/cr-bits.ts'
import type { Engine } from './engine.ts'
import { Fault, VECTOR } from './faults.ts'

export const DR6 = { accessDetected: 1 << 13, singleStep: 1 << 14 } as const
const ENABLES = 0xff
const GENERAL_DETECT = 1n << 13n
const KINDS = ['execute', 'write', 'port', 'access'] as const
const LENGTHS = [1, 2, 8, 4] as const

export interface Breakpoint {
  /** Its bit in DR6. */
  readonly mask: number
  readonly isEnabled: boolean
  readonly kind: (typeof KINDS)[number]
  /** The first address, aligned to the length. */
  readonly first: bigint
  readonly bytes: number
}

/** What the debug registers ask for; null where DR7 enables nothing. */
export function breakpointsOf(dr: BigUint64Array, cr4: bigint): readonly Breakpoint[] | null {
  const dr7 = dr[7]!
  if ((low32(dr7) & ENABLES) === 0) return null
  const hasPorts = (cr4 & (1n << BigInt(CR4.DE))) !== 0n
  const rows = [0, 1, 2, 3].map((index): Breakpoint => {
    const bytes = LENGTHS[bitField(dr7, 18 + 4 * index, 2)]!
    const kind = KINDS[bitField(dr7, 16 + 4 * index, 2)]!
    const isEnabled = bitField(dr7, 2 * index, 2) !== 0
    return { mask: 1 << index, isEnabled, kind, first: dr[index]! & ~BigInt(bytes - 1), bytes }
  })
  return rows.filter(({ kind }) => kind !== 'port' || hasPorts)
}

/** Bits of DR6 for what matches; 0 unless an enabled breakpoint is among it, though those that are not show too. */
function matches(rows: readonly Breakpoint[], asked: (row: Breakpoint) => boolean): number {
  const hit = rows.filter(asked)
  return hit.some(({ isEnabled }) => isEnabled) ? hit.reduce((mask, row) => mask | row.mask, 0) : 0
}

const overlaps = ({ first, bytes }: Breakpoint, from: bigint, count: number): boolean =>
  from < first + BigInt(bytes) && first < from + BigInt(count)

export const dataMatches = (rows: readonly Breakpoint[], linear: bigint, bytes: number, isWrite: boolean): number =>
  matches(rows, row => (row.kind === 'access' || (isWrite && row.kind === 'write')) && overlaps(row, linear, bytes))

export const portMatches = (rows: readonly Breakpoint[], port: number, bytes: number): number =>
  matches(rows, row => row.kind === 'port' && overlaps(row, BigInt(port), bytes))

/** An instruction breakpoint is a fault before the instruction; its length field must be 0. */
export function raiseCodeBreakpoint(rows: readonly Breakpoint[], linear: bigint): void {
  const mask = matches(rows, row => row.kind === 'execute' && row.bytes === 1 && row.first === linear)
  if (mask !== 0) throw debugException(mask)
}

export const debugException = (debug: number): Fault => new Fault(VECTOR.DB, null, BigInt(debug))

/** With general detect, MOV of a debug register is a fault. */
export function requireDebugAccess({ registers }: Engine): void {
  if ((registers.dr[7]! & GENERAL_DETECT) !== 0n) throw debugException(DR6.accessDetected)
}

/** What a debug exception leaves in the registers when its handler is entered. */
export function recordDebugException({ registers: { dr } }: Engine, debug: bigint): void {
  dr[6] = dr[6]! | debug
  dr[7] = dr[7]! & ~GENERAL_DETECT
}
