/** The VMCS fields against the encoding rule of the SDM and against the facts of APIC-timer virtualization. */

import { describe, expect, test } from 'vitest'
import {
  groupOf,
  indexOf,
  isHighHalf,
  VMCS_FIELD_NAMES,
  VMCS_FIELDS,
  type VmcsFieldName,
  vmcsFieldOf,
  widthOf,
} from '../../src/spec/vmcs-fields.ts'
import { VMCS_FIELDS_16, VMCS_FIELDS_32 } from '../../src/spec/vmcs-fields-16-and-32.ts'
import { VMCS_FIELDS_64 } from '../../src/spec/vmcs-fields-64.ts'
import { VMCS_FIELDS_NATURAL } from '../../src/spec/vmcs-fields-natural.ts'

const fields = Object.entries(VMCS_FIELDS).map(([name, row]) => [name as VmcsFieldName, row.encoding] as const)

/** Fields that exist only with FRED. */
const belongsToFred = (name: string): boolean => /FRED|EVENT_DATA/.test(name)

describe('a VMCS field encoding', () => {
  test.each(fields)('%s keeps the reserved bits zero and names the whole field', (_, encoding) => {
    expect(encoding & ~0x6fff).toBe(0)
    expect(isHighHalf(encoding)).toBe(false)
  })

  test.each([
    [16, VMCS_FIELDS_16],
    [64, VMCS_FIELDS_64],
    [32, VMCS_FIELDS_32],
    ['natural', VMCS_FIELDS_NATURAL],
  ] as const)('says the width of its table: %s', (width, table) => {
    for (const row of Object.values(table)) expect(widthOf(row.encoding)).toBe(width)
  })

  test('belongs to one field', () => {
    expect(new Set(fields.map(([, encoding]) => encoding)).size).toBe(fields.length)
  })

  test.each(fields.filter(([name]) => name.startsWith('HOST_')))('%s is host state', (_, encoding) => {
    expect(groupOf(encoding)).toBe('host-state')
  })

  test('is put together from width, group and index', () => {
    const widths = [16, 64, 32, 'natural']
    const groups = ['control', 'exit-information', 'guest-state', 'host-state']
    for (const [, encoding] of fields) {
      const parts = (widths.indexOf(widthOf(encoding)) << 13) | (groups.indexOf(groupOf(encoding)) << 10) | (indexOf(encoding) << 1)
      expect(parts).toBe(encoding)
    }
  })
})

test.each([
  ['GUEST_APIC_TIMER_VECTOR', 0x000a, 16, 'control', 0x05],
  ['GUEST_DEADLINE_VIR', 0x204e, 64, 'control', 0x27],
  ['GUEST_DEADLINE_PHY', 0x2830, 64, 'guest-state', 0x18],
  ['TERTIARY_VM_EXEC_CONTROL', 0x2034, 64, 'control', 0x1a],
] as const)('%s is %i: %s bits, %s, index %i', (name, encoding, width, group, index) => {
  expect(VMCS_FIELDS[name].encoding).toBe(encoding)
  expect([widthOf(encoding), groupOf(encoding), indexOf(encoding)]).toEqual([width, group, index])
})

test('the highest index is that of the deadline shadow, or of the injected-event data with FRED', () => {
  const highest = (list: typeof fields) => Math.max(...list.map(([, encoding]) => indexOf(encoding)))
  expect(2 * highest(fields.filter(([name]) => !belongsToFred(name)))).toBe(0x4e)
  expect(2 * highest(fields)).toBe(0x52)
})

test('an encoding leads back to its field, a high half to the field that it is half of', () => {
  for (const [name, encoding] of fields) {
    expect(VMCS_FIELD_NAMES.get(encoding)).toBe(name)
    expect(vmcsFieldOf(encoding)).toBe(name)
    expect(vmcsFieldOf(encoding + 1)).toBe(widthOf(encoding) === 64 ? name : undefined)
  }
  expect(vmcsFieldOf(0x7ffe)).toBeUndefined()
})
