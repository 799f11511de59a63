/**
 * A program that uses VMX sees the same on a processor and, nested, under KVM: the outcome of each instruction, each VM exit with
 * every field that the manual defines for it, its memory, its console. The processor has what KVM offers its guest.
 */

import { afterAll, describe, expect, test } from 'vitest'
import type { Image } from '../../../src/assembler/image.ts'
import { assert } from '../../../src/base/assert.ts'
import type { RunOptions } from '../../../src/session/config.ts'
import { CPU_MODELS, type CpuFeature } from '../../../src/spec/cpu-models.ts'
import { guestImage } from '../../recorded.ts'
import { isFull, slice } from '../../slice.ts'
import { type Comparison, compare } from './compare.ts'
import { ALLOWED_DIFFERENCES, type AllowedDifference } from './differences.ts'
import { observe } from './observation.ts'
import { assembled, type Scenario } from './scenario.ts'
import { EVENT_SCENARIOS } from './scenarios-events.ts'
import { INSTRUCTION_SCENARIOS } from './scenarios-instructions.ts'
import { STATE_SCENARIOS } from './scenarios-state.ts'

/** Where the program's TSC begins in the runs that tell which values are derived from it. */
const TSC_STARTS = [0x123_4567n, 0x234_5679n, 0x1003n]

const used = new Set<AllowedDifference>()

const AS_REPORTED: RunOptions = { model: 'kvm-guest' }

/** The processor that KVM reports, with a feature besides where a row allows that. */
function processorWith(feature: CpuFeature | undefined): RunOptions {
  if (feature === undefined) return AS_REPORTED
  const row = ALLOWED_DIFFERENCES.find(candidate => 'unreported' in candidate && candidate.unreported === feature)
  assert(row !== undefined, `no allowed difference speaks of ${feature}`)
  used.add(row)
  return { ...AS_REPORTED, features: [...CPU_MODELS['kvm-guest'].features, feature] }
}

function compared(image: Image, options: RunOptions = {}, processor = AS_REPORTED): Comparison {
  const bare = (tscFrom: bigint) => observe(image, { ...options, ...processor, bare: true, guestMemoryMiB: 8 }, tscFrom)
  const nested = observe(image, { ...options, guestMemoryMiB: 8 })
  const result = compare(bare(0n), TSC_STARTS.map(bare), nested)
  for (const row of result.used) used.add(row)
  return result
}

const all: readonly Scenario[] = [...INSTRUCTION_SCENARIOS, ...EVENT_SCENARIOS, ...STATE_SCENARIOS]

/** Those that use VMX, the quick ones first. */
const GUESTS: readonly (readonly [path: string, defines: Readonly<Record<string, string>>])[] = [
  ['examples/bare-vmx.asm', {}],
  ['asm/apic-timer-vmcs.asm', {}],
  ['asm/tertiary-controls.asm', {}],
  ['asm/apic-timer-nested-defects.asm', {}],
  ['asm/apic-timer-nested-groups.asm', {}],
  ['asm/apic-timer-nested-groups.asm', { KHZ: '1000000', MULTIPLIER: '1 << 47' }],
  ['asm/timer-latency.asm', { NESTED: '', WAITS: '20' }],
]

describe('a small hypervisor and its guest', () => {
  test.each(slice(all, 24).map(scenario => [scenario.name, scenario] as const))('%s', (_, scenario) => {
    const { unreported } = scenario
    const { differences, compared: values } = compared(assembled(scenario), {}, processorWith(unreported))
    expect(differences).toEqual([])
    expect(values).toBeGreaterThan(4)
  })
})

describe('guests of the repository', () => {
  test.each(isFull ? GUESTS : GUESTS.slice(0, 4))('%s with %o', (path, defines) => {
    expect(compared(guestImage(path, defines)).differences).toEqual([])
  })
  test.each([{ apic_timer_virt: false }, { nested_apic_timer_virt: false }, { enable_apicv: false }])(
    'asm/apic-timer-vmcs.asm with %o',
    parameters => {
      expect(compared(guestImage('asm/apic-timer-vmcs.asm'), { parameters }).differences).toEqual([])
    },
  )
})

test('at most ten differences are allowed, each with its reason', () => {
  expect(ALLOWED_DIFFERENCES.length).toBeLessThanOrEqual(10)
  for (const { reason } of ALLOWED_DIFFERENCES) expect(reason).not.toBe('')
})

afterAll(() => {
  // In the full run: a row that nothing needs must go.
  if (isFull) expect(ALLOWED_DIFFERENCES.filter(row => !used.has(row))).toEqual([])
})
