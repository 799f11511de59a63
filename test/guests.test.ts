/**
 * The guest programs of the repository: each prints what its head promises, on the bare CPU and under KVM, and its recording
 * replays from everywhere. Then the numbers that APIC-timer virtualization is about: exits per timer.
 */

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { RunOptions } from '../src/session/config.ts'
import { replay } from '../src/session/replay.ts'
import { type GuestOptions, guest } from '../src/testing/vitest.ts'
import '../src/testing/vitest-setup.ts'
import { exitLabel, exitStatistics } from '../src/trace/statistics.ts'
import { recorded } from './recorded.ts'
import { isFull, slice } from './slice.ts'

const ROOT = join(import.meta.dirname, '..')

const guests = ['examples', 'asm'].flatMap(folder =>
  readdirSync(join(ROOT, folder))
    .filter(name => name.endsWith('.asm'))
    .map(name => `${folder}/${name}`)
    .filter(isGuest),
)

function sourceOf(guest: string): string {
  return readFileSync(join(ROOT, guest), 'utf8')
}

/** A guest that says in its head what it prints everywhere. The stock guest hypervisor is none, and guests of one test say it there. */
function isGuest(program: string): boolean {
  return sourceOf(program).includes('%include "guest.inc"') && sourceOf(program).includes('\n; Expected')
}

/** A hypervisor itself: not for L2, which has no VMX. */
const needsVmx = (guest: string): boolean => sourceOf(guest).includes('%include "vmx.inc"')

const MODES: Readonly<Record<string, Pick<GuestOptions, 'level' | 'params'>>> = {
  'the bare CPU': { level: 'L0' },
  'KVM without APIC-timer virtualization': { params: { apic_timer_virt: false } },
  'KVM with APIC-timer virtualization': { params: { apic_timer_virt: true } },
  'a guest hypervisor under KVM': { level: 'L2' },
  'a guest hypervisor without APIC-timer virtualization': { level: 'L2', params: { nested_apic_timer_virt: false } },
}

const runs = guests.flatMap(guest =>
  Object.entries(MODES)
    .filter(([, { level }]) => level !== 'L2' || !needsVmx(guest))
    .map(([mode, options]) => [guest, mode, options] as const),
)

const SUMMARY = /^SUMMARY: (\d+) tests$/

const words = (line: string): string => line.trim().replace(/\s+/g, ' ')

/** What the head of a guest says behind `Expected`, with `...` for what depends on the machine; and the input that it says. */
function promiseOf(guest: string): { readonly lines: readonly string[]; readonly input: string } {
  const lines = sourceOf(guest).split('\n')
  const start = lines.findIndex(line => line.startsWith('; Expected'))
  const end = lines.findIndex((line, index) => index > start && !line.startsWith(';  '))
  const input = /for the input line `(.*)`/.exec(lines[start] ?? '')?.[1]
  return { lines: lines.slice(start + 1, end).map(line => words(line.slice(1))), input: input === undefined ? '' : `${input}\n` }
}

const agrees = (line: string, promised: string): boolean =>
  promised.endsWith('...') ? line.startsWith(promised.slice(0, -'...'.length)) : line === promised

test('there are guests, and each says in its head what it prints', () => {
  expect(guests.length).toBeGreaterThanOrEqual(9)
  for (const guest of guests) expect(promiseOf(guest).lines.at(-1), guest).toMatch(SUMMARY)
})

describe('every guest prints what its head promises and ends with success', () => {
  test.each(runs)('%s on %s', async (program, _, options) => {
    const { lines, input } = promiseOf(program)
    const run = await guest(program)
      .with({ ...options, input })
      .run()
    expect(run).toPass()
    expect(run.end).toMatchObject({ reason: 'exit-port', status: 0 })
    const printed = run.output.map(({ text }) => words(text))
    // Some heads promise the verdicts only; what a guest shows besides is its own affair.
    expect(printed.filter(line => lines.some(promised => agrees(line, promised)))).toHaveLength(lines.length)
    expect(printed.filter(line => /^(PASS|FAIL|SUMMARY)/.test(line))).toEqual(lines.filter(line => /^(PASS|FAIL|SUMMARY)/.test(line)))
    expect(printed.filter(line => line.startsWith('PASS: '))).toHaveLength(Number(SUMMARY.exec(printed.at(-1)!)?.[1]))
  })
})

const runOptionsOf = ({ level, params }: (typeof MODES)[string]): RunOptions => ({
  bare: level === 'L0',
  ...(level === 'L2' ? { level } : {}),
  parameters: Object.fromEntries(Object.entries(params ?? {}).map(([name, value]) => [name, Boolean(value)])),
})

/** A short run, for guests that let one say how many ticks. */
const short = (guest: string) => (sourceOf(guest).includes('%ifndef TICKS') ? { defines: { TICKS: '3' } } : {})

