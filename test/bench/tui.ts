/**
 * How fast the explorer is on a trace of a million events: the first screen from the shell, a key to its finished frame, a filter over
 * everything, a held key, memory. `npm run bench:tui` prints each with the figure it is to stay under.
 */

import { spawn, spawnSync } from 'node:child_process'
import { EventEmitter } from 'node:events'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { PassThrough } from 'node:stream'

process.env.NODE_ENV = 'production'
const { openTrace } = await import('../../src/trace/file.ts')
const { startExplorer } = await import('../../src/tui/explorer.tsx')
const { openTraceSource } = await import('../../src/tui/trace-source.ts')

const ROOT = resolve(import.meta.dirname, '../..')
const VTICK = join(ROOT, 'dist/cli/main.js')
const TRACE = join(tmpdir(), 'vtick-million.vtrace')

function recordTrace(): void {
  const args = ['run', join(ROOT, 'test/bench/million.asm'), '-D', 'ROUNDS=84000', '--param', 'apic_timer_virt=0', '--record', TRACE]
  const { status } = spawnSync(process.execPath, [VTICK, ...args], { stdio: 'inherit' })
  if (status !== 0) throw new Error('the trace was not recorded')
}

function report(what: string, value: number, most: number, unit = 'ms'): void {
  const verdict = value <= most ? 'ok  ' : 'MORE'
  process.stdout.write(`${verdict}  ${what.padEnd(52)} ${value.toFixed(1).padStart(8)} ${unit}  (at most ${most})\n`)
}

/** From the start of the process until its first frame stands, and until one with the registers does, in a terminal of 120x40. */
function firstScreen(): Promise<{ readonly frame: number; readonly whole: number }> {
  const start = performance.now()
  const command = `stty cols 120 rows 40; exec ${process.execPath} ${VTICK} explore ${TRACE} --at 50%`
  const child = spawn('script', ['-qfec', command, '/dev/null'], { stdio: ['pipe', 'pipe', 'inherit'] })
  return new Promise((settle, fail) => {
    let seen = ''
    let frame = 0
    child.stdout.on('data', (bytes: Buffer) => {
      seen += bytes.toString('latin1')
      if (!seen.includes('\x1b[?2026l')) return
      frame ||= performance.now() - start
      if (!/rax +[0-9a-f]{16}/.test(seen) || !seen.endsWith('\x1b[?2026l')) return
      settle({ frame, whole: performance.now() - start })
      child.stdin.on('error', () => {}) // it may be gone by then
      child.stdin.write('q')
    })
    child.on('error', fail)
    child.on('exit', () => fail(new Error(`no frame came: ${seen.slice(0, 200)}`)))
  })
}

class Terminal extends EventEmitter {
  readonly columns: number
  readonly rows: number
  frames = 0
  onFrame: () => void = () => {}
  constructor(columns: number, rows: number) {
    super()
    this.columns = columns
    this.rows = rows
  }
  write(text: string): boolean {
    if (!text.includes('\x1b[?2026h')) return true
    this.frames++
    this.onFrame()
    return true
  }
}

class Keyboard extends PassThrough {
  readonly isTTY = true
  setRawMode(): this {
    return this
  }
  ref(): this {
    return this
  }
  unref(): this {
    return this
  }
}

const quantile = (values: readonly number[], share: number): number =>
  values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))]!

const KEYS = 'jkjjkjetkExTiIjj'

interface Sitting {
  readonly terminal: Terminal
  readonly keyboard: Keyboard
  /** Types, and gives the milliseconds until the frame stood. */
  press(key: string): Promise<number>
  stop(): void
}

async function sit(columns: number, rows: number): Promise<Sitting> {
  const reader = openTrace(TRACE)
  const trace = openTraceSource(reader, 'million.vtrace')
  trace.index.advance(Number.POSITIVE_INFINITY)
  trace.visits.advance(Number.POSITIVE_INFINITY)
  const terminal = new Terminal(columns, rows)
  const keyboard = new Keyboard()
  const place = { kind: 'event', index: Math.floor(reader.count / 2) } as const
  const explorer = startExplorer(trace, place, { streams: { stdin: keyboard as unknown as NodeJS.ReadStream, terminal } })
  while (!trace.isThere(place)) await new Promise(settle => setTimeout(settle, 10))
  await new Promise(settle => setTimeout(settle, 200))
  return {
    terminal,
    keyboard,
    press: key =>
      new Promise(settle => {
        const start = performance.now()
        terminal.onFrame = () => settle(performance.now() - start)
        keyboard.write(key)
      }),
    stop: () => {
      explorer.stop()
      reader.close()
    },
  }
}

async function keys(columns: number, rows: number, most: number): Promise<void> {
  const sitting = await sit(columns, rows)
  for (const key of KEYS) await sitting.press(key) // what was asked for once is kept
  const times: number[] = []
  for (let n = 0; n < 4; n++) for (const key of KEYS) times.push(await sitting.press(key))
  report(`key to finished frame, p95 at ${columns}x${rows}`, quantile(times, 0.95), most)
  sitting.stop()
}

async function steps(): Promise<void> {
  const sitting = await sit(120, 40)
  await sitting.press('s')
  const times: number[] = []
  for (let n = 0; n < 40; n++) times.push(await sitting.press('S'))
  report('instruction back, p95 at 120x40', quantile(times, 0.95), 90)
  const start = performance.now()
  const before = sitting.terminal.frames
  // Thirty a second for two seconds, as a held key repeats; then how long the last of them takes.
  for (let n = 0; n < 60; n++) {
    sitting.keyboard.write('j')
    await new Promise(settle => setTimeout(settle, 33))
  }
  const late = performance.now() - start - 60 * 33
  const last = await sitting.press('k')
  report(`held key: last one waits (${sitting.terminal.frames - before} frames of 60)`, Math.max(last, 0), 100)
  if (late > 1000) process.stdout.write(`      the loop itself was ${late.toFixed(0)} ms late\n`)
  sitting.stop()
}

/** A place whose state takes a run of the guest stands there with its events at once. */
async function farPlaces(): Promise<void> {
  const sitting = await sit(120, 40)
  const times: number[] = []
  for (const percent of [13, 87, 24, 76, 35, 65, 46, 98, 7]) {
    for (const key of `g${percent}%`) await sitting.press(key)
    times.push(await sitting.press('\r'))
  }
  report('Enter to a far place, to the frame with its events', Math.max(...times), 100)
  sitting.stop()
}

async function filters(): Promise<void> {
  const reader = openTrace(TRACE)
  const trace = openTraceSource(reader, 'million.vtrace')
  for (const filter of ['exit and reason == MSR_WRITE', 'kvm_msr and index == 0x6e0 and value > 0x1000', 'not entry']) {
    const start = performance.now()
    const selection = trace.select(filter)
    selection.advance(Number.POSITIVE_INFINITY)
    report(`filter over ${reader.count} events: ${filter.slice(0, 20)}`, performance.now() - start, 500)
  }
  reader.close()
}

recordTrace()
const first = await firstScreen()
report('first frame, from the shell', first.frame, 1500)
report('first screen with the state at its place', first.whole, 1500)
await keys(120, 40, 33)
await keys(200, 50, 60)
await steps()
await farPlaces()
await filters()
report('memory (resident)', process.memoryUsage().rss / 2 ** 20, 400, 'MiB')
process.exit(0)
