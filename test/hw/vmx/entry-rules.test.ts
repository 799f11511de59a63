/**
 * Each rule of a VM entry, broken by the least change, and its nearest neighbours that pass (Intel SDM, "Checks on VMX Controls and
 * Host-State Area"; "Checking and Loading Guest State"). What passes and what does not is written down from the manual.
 */

import { describe, expect, test } from 'vitest'
import { CONTROL_CHECKS } from '../../../src/spec/vmx-entry/control-checks.ts'
import { GUEST_CHECKS, HOST_CHECKS } from '../../../src/spec/vmx-entry/state-checks.ts'
import { type Base, judgeOf } from './rules-base.ts'
import { BROKEN_CONTROLS, GOOD_CONTROLS } from './rules-control.ts'
import { BROKEN_GUEST, GOOD_GUEST } from './rules-guest.ts'
import { BROKEN_HOST, GOOD_HOST } from './rules-host.ts'
import type { Changes } from './verdict.ts'

const title = (base: Base, changes: Changes): string =>
  `${base} ${JSON.stringify(changes, (_, value) => (typeof value === 'bigint' ? `0x${value.toString(16)}` : value))}`

describe.each([
  ['control', 'error 7', BROKEN_CONTROLS, CONTROL_CHECKS],
  ['host state', 'error 8', BROKEN_HOST, HOST_CHECKS],
  ['guest state', 'exit 33', BROKEN_GUEST, GUEST_CHECKS],
] as const)('a bad %s ends as %s and names its rule', (_group, end, rows, checks) => {
  test.each(rows.map(([rule, base, changes]) => [rule, title(base, changes), base, changes] as const))(
    '%s: %s',
    (rule, _title, base, changes) => {
      const verdict = judgeOf(base).verdict(changes)
      expect(verdict.rule).toBe(rule)
      expect(verdict.end.startsWith(end)).toBe(true)
    },
  )

  test('every rule has a row', () => {
    expect(checks.map(({ rule }) => rule).filter(rule => !rows.some(row => row[0] === rule))).toEqual([])
  })
})

describe.each([
  ['controls', GOOD_CONTROLS],
  ['host state', GOOD_HOST],
  ['guest state', GOOD_GUEST],
] as const)('what the manual allows enters: %s', (_group, rows) => {
  test.each(rows.map(([base, changes]) => [title(base, changes), base, changes] as const))('%s', (_title, base, changes) => {
    expect(judgeOf(base).verdict(changes)).toEqual({ end: 'ok', rule: '' })
  })
})

test('a bad VMCS link pointer has qualification 4, a bad PDPTE 2, any other bad guest state 0', () => {
  expect(judgeOf('plain').verdict({ VMCS_LINK_POINTER: 1 }).end).toBe('exit 33, 4')
  expect(judgeOf('pae').verdict({ GUEST_PDPTR0: 0x1e7 }).end).toBe('exit 33, 2')
  expect(judgeOf('plain').verdict({ GUEST_RFLAGS: 0 }).end).toBe('exit 33, 0')
})

test('the checks come in the order of the manual: controls, host, guest', () => {
  const changes = { GUEST_RFLAGS: 0, HOST_CR0: 0, CR3_TARGET_COUNT: 5 }
  expect(judgeOf('plain').verdict(changes).end).toBe('error 7')
  expect(judgeOf('plain').verdict({ ...changes, CR3_TARGET_COUNT: 0 }).end).toBe('error 8')
  expect(judgeOf('plain').verdict({ ...changes, CR3_TARGET_COUNT: 0, HOST_CR0: 0x8005_0033n }).end).toBe('exit 33, 0')
})
