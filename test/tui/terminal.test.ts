/** What the explorer asks of a terminal besides text: the clipboard, colours, the mouse; and that the statistics count what is there. */

import { expect, it } from 'vitest'
import { openTraceSource } from '../../src/tui/trace-source.ts'
import { recorded } from '../recorded.ts'
import { sitDown } from './streams.ts'

const { reader, events } = recorded('examples/one-shot.asm', { defines: { TICKS: '5' } })
const trace = openTraceSource(reader, 'one-shot.vtrace')
trace.visits.advance(Number.POSITIVE_INFINITY) // counts grow in the background otherwise
const START = { kind: 'event', index: 300 } as const
/** xterm, "Operating System Commands": 52, the selection c, base64, BEL. */
const copied = (output: string): string => {
  const [, rest = ''] = output.split('\x1b]52;c;')
  return Buffer.from(rest.split('\x07')[0]!, 'base64').toString('utf8')
}

it('y and Y put the position and the command on the clipboard, as OSC 52 has it', async () => {
  const person = await sitDown(trace, START, [110, 30])
  expect(copied(await person.type('y'))).toBe('#300')
  expect(copied(await person.type('Y'))).toBe("vtick explore one-shot.vtrace --at '#300'")
  person.explorer.stop()
})

/** The colours that select-graphic-rendition sequences set: ECMA-48, 30 to 37 and 40 to 47; 90 and 100 up; 38 and 48 with more. */
const colours = (output: string): string[] =>
  output
    .split('\x1b[')
    .flatMap(piece => /^([\d;]*)m/.exec(piece)?.[1]?.split(';') ?? [])
    .filter(code => /^(?:[349]|10)[0-8]$/.test(code))

it.each(['dark', 'light', '16', 'monochrome'] as const)('the theme %s says the same, and only monochrome has no colour', async theme => {
  const person = await sitDown(trace, START, [110, 30], { theme })
  const screen = await person.screen()
  expect(colours(person.terminal.written.join('')).length > 0).toBe(theme !== 'monochrome')
  const plain = await sitDown(trace, START, [110, 30], { theme: 'monochrome' })
  expect(screen).toEqual(await plain.screen())
  await plain.type(`:set theme ${theme}\r`)
  expect(await plain.screen()).toEqual(screen)
  for (const sitting of [person, plain]) sitting.explorer.stop()
})

/** A press as SGR mode reports it (xterm, "SGR (1006)"): button, column and row from 1. */
const mouse = (button: number, column: number, row: number): string => `\x1b[<${button};${column};${row}M`

it('a click goes to the event under it, the wheel moves three rows, and `:set mouse off` gives the mouse back', async () => {
  const person = await sitDown(trace, START, [110, 30])
  const before = await person.screen()
  const row = before.findIndex(line => / 302 L\d/.test(line))
  await person.type(mouse(0, before[row]!.indexOf(' 302 L') + 2, row + 1))
  expect((await person.screen())[0]).toContain('#302/')
  await person.type(mouse(65, before[row]!.indexOf(' 302 L') + 2, row + 1))
  expect((await person.screen())[0]).toContain('#305/')
  await person.type(mouse(64, before[row]!.indexOf(' 302 L') + 2, row + 1))
  expect((await person.screen())[0]).toContain('#302/')
  expect(await person.type(':set mouse off\r')).toContain('\x1b[?1006l')
  await person.type(mouse(65, before[row]!.indexOf(' 302 L') + 2, row + 1))
  expect((await person.screen())[0]).toContain('#302/')
  person.explorer.stop()
})

it('a click on a register moves the cursor of the state pane there', async () => {
  const person = await sitDown(trace, START, [110, 30])
  const before = await person.screen()
  const row = before.findIndex(line => line.includes('rsi 0'))
  await person.type(mouse(0, before[row]!.indexOf('rsi 0') + 1, row + 1))
  expect((await person.screen())[row]).toContain('>rsi')
  person.explorer.stop()
})

it('the statistics count the exits of the trace, and Enter goes to one of their kind', async () => {
  const person = await sitDown(trace, START, [110, 30])
  await person.type('#')
  const screen = await person.screen()
  const exits = events.filter(({ kind }) => kind === 'kvm_exit')
  expect(screen[2]).toContain(`${exits.length} exits`)
  const writes = events.filter(event => event.kind === 'kvm_exit' && event.reason === 30) // I/O instruction: SDM, "Basic Exit Reasons"
  const row = screen.findIndex(line => line.includes('IO_INSTRUCTION'))
  expect(screen[row]).toMatch(new RegExp(`IO_INSTRUCTION.* ${writes.length} +[\\d.]+% `))
  for (let n = 2; n < row; n++) await person.type('j')
  await person.type('\r')
  expect((await person.screen()).join('\n')).toMatch(/^>.*IO_INSTRUCTION|>\s*\d+ L1 ┌ +exit +IO_INSTR/m)
  person.explorer.stop()
})