describe('every recording is reproducible', () => {
  test.each(
    slice(
      runs.filter(([, , { params }]) => params?.apic_timer_virt !== false),
      8,
    ),
  )('%s on %s: twice the same bytes, and the same hash from every start', async (program, _, options) => {
    const { input } = promiseOf(program)
    const tested = guest(program).with({ ...options, ...short(program), input })
    expect(Buffer.compare((await tested.run()).trace, (await tested.run()).trace)).toBe(0)
    // The same with keyframes close together, which no user asks for.
    const { reader, recording } = recorded(program, {
      ...runOptionsOf(options),
      ...short(program),
      input: Buffer.from(input),
      keyframeEvents: 1500,
      keyframeInstructions: 20_000,
    })
    const same = { kind: 'same', hash: recording.hash }
    expect(replay(reader)).toMatchObject({ ...same, events: recording.events })
    if (isFull) expect(replay(reader, { caching: false })).toMatchObject(same)
    for (const keyframe of slice([...reader.keyframeIndex.keys()].slice(1), 2)) expect(replay(reader, { keyframe })).toMatchObject(same)
  })

  test.each(['asm/pte-edit.asm', 'asm/self-modify.asm'])('%s: keyframes inside what it edits', guest => {
    const { reader } = recorded(guest, { bare: true, keyframeInstructions: 600 })
    expect(reader.keyframeIndex.length).toBeGreaterThan(5)
    const { hash } = reader.end!
    for (const keyframe of slice([...reader.keyframeIndex.keys()], 4)) {
      for (const caching of [true, false]) expect(replay(reader, { keyframe, caching })).toMatchObject({ kind: 'same', hash })
    }
  })
})

async function exitsOf(program: string, params: KvmParams, ticks: number): Promise<ReadonlyMap<string, number>> {
  const run = await guest(program)
    .with({ params, defines: { TICKS: ticks } })
    .run()
  expect(run).toPass()
  return new Map(exitStatistics(run.events).map(row => [exitLabel(row), row.samples]))
}

/** What one more tick costs: the difference between a long and a short run leaves out what comes before and after the ticks. */
async function exitsPerTimer(program: string, params: KvmParams): Promise<Readonly<Record<string, number>>> {
  const [long, short] = [await exitsOf(program, params, 40), await exitsOf(program, params, 10)]
  // The digits of a number are as many exits as characters, whatever the number of ticks.
  const perTimer = [...long].map(([label, count]) => [label, (count - (short.get(label) ?? 0)) / 30] as const)
  return Object.fromEntries(perTimer.filter(([, count]) => count !== 0))
}

type KvmParams = NonNullable<GuestOptions['params']>

const DEADLINE_WRITE = 'L1 MSR_WRITE 6e0 (IA32_TSC_DEADLINE)'
const EOI_WRITE = 'L1 MSR_WRITE 80b (IA32_X2APIC_EOI)'
const BUSY = 'examples/deadline-busy.asm'
const HLT = 'examples/deadline-hlt.asm'

describe('exits per timer', () => {
  test.each([
    [
      'busy, feature off: arming exits and expiry exits',
      BUSY,
      { apic_timer_virt: false },
      { [DEADLINE_WRITE]: 1, 'L1 PREEMPTION_TIMER': 1 },
    ],
    ['busy, feature on: none', BUSY, { apic_timer_virt: true }, {}],
    ['HLT, feature off: arming exits and HLT exits', HLT, { apic_timer_virt: false }, { [DEADLINE_WRITE]: 1, 'L1 HLT': 1 }],
    ['HLT, feature on: HLT exits', HLT, { apic_timer_virt: true }, { 'L1 HLT': 1 }],
    [
      'busy, feature off, no preemption timer: expiry is an interrupt of the host',
      BUSY,
      { apic_timer_virt: false, preemption_timer: false },
      { [DEADLINE_WRITE]: 1, 'L1 EXTERNAL_INTERRUPT': 1 },
    ],
    [
      'busy, no APICv: falls back, and each EOI exits',
      BUSY,
      { apic_timer_virt: true, enable_apicv: false },
      { [DEADLINE_WRITE]: 1, 'L1 PREEMPTION_TIMER': 1, [EOI_WRITE]: 1 },
    ],
  ])('%s', async (_, program, params, expected) => {
    expect(await exitsPerTimer(program, params)).toEqual(expected)
  })
})

describe('modes that the hardware does not carry fall back, and the trace says so', () => {
  const states = async (program: string): Promise<number[]> =>
    (await guest(program).run()).events.flatMap(event => (event.kind === 'kvm_apic_virt_timer_state' ? [event.apic_virt_timer] : []))

  test('TSC-deadline mode is carried once it is set', async () => expect(await states(BUSY)).toEqual([1]))
  test('one-shot mode ends it', async () => expect(await states('examples/one-shot.asm')).toEqual([1, 0]))
  test('masking the LVT entry ends it', async () => expect(await states('examples/masked.asm')).toEqual([1, 0]))
})
