/** What `monitor` answers at a place, and which of vtick's commands it runs with which words. */

import { expect, test } from 'vitest'
import { Breakpoints } from '../../src/gdb/breakpoints.ts'
import { monitorOf } from '../../src/gdb/monitor.ts'
import type { Here } from '../../src/gdb/session.ts'
import { openTimeline, type Place } from '../../src/session/timeline.ts'
import { recorded } from '../recorded.ts'

const { reader } = recorded('test/session/calls.asm')
const timeline = openTimeline(reader)
const ran: string[][] = []
const monitor = monitorOf(timeline, async argv => {
  ran.push([...argv])
  return 'done\n'
})
const breakpoints = new Breakpoints()
const hereAt = (place: Place): Here => ({ place, cpu: 0, breakpoints })
const start = hereAt({ instructions: 0, events: 0 })
const rip = (place: Place): bigint => timeline.atMoment(place).machine.registers[0]!.rip[0]!
const labelled = (name: string): bigint => reader.header.image.symbols.find(symbol => symbol.name === name)!.value

test('goes to positions, and to where an expression comes true, forward and back', async () => {
  const inner = (await monitor('goto inner#2', start)).place!
  expect(rip(inner)).toBe(labelled('inner'))
  const deepest = (await monitor('until ebx == 3', hereAt(inner))).place!
  expect(timeline.atMoment(deepest).machine.registers[0]!.gpr[3]).toBe(3n)
  const before = (await monitor('back rip == inner and ebx == 1', hereAt(deepest))).place!
  expect(before).toEqual(inner)
  expect((await monitor('goto nowhere', start)).text).toContain('`nowhere` is no position')
  expect((await monitor('until ebx = 3', start)).text).toBe('`=` does not fit here in `ebx = 3` at column 5; to compare, write `==`\n')
  expect((await monitor('until ebx == 77', start)).text).toBe('`ebx == 77` never comes true from here\n')
})

test('runs the commands about the trace at the place where gdb stands', async () => {
  const inner = (await monitor('goto inner#2', start)).place!
  ran.length = 0
  for (const line of ['why [counter]:4', 'dump-vmcs', 'stat --json', 'query "exit and level == 1" --count', 'replay --set rax=5'])
    expect((await monitor(line, hereAt(inner))).text).toBe('done\n')
  const at = ran[0]![1]!
  expect(at).toMatch(/^(i:|#)\d+$/)
  expect(ran).toEqual([
    ['why', at, '[counter]:4'],
    ['dump-vmcs', at],
    ['stat', '--json'],
    ['query', 'exit and level == 1', '--count'],
    ['replay', '--set', 'rax=5'],
  ])
})

test('keeps expressions to stop at, and tells which', async () => {
  expect((await monitor('break', start)).text).toBe('no expression is stopped at\n')
  await monitor('break exit(CPUID)', start)
  await monitor('break [counter]:4 == 2', start)
  expect((await monitor('break', start)).text).toBe('exit(CPUID)\n[counter]:4 == 2\n')
  expect(breakpoints.all.map(({ stop }) => stop.kind)).toEqual(['event', 'state'])
  expect((await monitor('break exit(CPUID)', start)).text).toBe('does not stop at `exit(CPUID)` any more\n')
  expect((await monitor('break exti(CPUID)', start)).text).toContain('did you mean `exit(MSR_WRITE, 0x6e0)`?')
})

test('shows events, paging entries and state; every command of `help` answers', async () => {
  const inner = hereAt((await monitor('goto inner', start)).place!)
  const lines = (await monitor('events 2', inner)).text.split('\n')
  expect(lines[2]).toMatch(new RegExp(`^> #${inner.place.events} `))
  const walk = (await monitor('walk counter', inner)).text
  expect(walk).toMatch(/PML4E\[0\].*\n.*PDPTE\[0\].*\n.*PDE\[0\].*large.*\n.*physical/)
  expect((await monitor('walk nowhere', inner)).text).toContain('`nowhere` is no label and no register')
  expect((await monitor('state vmcs', inner)).text).toMatch(/GUEST_RIP +0x/)
  expect((await monitor('state nothing', inner)).text).toBe('write one of vmcs, apic, cpu\n')
  const { text } = await monitor('help', inner)
  for (const [name] of text.matchAll(/^[a-z-]+/gm)) expect((await monitor(name, inner)).text, name).not.toContain('there is no')
  expect((await monitor('', inner)).text).toBe(text)
  expect((await monitor('wehre', inner)).text).toBe('there is no `monitor wehre`; did you mean `where`? `monitor help` lists all\n')
})
