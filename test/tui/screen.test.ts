/** The explorer on a virtual terminal. */

import { describe, expect, it } from 'vitest'
import { ALL_KEYS } from '../../src/tui/keymap.ts'
import { openTraceSource } from '../../src/tui/trace-source.ts'
import { recorded } from '../recorded.ts'
import { BYTES, type Sitting, sitDown } from './streams.ts'

const { reader, events } = recorded('examples/one-shot.asm', { defines: { TICKS: '5' } })
const trace = openTraceSource(reader, 'one-shot.vtrace')
/** The exit of a write of the timer's initial count. */
const EXIT = events.findIndex((event, index) => event.kind === 'kvm_msr' && event.index === 0x838 && index > 280) - 1
const START = { kind: 'event', index: EXIT } as const

const SIZES = [
  [60, 15],
  [80, 24],
  [110, 30],
  [200, 50],
] as const

const ESC = '\x1b['
/** Erases the screen, or from the cursor to its end. */
const clears = (output: string): boolean => ['J', '0J', '1J', '2J', '3J'].some(code => output.includes(ESC + code))

/** The rows that a piece of output goes to. */
const rowsWritten = (output: string): number[] => output.split(ESC).flatMap(piece => /^(\d+);1H/.exec(piece)?.slice(1).map(Number) ?? [])

const sit = (size: readonly [number, number]): Promise<Sitting> => sitDown(trace, START, size)

describe.each(SIZES)('at %ix%i', (columns, rows) => {
  it('the main screen says where it is and shows the event, its neighbours and the valid keys', async () => {
    const person = await sit([columns, rows])
    const screen = await person.screen()
    expect(screen[0]).toContain('one-shot.vtrace')
    expect(screen[0]).toContain(`#${EXIT}/${events.length}`)
    expect(screen[0]).toContain('apic_timer_virt=1')
    expect(screen.join('\n')).toMatch(new RegExp(`>\\s*${EXIT} L1 ┌ exit`))
    expect(screen.join('\n')).toContain(` ${EXIT + 1} L`)
    expect(screen.at(-1)).toContain('q quit')
    expect(screen.at(-1)).toContain('? all keys')
    expect(screen).toHaveLength(rows)
    person.explorer.stop()
  })

  it('each key leaves a whole screen, and nothing is ever cleared', async () => {
    const person = await sit([columns, rows])
    for (const key of ALL_KEYS) {
      if (key === 'q' || key === 'ctrl-c') continue
      const output = await person.type(BYTES[key] ?? key)
      expect(clears(output), key).toBe(false)
      const screen = await person.screen()
      expect(screen[0], key).toContain('one-shot.vtrace')
      expect(screen.at(-1), key).toMatch(/quit|close|letter/i)
      expect(
        screen.slice(1, -1).some(line => line.length > 10),
        key,
      ).toBe(true)
      await person.type('\x1b') // what asks for more is closed
    }
    person.explorer.stop()
  })

  it('one row down writes only the lines that changed', async () => {
    const person = await sit([columns, rows])
    const before = await person.screen()
    const written = rowsWritten(await person.type('j'))
    const after = await person.screen()
    const changed = after.flatMap((line, row) => (line === before[row] ? [] : [row + 1]))
    expect(after.join('\n')).toMatch(new RegExp(`>\\s*${EXIT + 1} L`))
    for (const row of changed) expect(written).toContain(row)
    expect(written.length).toBeLessThan(rows)
    expect(new Set(written).size).toBe(written.length)
    person.explorer.stop()
  })

  it('code and registers stand there, or come with Tab', async () => {
    const person = await sit([columns, rows])
    const seen = [await person.screen()]
    for (let n = 0; n < 3; n++) {
      await person.type('\t')
      seen.push(await person.screen())
    }
    const text = seen.flat().join('\n')
    expect(text).toContain('wrmsr')
    expect(text).toContain('write_msr MSR_IA32_X2APIC')
    expect(text).toMatch(/rax [0-9a-f]{16}/)
    expect(text).toMatch(/fl {2}interrupts (on|off)/)
    person.explorer.stop()
  })
})

