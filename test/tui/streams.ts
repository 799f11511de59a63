/** A keyboard and a terminal in memory: what a person would type, and what they would see. */

import { EventEmitter } from 'node:events'
import { PassThrough } from 'node:stream'
import xterm from '@xterm/headless'
import type { Place } from '../../src/query/position.ts'
import { type Explorer, type ExplorerOptions, startExplorer } from '../../src/tui/explorer.tsx'
import type { TraceSource } from '../../src/tui/trace-source.ts'

const settled = (): Promise<void> => new Promise(resolve => setTimeout(resolve, 0))

/** Columns and rows: the smallest that the explorer fits in, the usual one, a large one, a very large one. */
export const SIZES = [
  [60, 15],
  [80, 24],
  [120, 40],
  [300, 100],
] as const

/** What a terminal sends for the keys that have names. */
export const BYTES: Readonly<Record<string, string>> = {
  'ctrl-d': '\x04',
  'ctrl-u': '\x15',
  'ctrl-c': '\x03',
  down: '\x1b[B',
  up: '\x1b[A',
  pagedown: '\x1b[6~',
  pageup: '\x1b[5~',
  home: '\x1b[H',
  end: '\x1b[F',
  tab: '\t',
  'shift-tab': '\x1b[Z',
  escape: '\x1b',
  left: '\x1b[D',
  right: '\x1b[C',
  space: ' ',
  return: '\r',
}

class FakeTerminal extends EventEmitter {
  columns: number
  rows: number
  readonly written: string[] = []
  readonly screen: InstanceType<typeof xterm.Terminal>

  constructor(columns: number, rows: number) {
    super()
    this.columns = columns
    this.rows = rows
    this.screen = new xterm.Terminal({ cols: columns, rows, allowProposedApi: true, scrollback: 100 })
  }

  write(text: string): boolean {
    this.written.push(text)
    this.screen.write(text)
    return true
  }
}

class FakeKeyboard extends PassThrough {
  readonly isTTY = true
  isRaw = false
  setRawMode(raw: boolean): this {
    this.isRaw = raw
    return this
  }
  ref(): this {
    return this
  }
  unref(): this {
    return this
  }
}

export interface Sitting {
  readonly explorer: Explorer
  readonly terminal: FakeTerminal
  readonly keyboard: FakeKeyboard
  /** Types, and gives what was written to the terminal because of it. */
  type(text: string): Promise<string>
  resize(columns: number, rows: number): Promise<void>
  /** The rows of the screen as text. */
  screen(): Promise<string[]>
  readonly isAlternate: () => boolean
}

/** Somebody sits down in front of the explorer. */
export async function sitDown(
  trace: TraceSource,
  place: Place,
  [columns, rows]: readonly [number, number],
  start: ExplorerOptions['start'] = {},
  more: Pick<ExplorerOptions, 'marks' | 'isListening'> = {},
): Promise<Sitting> {
  const terminal = new FakeTerminal(columns, rows)
  const keyboard = new FakeKeyboard()
  const explorer = startExplorer(trace, place, {
    streams: { stdin: keyboard as unknown as NodeJS.ReadStream, terminal },
    start,
    ...more,
  })
  explorer.left.catch(() => {}) // whoever wants to know waits for it
  const quiet = async (): Promise<void> => {
    for (let n = 0; n < 4; n++) await settled()
    await new Promise<void>(resolve => terminal.screen.write('', resolve))
  }
  await quiet()
  return {
    explorer,
    terminal,
    keyboard,
    async type(text) {
      const before = terminal.written.length
      keyboard.write(text)
      await quiet()
      return terminal.written.slice(before).join('')
    },
    async resize(newColumns, newRows) {
      terminal.columns = newColumns
      terminal.rows = newRows
      terminal.screen.resize(newColumns, newRows)
      terminal.emit('resize')
      await quiet()
    },
    async screen() {
      await quiet()
      const { active } = terminal.screen.buffer
      return Array.from({ length: terminal.rows }, (_, row) => active.getLine(active.baseY + row)?.translateToString(true) ?? '')
    },
    isAlternate: () => terminal.screen.buffer.active.type === 'alternate',
  }
}
