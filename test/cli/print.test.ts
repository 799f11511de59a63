/** `--print`: the exits of a run and its state at the end, live and from a trace; and what `replay` says of edited MSRs. */

import { afterAll, beforeAll, expect, test } from 'vitest'
import { Directory, guestSource } from './vtick.ts'

const place = new Directory({
  'guest.asm': guestSource('mov r12, 0x1234', 'cpuid', 'mov ecx, 0xc0000103', 'rdmsr', 'mov r13, rax', 'done: exit 0'),
})

beforeAll(async () => {
  expect((await place.vtick('run guest.asm --record guest.vtrace')).code).toBe(0)
})
afterAll(() => place.remove())

const lines = (text: string): string[] => text.split('\n').filter(line => line !== '')

test('exits are those that the filter `exit` lets through, of a whole replay, up to a place, and live', async () => {
  const { out: queried } = await place.vtick(['query', 'guest.vtrace', 'exit'])
  const reasons = lines(queried).map(line => /reason (\w+)/.exec(line)?.[1])
  expect(reasons.slice(-2)).toEqual(['CPUID', 'IO_INSTRUCTION']) // RDMSR of TSC_AUX passes; `exit 0` writes to a port
  const replayed = await place.vtick('replay guest.vtrace --print exits')
  expect(replayed.code).toBe(0)
  expect(lines(replayed.out).slice(0, -1)).toEqual(lines(queried))
  expect(lines((await place.vtick('replay guest.vtrace --to i:0 --print exits')).out)).toEqual([])
  expect(lines((await place.vtick('replay guest.vtrace --to done --print exits')).out)).toEqual(lines(queried).slice(0, -1))
  const live = await place.vtick('run guest.asm --print exits,regs')
  expect(lines(live.err).filter(line => line.startsWith('#') || line.includes('kvm_exit'))).toEqual(lines(queried))
  expect(live.err).toContain('r12 0000000000001234')
})

test('regs is the state at the end, or at --to', async () => {
  expect((await place.vtick('replay guest.vtrace --print regs')).out).toContain('r12 0000000000001234')
  const start = (await place.vtick('replay guest.vtrace --to i:0')).out
  expect(start).toContain('r12 0000000000000000')
  expect((await place.vtick('replay guest.vtrace --to i:0 --print regs')).out).toBe(start)
})

test('of a what-if it is the new run; diff then begins where it was set', async () => {
  const asked = await place.vtick('replay guest.vtrace --set msr:0xc0000103=0x55 --at i:1 --print regs -o other.vtrace')
  expect(asked.out).toContain('r13 0000000000000055')
  const { code, out } = await place.vtick('diff guest.vtrace other.vtrace --by all')
  expect(code).toBe(1)
  expect(out).toContain('msr:0xc0000103=0x55')
})

test('what cannot be printed, or set, is refused in one line', async () => {
  const wrong = await place.vtick('replay guest.vtrace --print regs,nonsense')
  expect([wrong.code, wrong.err]).toEqual([
    2,
    'vtick: --print regs,nonsense: nothing is called `nonsense`; write regs or exits, or both with a comma\n',
  ])
  const refused = await place.vtick('replay guest.vtrace --set msr:0x277=2 -o refused.vtrace') // memory type 2 is reserved
  expect(refused.code).toBe(2)
  expect(refused.err).toMatch(/^vtick: the machine refuses msr:0x277=0x2: refused.vtrace is a run without it; .*\n$/)
})