describe('sitting at it', () => {
  it('a step forward and one back show the same screen', async () => {
    const person = await sit([110, 30])
    await person.type('s')
    await person.type('s')
    const before = await person.screen()
    await person.type('s')
    expect(await person.screen()).not.toEqual(before)
    await person.type('S')
    expect((await person.screen()).slice(1)).toEqual(before.slice(1))
    person.explorer.stop()
  })

  it('keys that come in one go are all dealt with, in one frame', async () => {
    const person = await sit([110, 30])
    const output = await person.type('jjj')
    expect((await person.screen())[0]).toContain(`#${EXIT + 3}/`)
    expect(output.split('\x1b[?2026h')).toHaveLength(2)
    person.explorer.stop()
  })

  it('a changed register carries a star', async () => {
    const person = await sit([110, 30])
    await person.type('s')
    const screen = (await person.screen()).join('\n')
    expect(screen).toMatch(/\*rip/)
    expect(screen).toMatch(/[│ ]rbx/)
    person.explorer.stop()
  })

  it('a resize draws everything anew at the new size', async () => {
    const person = await sit([110, 30])
    for (const size of [
      [80, 24],
      [60, 15],
      [200, 50],
      [40, 10],
      [110, 30],
    ] as const) {
      await person.resize(size[0], size[1])
      const screen = await person.screen()
      expect(screen).toHaveLength(size[1])
      if (size[0] < 60) expect(screen[0]).toContain('60x15')
      else expect([screen[0], screen.at(-1)].join()).toMatch(/one-shot.*quit/)
    }
    person.explorer.stop()
  })

  it('the palette opens with ?, finds, runs what it shows, and closes with escape', async () => {
    const person = await sit([60, 15])
    await person.type('?')
    expect((await person.screen()).join('\n')).toMatch(/e +next-exit +next VM exit/)
    await person.type('\x1b')
    expect((await person.screen()).join('\n')).not.toContain('previous-exit')
    await person.type('?prevti')
    expect((await person.screen())[2]).toMatch(/^>T +previous-timer/)
    await person.type('\r')
    expect((await person.screen()).join('\n')).toMatch(/^>.* (hvtimer|avtimer|hrtimer|arm|fire|wait)/m)
    person.explorer.stop()
  })

  it.each([
    ['q', 'quit'],
    ['\x03', 'ctrl-c'],
  ])('%j gives the terminal back', async (key, reason) => {
    const person = await sit([80, 24])
    expect(person.isAlternate()).toBe(true)
    expect(person.keyboard.isRaw).toBe(true)
    await person.type(`j${key}`)
    expect(await person.explorer.left).toBe(reason)
    expect(person.explorer.place()).toBe(`#${EXIT + 1}`)
    await person.screen()
    expect(person.isAlternate()).toBe(false)
    expect(person.keyboard.isRaw).toBe(false)
    expect(person.terminal.written.join('').endsWith(`${ESC}?25h${ESC}?1049l`)).toBe(true)
  })

  const unlucky = () => {
    throw new Error('no luck')
  }

  it('an error behind a key gives the terminal back before anybody hears of it', async () => {
    const person = await sitDown({ ...trace, find: unlucky }, { kind: 'event', index: 0 }, [80, 24])
    const left = person.explorer.left.catch((error: Error) => error.message)
    await person.type('e')
    expect(await left).toBe('no luck')
    await person.screen()
    expect(person.isAlternate()).toBe(false)
    expect(person.keyboard.isRaw).toBe(false)
  })

  it('an error in the very first frame does so too', async () => {
    const person = await sitDown({ ...trace, code: unlucky }, { kind: 'event', index: 0 }, [80, 24])
    expect(await person.explorer.left.catch((error: Error) => error.message)).toBe('no luck')
    await person.screen()
    expect(person.isAlternate()).toBe(false)
  })
})
