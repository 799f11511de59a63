/** Several CPUs in one machine: start-up, messages between them, locks, turns; and that none of it depends on how a run is cut. */

import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { createMachine, resolveConfig } from '../../src/hw/machine.ts'
import { retired, run } from '../../src/hw/run.ts'
import { hashMachine, restoreSnapshot, takeSnapshot } from '../../src/hw/snapshot.ts'
import { replay } from '../../src/session/replay.ts'
import { openTrace } from '../../src/trace/file.ts'
import { bootBare } from '../../src/vmm/bare.ts'
import { longModeBoot } from '../../src/vmm/boot.ts'
import { guestImage, recorded } from '../recorded.ts'
import { slice } from '../slice.ts'

const GUEST = 'test/hw/smp.asm'
const options = (cpus: number) => ({ bare: true, cpus, defines: { CPUS: String(cpus) } })

function booted(cpus: number, turnTicks?: number) {
  const machine = createMachine(resolveConfig({ memoryMiB: 8, cpus, ...(turnTicks === undefined ? {} : { turnTicks }) }))
  bootBare(machine, longModeBoot(guestImage(GUEST, { CPUS: String(cpus) })))
  return machine
}

describe.each([1, 2, 4])('%s CPUs', cpus => {
  test('start, count under a lock, print and answer an interrupt', () => {
    const { console, recording } = recorded(GUEST, options(cpus))
    const lines = console.trim().split('\n')
    expect(recording.end).toMatchObject({ reason: 'exit-port', status: 0 })
    expect(lines.filter(line => /^\d$/.test(line)).sort()).toEqual(Array.from({ length: cpus - 1 }, (_, index) => String(index + 1)))
    expect(lines.slice(-3)).toEqual(['PASS: no increment under the lock is lost', 'PASS: no locked increment is lost', 'SUMMARY: 2 tests'])
  })

  test('stopping after any number of instructions and restoring a snapshot changes nothing', () => {
    const straight = booted(cpus)
    run(straight, 40_000)
    const cut = booted(cpus)
    for (let stop = 0; stop < 40_000; stop += 1733) run(cut, stop)
    const other = booted(cpus)
    restoreSnapshot(other, takeSnapshot(cut, false))
    for (const machine of [cut, other]) {
      run(machine, 40_000)
      expect([retired(machine), hashMachine(machine)]).toEqual([retired(straight), hashMachine(straight)])
    }
  })
})

const HOSTS = ['bare', 'kvm'] as const
const CASES = [1, 2, 4].flatMap(cpus => HOSTS.map(host => [cpus, host] as const))

test.each(CASES)('%s CPUs (%s): a recording has the same hash in another process, replayed whole and from keyframes', (cpus, host) => {
  const { reader, recording } = recorded(GUEST, { ...options(cpus), bare: host === 'bare', keyframeInstructions: 9_000 })
  const folder = mkdtempSync(join(tmpdir(), 'vtick-smp-'))
  const file = join(folder, 'smp.vtrace')
  const script = fileURLToPath(new URL('record-smp.ts', import.meta.url))
  const child = spawnSync(process.execPath, ['--import', 'tsx', script, String(cpus), host, file], { encoding: 'utf8' })
  expect(child.stderr).toBe('')
  const other = openTrace(readFileSync(file))
  rmSync(folder, { recursive: true })
  expect(recording.end).toMatchObject({ reason: 'exit-port', status: 0 })
  const same = { kind: 'same', hash: recording.hash }
  expect(replay(other)).toMatchObject(same)
  for (const keyframe of slice([...reader.keyframeIndex.keys()], 3))
    expect(replay(reader, { keyframe, caching: keyframe % 2 === 0 })).toMatchObject(same)
})

test('the length of a turn decides how CPUs interleave, and is part of the configuration', () => {
  const ticksOf = (turnTicks: number): number => {
    const machine = booted(4, turnTicks)
    expect(run(machine, 3_000_000)).toBe('ended')
    return machine.tick
  }
  expect(ticksOf(500)).toBe(ticksOf(500))
  expect(ticksOf(500)).not.toBe(ticksOf(20_000))
})

test('a machine of waiting CPUs is idle', () => {
  const machine = booted(2)
  machine.cpus[0]!.activity = 'hlt'
  expect(run(machine)).toBe('idle')
})
