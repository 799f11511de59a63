/** The explorer for people who listen: lines of words, no screen. */

import { expect, it } from 'vitest'
import { ALL_KEYS } from '../../src/tui/keymap.ts'
import { openTraceSource } from '../../src/tui/trace-source.ts'
import { recorded } from '../recorded.ts'
import { BYTES, type Sitting, sitDown } from './streams.ts'

const { reader, events } = recorded('examples/one-shot.asm', { defines: { TICKS: '3' } })
const trace = openTraceSource(reader, 'one-shot.vtrace')
const START = events.findIndex(event => event.kind === 'kvm_exit' && event.reason === 32) // WRMSR: SDM, "Basic Exit Reasons"

const listen = (index = START): Promise<Sitting> => sitDown(trace, { kind: 'event', index }, [80, 24], {}, { isListening: true })

/** Sequences that move the cursor, switch the screen or the mouse; and the characters that boxes are made of. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: an escape begins a sequence
const drawing = (text: string): string[] => text.match(/\x1b\[[^\x1b]*|[\u2500-\u259f]/g) ?? []

it('says where one is, a line for each movement, and draws nothing', async () => {
  const person = await listen()
  const said = [person.terminal.written.join('')]
  expect(said[0]).toMatch(/^vtick one-shot\.vtrace, apic_timer_virt=1\. .*q: quit\.\n/)
  expect(said[0]).toMatch(
    new RegExp(
      `\\n#${START} of ${events.length}, L1 exit MSR_WRITE .*, [\\d ]+ cycles later, next .*, examples/one-shot.asm line \\d+\\n$`,
    ),
  )
  for (const key of ['j', 'k', 's', 'e']) {
    const words = await person.type(key)
    expect(words.split('\n')).toHaveLength(2)
    said.push(words)
  }
  expect(said[1]).toContain(`#${START + 1} of`)
  expect(said[2]).toContain(`#${START} of`)
  expect(said[3]).toMatch(/^i:\d+ of \d+, next /)
  person.explorer.stop()
  expect(drawing(person.terminal.written.join(''))).toEqual([])
})

it('what is typed is written as it is typed, and what is found is said', async () => {
  const person = await listen(0)
  expect(await person.type('/')).toBe('/')
  expect(await person.type('e')).toBe('e')
  expect(await person.type('xit(MSR_WRITE)')).toBe('xit(MSR_WRITE)')
  expect(await person.type('\t')).toMatch(/^\n\d+ events?\n/)
  expect(await person.type('\r')).toMatch(/^\n?#\d+ of \d+, L1 exit MSR_WRITE/)
  expect(await person.type('E')).toContain('exit')
  expect(await person.type('Q')).toMatch(/^#\d+ of/) // no key: where am I
  expect(await person.type(':set theme pink\r')).toContain('one of: mouse on')
  person.explorer.stop()
})

it('a pane, a value of it, and a screen are told whole', async () => {
  const person = await listen()
  expect(await person.type('2')).toMatch(/^vmcs:\n(.*\n)*.*GUEST_RIP/)
  expect(await person.type('1')).toMatch(/^registers:\n(changed: )?rax [0-9a-f]{16}\n/)
  await person.type('\t')
  expect(await person.type('j')).toMatch(/^(changed: )?rbx [0-9a-f]{16}\n$/)
  const statistics = await person.type('#')
  expect(statistics).toMatch(/^statistics\n.*exits/)
  expect(await person.type('j')).toMatch(/samples|EPT_VIOLATION|IO_INSTRUCTION|MSR_WRITE/)
  expect(await person.type('\x1b')).toMatch(/^#\d+ of/)
  person.explorer.stop()
})

it('every key says something, in words', async () => {
  const person = await listen()
  for (const key of ALL_KEYS) {
    if (key === 'q' || key === 'ctrl-c') continue
    const words = await person.type(BYTES[key] ?? key)
    expect(words, key).not.toBe('')
    expect(
      drawing(words).filter(piece => !piece.startsWith('\x1b]')),
      key,
    ).toEqual([])
    await person.type('\x1b')
  }
  await person.type('q')
  expect(await person.explorer.left).toBe('quit')
})
