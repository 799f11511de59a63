/** The why screen: what the cursor stands on, its chain, and the ways on from there. */

import { expect, it } from 'vitest'
import { openTraceSource } from '../../src/tui/trace-source.ts'
import { recorded } from '../recorded.ts'
import { type Sitting, sitDown } from './streams.ts'

const { reader, events } = recorded('examples/deadline-busy.asm', { defines: { TICKS: '2' }, level: 'L2' })
const trace = openTraceSource(reader, 'nested.vtrace')
const fired = events.findLastIndex(({ kind }) => kind === 'apic_timer_fire')
const taken = events.findIndex((event, index) => index > fired && event.kind === 'interrupt' && event.source === 'virtual')
const armed = events.findLastIndex(({ kind }, index) => kind === 'apic_timer_arm' && index < fired)

const sit = (index: number, size: readonly [number, number] = [124, 32]): Promise<Sitting> => sitDown(trace, { kind: 'event', index }, size)

/** The screen when the looking back has ended. */
async function answered(person: Sitting): Promise<readonly string[]> {
  for (;;) {
    const screen = await person.screen()
    if (!screen.join('\n').includes('looking back')) return screen
  }
}

it.each([
  [60, 15],
  [80, 24],
  [124, 32],
  [200, 50],
] as const)('w at an interrupt shows how it came about, and Enter goes to a step (%ix%i)', async (columns, rows) => {
  const person = await sit(taken, [columns, rows])
  await person.type('w')
  const screen = await answered(person)
  expect(screen[1]).toContain('[why irq:0xec]')
  expect(screen[3]).toMatch(new RegExp(`^> *#${taken} +L2 +vector 0xec delivered \\(virtual\\)`))
  const row = screen.findIndex(line => line.includes(`#${armed} `)) // SDM: the timer was armed by the WRMSR of the deadline
  expect(screen[row]).toContain('guest timer armed')
  for (let n = 3; n < row; n++) await person.type('j')
  await person.type('\r')
  expect((await person.screen())[0]).toContain(`#${armed}/`)
  await person.type('<')
  expect((await person.screen())[0]).toContain(`#${taken}/`)
  person.explorer.stop()
})

it('the last row asks about an operand, and Esc comes back to the question before', async () => {
  const person = await sit(taken)
  await person.type('w')
  await answered(person)
  await person.type('\x1b[F') // End: the last operand
  expect((await person.screen()).find(line => line.startsWith('>'))).toMatch(/why rdx *$/)
  await person.type('\r')
  const screen = await answered(person)
  // `read_tsc` ends in `shl rdx, 32; or rax, rdx`: RDX is the upper half of RDTSC.
  expect(screen[1]).toContain('[why rdx]')
  expect(screen.join('\n')).toMatch(/rdx <- rdtsc|rdtsc/)
  await person.type('\x1b')
  expect((await person.screen())[1]).toContain('[why irq:0xec]')
  await person.type('q')
  expect((await person.screen())[1]).toContain('[events]')
  person.explorer.stop()
})

it('in the state pane the cursor chooses the register, the field or the bytes that w asks about', async () => {
  const person = await sit(armed)
  const asked = async (keys: string): Promise<string | undefined> => {
    await person.type(keys)
    await person.type('w')
    const screen = await answered(person)
    await person.type('\x1b')
    return /\[why ([^\]]+\]?[^\]]*)\]/.exec(screen[1]!)?.[1]
  }
  await person.type('\t')
  expect((await person.screen()).join('\n')).toContain('>rax ')
  expect(await asked('')).toBe('rax')
  expect(await asked('jjj')).toBe('rdx') // RAX, RBX, RCX, RDX
  expect(await asked('k')).toBe('rcx')
  expect(await asked('2')).toMatch(/^vmcs\.[A-Z0-9_]+$/)
  expect(await asked('4jjjjjjj')).toMatch(/^\[0x[0-9a-f_]+\]:8$/)
  person.explorer.stop()
})

it('( and ) go to the changes of the register under the cursor', async () => {
  const person = await sit(armed)
  await person.type('\tjj(') // RCX, which held the index of the MSR
  for (let n = 0; n < 200 && (await person.screen()).at(-1)!.includes('running'); n++);
  // The handler of the interrupt before saved RCX, and brings the MSR's index back as its last act but two.
  expect((await person.screen()).join('\n')).toMatch(/>rcx 0{13}80b/)
  expect((await person.screen()).join('\n')).toMatch(/^> +\w+ +pop rcx /m)
  await person.type('s')
  expect((await person.screen()).join('\n')).toMatch(/>rcx 0{13}6e0/)
  person.explorer.stop()
})

it(':why takes what is typed and completes it; what is no location says so', async () => {
  const person = await sit(armed)
  await person.type(':why vmcs.GUEST_APIC_TIMER_V\t\r')
  expect((await answered(person))[1]).toContain('[why vmcs.GUEST_APIC_TIMER_VECTOR]')
  await person.type('\x1b')
  await person.type(':why nonsense\r')
  expect((await person.screen()).at(-1)).toContain('`nonsense` is no location')
  person.explorer.stop()
})

it('where the row is about no one thing, w lets one be named', async () => {
  const person = await sit(events.findIndex(({ kind }) => kind === 'kvm_entry'))
  await person.type('w')
  expect((await person.screen()).at(-1)).toMatch(/^:why /)
  person.explorer.stop()
})
