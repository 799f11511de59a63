/**
 * Every field of the VMCS by its encoding (Intel SDM, "Field Encoding in VMCS"). Names are Linux's (`asm/vmx.h`); where Linux has
 * none, ours follows its pattern. What the encoding itself says (width, group, index, high half) is no row's business:
 *
 *      31      15 14  13  12  11  10  9          1   0
 *     +----------+-------+---+-------+------------+------+
 *     |    0     | width | 0 | group |   index    | high |
 *     +----------+-------+---+-------+------------+------+
 *      width: 0 = 16 bits, 1 = 64, 2 = 32, 3 = natural     group: 0 = control, 1 = exit information, 2 = guest, 3 = host state
 */

import { VMCS_FIELDS_16, VMCS_FIELDS_32 } from './vmcs-fields-16-and-32.ts'
import { VMCS_FIELDS_64 } from './vmcs-fields-64.ts'
import { VMCS_FIELDS_NATURAL } from './vmcs-fields-natural.ts'

export interface VmcsFieldRow {
  /** The full encoding; a 64-bit field's high half is this plus 1. */
  readonly encoding: number
  readonly sdm: string
}

export const VMCS_FIELDS = {
  ...VMCS_FIELDS_16,
  ...VMCS_FIELDS_64,
  ...VMCS_FIELDS_32,
  ...VMCS_FIELDS_NATURAL,
} as const satisfies Readonly<Record<string, VmcsFieldRow>>

export type VmcsFieldName = keyof typeof VMCS_FIELDS
export type VmcsWidth = 16 | 32 | 64 | 'natural'
export type VmcsGroup = 'control' | 'exit-information' | 'guest-state' | 'host-state'

export const widthOf = (encoding: number): VmcsWidth => ([16, 64, 32, 'natural'] as const)[(encoding >> 13) & 3]!

export const groupOf = (encoding: number): VmcsGroup =>
  (['control', 'exit-information', 'guest-state', 'host-state'] as const)[(encoding >> 10) & 3]!

export const indexOf = (encoding: number): number => (encoding >> 1) & 0x1ff

/** Whether it names bits 63:32 of a 64-bit field. */
export const isHighHalf = (encoding: number): boolean => (encoding & 1) === 1

/** From the full encoding to the field. */
export const VMCS_FIELD_NAMES: ReadonlyMap<number, VmcsFieldName> = new Map(
  Object.entries(VMCS_FIELDS).map(([name, row]) => [row.encoding, name as VmcsFieldName]),
)

/** The field that an encoding names, in whole or by its high half. */
export const vmcsFieldOf = (encoding: number): VmcsFieldName | undefined =>
  isHighHalf(encoding) && widthOf(encoding) !== 64 ? undefined : VMCS_FIELD_NAMES.get(encoding - (encoding & 1))

/** Bits of the interruptibility state. */
export const BLOCKING = { sti: 1, movSs: 2, smi: 4, nmi: 8 } as const
