/** The series row by row: what the table names exists; the module parameters; and the layout of vmcs12, which patch 32 documents. */

import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { VMCS12_OFFSETS, VMCS12_REVISION, VMCS12_SIZE, vmcs12Width } from '../../src/kvm/nested/vmcs12.ts'
import { vmcs12Document } from '../../src/kvm/nested/vmcs12-document.ts'
import { DEFAULT_PARAMETERS, PARAMETER_NAMES } from '../../src/kvm/parameters.ts'
import type { VmcsFieldName } from '../../src/spec/vmcs-fields.ts'

const ROOT = join(import.meta.dirname, '..', '..')
const table = readFileSync(join(ROOT, 'docs/patches.md'), 'utf8')
const rows = table.split('\n').flatMap(line => (/^\| \d+ \|/.test(line) ? [line.split('|').map(cell => cell.trim())] : []))

describe('the table of patches', () => {
  test('has the 32 rows of the series in order', () => {
    expect(rows.map(([, number]) => Number(number))).toEqual(Array.from({ length: 32 }, (_, index) => index + 1))
  })
  test('names files that exist, and tests beside every place', () => {
    for (const [, number, , where, shownBy] of rows) {
      expect(where === '-', `row ${number}`).toBe(shownBy === '-')
      for (const [, path] of `${where} ${shownBy}`.matchAll(/`([^`]+)`/g)) expect(existsSync(join(ROOT, path!)), path).toBe(true)
    }
  })
})

describe('the guide to guest tests', () => {
  const rowOf = (name: string): RegExpExecArray | null => new RegExp(`^\\| \`${name}\` \\| (\\d+) \\|`, 'm').exec(guide)
  const guide = readFileSync(join(ROOT, 'docs/testing.md'), 'utf8')
  test.each(PARAMETER_NAMES)('has %s in its table of module parameters, with its default', name => {
    expect(Number(rowOf(name)?.[1])).toBe(Number(DEFAULT_PARAMETERS[name]))
  })
})

describe('vmcs12', () => {
  // The offsets that the series' test of nested state uses, and those that the patches add.
  test.each<[VmcsFieldName, number]>([
    ['TSC_OFFSET', 88],
    ['VMCS_LINK_POINTER', 176],
    ['TSC_MULTIPLIER', 328],
    ['TERTIARY_VM_EXEC_CONTROL', 336],
    ['GUEST_CR0', 424],
    ['GUEST_CR4', 440],
    ['HOST_CR0', 584],
    ['HOST_CR4', 600],
    ['PIN_BASED_VM_EXEC_CONTROL', 744],
    ['CPU_BASED_VM_EXEC_CONTROL', 748],
    ['VM_EXIT_CONTROLS', 768],
    ['VM_ENTRY_CONTROLS', 780],
    ['SECONDARY_VM_EXEC_CONTROL', 804],
    ['VM_EXIT_INSTRUCTION_LEN', 832],
    ['HOST_CS_SELECTOR', 984],
    ['HOST_SS_SELECTOR', 986],
    ['HOST_TR_SELECTOR', 994],
    ['GUEST_PML_INDEX', 996],
    ['GUEST_APIC_TIMER_VECTOR', 998],
    ['GUEST_DEADLINE_PHY', 1000],
    ['GUEST_DEADLINE_VIR', 1008],
  ])('%s lies at %i', (name, offset) => {
    expect(VMCS12_OFFSETS.get(name)).toBe(offset)
  })
  test('fields are aligned to their width, do not overlap, and fit the page', () => {
    const taken = new Set<number>()
    for (const [name, offset] of VMCS12_OFFSETS) {
      expect(offset % vmcs12Width(name), name).toBe(0)
      for (let byte = offset; byte < offset + vmcs12Width(name); byte++) {
        expect(taken.has(byte), name).toBe(false)
        expect(byte).toBeLessThan(VMCS12_SIZE)
        taken.add(byte)
      }
    }
    expect(VMCS12_REVISION).toBe(0x11e5_7ed0)
  })
  test('the document is what the table says', () => {
    expect(readFileSync(join(ROOT, 'docs/vmcs12-layout.md'), 'utf8')).toBe(vmcs12Document())
  })
})
