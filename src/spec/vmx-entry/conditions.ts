/** What the rows of the entry checks are put together from. */

import { shiftRight } from '../../base/u64.ts'
import { PAGE_SIZE } from '../../base/units.ts'
import { isCanonical, PHYSICAL_ADDRESS_BITS } from '../address-width.ts'
import type { VmcsFieldName } from '../vmcs-fields.ts'
import type { ControlName } from '../vmx-controls.ts'
import type { EntryState } from './entry-check.ts'

type Condition = (state: EntryState) => boolean

/** The condition counts only where the control is 1. */
export const given =
  (control: ControlName, condition: Condition): Condition =>
  v =>
    !v.has(control) || condition(v)

export const hasBit = (word: bigint, position: number): boolean => (shiftRight(word, position) & 1n) === 1n

export const isWithinPhysicalWidth = (address: bigint): boolean => shiftRight(address, PHYSICAL_ADDRESS_BITS) === 0n

const isPhysicalPage = (address: bigint): boolean => address % BigInt(PAGE_SIZE) === 0n && isWithinPhysicalWidth(address)

/** Every field holds the address of a page. */
export const arePages =
  (...fields: VmcsFieldName[]): Condition =>
  v =>
    fields.every(field => isPhysicalPage(v.get(field)))

/** Registers that hold a linear address are judged by the widest one that the processor has (SDM, "Canonicality Checking"). */
export const areCanonical =
  (...fields: VmcsFieldName[]): Condition =>
  v =>
    fields.every(field => isCanonical(v.get(field), v.linearBits))

const PAT_TYPES: ReadonlySet<number> = new Set([0, 1, 4, 5, 6, 7])

/** Each of the eight bytes is a memory type: UC, WC, WT, WP, WB or UC-. */
export const isPat = (value: bigint): boolean =>
  [0, 8, 16, 24, 32, 40, 48, 56].every(position => PAT_TYPES.has(Number(shiftRight(value, position) & 0xffn)))

/** The event that the entry injects: none, or its type, vector and error-code bit. */
export function injected(v: EntryState): { type: number; vector: number; deliversCode: boolean } | null {
  const information = v.number('VM_ENTRY_INTR_INFO_FIELD')
  if (information >>> 31 === 0) return null
  return { type: (information >>> 8) & 7, vector: information & 0xff, deliversCode: ((information >>> 11) & 1) === 1 }
}

/** Types of the VM-entry interruption information (SDM, "VM-Entry Controls for Event Injection"); 1 is reserved. */
export const INJECTION = { external: 0, nmi: 2, hardware: 3, software: 4, privileged: 5, softwareException: 6, other: 7 } as const
