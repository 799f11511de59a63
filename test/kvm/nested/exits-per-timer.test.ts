/** The table of docs/exits-per-timer.md, counted: the difference of two numbers of ticks, by level and reason. */

import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import type { RunOptions } from '../../../src/session/config.ts'
import { exitLabel, exitStatistics } from '../../../src/trace/statistics.ts'
import { recorded } from '../../recorded.ts'

const [FEW, MANY] = [10, 30]
/** Of the waiting program; the busy one has its own. */
const HLT_PERIOD = '200000'
const PROGRAMS = { busy: 'examples/deadline-busy.asm', HLT: 'examples/deadline-hlt.asm' } as const
const PARAMETERS: Readonly<Record<string, RunOptions['parameters']>> = {
  N: { apic_timer_virt: false },
  Y: {},
  NN: { apic_timer_virt: false },
  YN: { nested_apic_timer_virt: false },
  YY: {},
}

const rows = readFileSync(new URL('../../../docs/exits-per-timer.md', import.meta.url), 'utf8')
  .split('\n')
  .filter(line => /^\| (busy|HLT) /.test(line))
  .map(line => line.split('|').map(cell => cell.trim()))

function exitsOf(path: string, options: RunOptions, ticks: number): ReadonlyMap<string, number> {
  const { reader } = recorded(path, {
    ...options,
    defines: { TICKS: String(ticks), ...(path === PROGRAMS.HLT ? { PERIOD: HLT_PERIOD } : {}) },
  })
  return new Map(exitStatistics(reader.events()).map(row => [exitLabel(row), row.samples]))
}

function exitsPerTimer(path: string, options: RunOptions): Readonly<Record<string, number>> {
  const [few, many] = [exitsOf(path, options, FEW), exitsOf(path, options, MANY)]
  const perTimer = [...many].map(([label, count]) => [label, (count - (few.get(label) ?? 0)) / (MANY - FEW)] as const)
  return Object.fromEntries(perTimer.filter(([, count]) => count !== 0))
}

describe.each(['busy', 'HLT'] as const)('%s', guest => {
  test.each(['N', 'Y', 'NN', 'YN', 'YY'])('%s', virtualization => {
    const level = virtualization.length === 1 ? 'L1' : 'L2'
    const table = rows.filter(([, program, of, letters]) => program === guest && of === level && letters === virtualization)
    const expected = Object.fromEntries(table.map(([, , , , exit, count]) => [exit, Number(count)]))
    expect(exitsPerTimer(PROGRAMS[guest], { level, parameters: PARAMETERS[virtualization] ?? {} })).toEqual(expected)
  })
})
