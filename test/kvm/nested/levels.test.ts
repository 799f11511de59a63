/** Every guest that does not itself use VMX prints the same at L1 and, under the stock guest hypervisor, at L2. */

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type RunOptions, resolveRunConfig } from '../../../src/session/config.ts'
import { record } from '../../../src/session/record.ts'
import { guestImage } from '../../recorded.ts'

const ROOT = join(import.meta.dirname, '..', '..', '..')
const FOLDERS = ['examples', 'asm', 'test/testing']

const sourceOf = (path: string): string => readFileSync(join(ROOT, path), 'utf8')
const usesVmx = (path: string): boolean => /%include "(vmx|nested-test|l1)\.inc"/.test(sourceOf(path))

/** Guests that write IA32_TSC, whose deadlines the stock guest hypervisor keeps in a TSC that is not the one they set. */
const WRITES_TSC = ['asm/apic-timer-defects.asm']

const guests = FOLDERS.flatMap(folder =>
  readdirSync(join(ROOT, folder))
    .filter(name => name.endsWith('.asm'))
    .map(name => `${folder}/${name}`)
    .filter(path => sourceOf(path).includes('%include "guest.inc"') && !usesVmx(path) && !WRITES_TSC.includes(path)),
)

/** What a guest measures by its TSC: its head promises such a line only as far as `...`. */
const measured = (path: string): readonly string[] =>
  sourceOf(path)
    .split('\n')
    .filter(line => line.startsWith(';') && line.endsWith('...'))
    .map(line => words(line.slice(1, -'...'.length)))

const words = (line: string): string => line.trim().replace(/\s+/g, ' ')

function comparable(path: string, text: string): readonly string[] {
  const prefixes = measured(path)
  return text.split('\n').map(line => prefixes.find(prefix => words(line).startsWith(prefix)) ?? line)
}

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
