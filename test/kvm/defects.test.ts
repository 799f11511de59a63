/** The series' mistakes as switches: each of the checks passes without them, and exactly one fails with each. */

import { describe, expect, test } from 'vitest'
import { DEFECT_NAMES, type DefectName } from '../../src/kvm/defects.ts'
import { type RunOptions, resolveRunConfig } from '../../src/session/config.ts'
import { record } from '../../src/session/record.ts'
import { replay } from '../../src/session/replay.ts'
import { memorySink, openTrace } from '../../src/trace/file.ts'
import { guestImage } from '../recorded.ts'
import { run, started } from './rig.ts'

interface Check {
  readonly guest: string
  readonly title: string
  readonly khz?: number
  readonly sweep?: boolean
  readonly parameters?: RunOptions['parameters']
}

const L1 = 'asm/apic-timer-defects.asm'
const NESTED = 'asm/apic-timer-nested-defects.asm'

/** Where each shows. A deadline within a tick needs a guest's TSC that is faster than the host's, and a timer without the advance. */
const CHECKS: Readonly<Record<DefectName, Check>> = {
  'scaled-offset': { guest: L1, title: 'a deadline outlives that LVTT is masked for a moment', khz: 1_000_000 },
  'rounded-down': {
    guest: L1,
    title: 'no deadline is held for ever for coming within a tick',
    khz: 2_000_000_000,
    sweep: true,
    parameters: { lapic_timer_advance: false },
  },
  'stale-vector': { guest: L1, title: 'the timer interrupts at the vector that LVTT has now' },
  'stale-deadline': { guest: L1, title: 'the deadline is one of the TSC as it is now' },
  'stale-vmcs01': { guest: NESTED, title: 'outside TSC-deadline mode the deadline reads 0' },
  'stale-high-half': { guest: NESTED, title: 'the high half of the shadow is what L2 wrote' },
  'cleared-shadow': { guest: NESTED, title: 'the shadow outlives a run of L2 without the timer' },
  'missing-wakeup': { guest: NESTED, title: 'a halted L2 wakes at its deadline' },
}

function consoleOf({ guest, khz, sweep, parameters }: Check, defects: readonly DefectName[]): string[] {
  const defines = { ...(khz === undefined ? {} : { KHZ: String(khz) }), ...(sweep ? { SWEEP: '' } : {}) }
  const made = started(guest, { defects, defines, ...(parameters === undefined ? {} : { parameters }) })
  const { console } = run(made, vcpu => khz !== undefined && vcpu.setTscKhz(khz))
  return console.trimEnd().split('\n')
}

describe.each(DEFECT_NAMES)('%s', name => {
  const check = CHECKS[name]
  test('without it every check passes', () => {
    const lines = consoleOf(check, [])
    expect(lines).toContain(`PASS: ${check.title}`)
    expect(lines.at(-1)).toMatch(/^SUMMARY: [34] tests$/)
  })
  test('with it its check does not pass, and those before it do', () => {
    const lines = consoleOf(check, [name])
    expect(lines).not.toContain(`PASS: ${check.title}`)
    expect(lines.at(-1)).not.toMatch(/^SUMMARY: [34] tests$/)
    const verdicts = lines.filter(line => /^(PASS|FAIL)/.test(line))
    const failed = verdicts.filter(line => line.startsWith('FAIL'))
    // An L2 that never wakes ends the run.
    expect(failed).toEqual(name === 'missing-wakeup' ? [] : [`FAIL: ${check.title}`])
  })
})

test('a trace holds the defects, and its replay makes them too', () => {
  const sink = memorySink()
  const config = resolveRunConfig({ defects: ['stale-vector'] })
  const { hash } = record(config, guestImage(L1), { sink })
  const trace = openTrace(sink.bytes())
  expect(trace.header.config.defects).toEqual(['stale-vector'])
  expect(replay(trace)).toMatchObject({ kind: 'same', hash })
})
