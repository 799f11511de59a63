/** Every guest that does not itself use VMX prints the same at L1 and, under the stock guest hypervisor, at L2. */

import { describe, expect, test } from 'vitest'
import { type RunOptions, resolveRunConfig } from '../../../src/session/config.ts'
import { record } from '../../../src/session/record.ts'
import { guestImage } from '../../recorded.ts'
import { comparable, guestPrograms, usesVmx } from '../measured.ts'

const guests = guestPrograms.filter(path => !usesVmx(path))

const INPUT = Buffer.from('a line of input\n')

function outcome(path: string, options: RunOptions): { console: readonly string[]; reason: string; status: number } {
  const bytes: number[] = []
  const observe = (event: { kind: string; byte?: number }): void => {
    if (event.kind === 'console') bytes.push(event.byte!)
  }
  const { end } = record(resolveRunConfig(options), guestImage(path), { input: INPUT, observe, maxInstructions: 5_000_000 })
  return { console: comparable(path, Buffer.from(bytes).toString('latin1')), reason: end.reason, status: end.status }
}

test('there are such guests', () => expect(guests.length).toBeGreaterThanOrEqual(8))

describe.each([{}, { apic_timer_virt: false }, { nested_apic_timer_virt: false }])('with %o', parameters => {
  test.each(guests)('%s', path => {
    const l1 = outcome(path, { level: 'L1', parameters })
    expect(outcome(path, { level: 'L2', parameters })).toEqual(l1)
    expect(l1).toMatchObject({ reason: 'exit-port' })
  })
})
