/** The commands of the command line from within the explorer, and what Y says about each screen. */

import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Command } from 'commander'
import { afterAll, expect, it } from 'vitest'
import { childCommands } from '../../src/cli/child-commands.ts'
import { addCommands } from '../../src/cli/commands.ts'
import { processIo } from '../../src/cli/io.ts'
import { openTerminal } from '../../src/cli/terminal.ts'
import { type Cli, type CliRun, shellWords } from '../../src/tui/cli.ts'
import { openTraceSource } from '../../src/tui/trace-source.ts'
import { recorded } from '../recorded.ts'
import { SIZES, type Sitting, sitDown } from './streams.ts'

const { reader } = recorded('examples/one-shot.asm', { defines: { TICKS: '3' } })
const trace = openTraceSource(reader, 'one-shot.vtrace')
const folder = mkdtempSync(join(tmpdir(), 'vtick-commands-'))
afterAll(() => rmSync(folder, { recursive: true }))

const io = { ...processIo(), cwd: folder }
const program = new Command()
addCommands({ program, main: async () => 0, commandLine: () => [], open: ({ color }) => openTerminal(io, color), finish: () => {} })

/** Instead of vtick: says what it was called with, the length of its input, and does what it is told. */
const STAND_IN = `
let length = 0
process.stdin.on('data', data => { length += data.length })
process.stdin.on('end', () => {
  const words = process.argv.slice(1)
  console.log('#7 called with ' + words.join(' | ') + ', input ' + length)
  console.error('said aside')
  if (words.includes('--count')) process.exitCode = 1
  if (words[0] === 'replay') setInterval(() => {}, 1000)
})`
const cli = childCommands(io, program, [process.execPath, '-e', STAND_IN, '--'])

const sit = (size: readonly [number, number] = [120, 40], source = trace): Promise<Sitting> =>
  sitDown(source, { kind: 'event', index: 300 }, size, { cli })

async function until(person: Sitting, pattern: RegExp): Promise<string> {
  for (let n = 0; n < 500; n++) {
    const screen = (await person.screen()).join('\n')
    if (pattern.test(screen)) return screen
    await new Promise(resolve => setTimeout(resolve, 10))
  }
  throw new Error(`never ${pattern}:\n${(await person.screen()).join('\n')}`)
}

it.each([
  ['a b', ['a', 'b']],
  [`query 'exit and cpu == 0' --count`, ['query', 'exit and cpu == 0', '--count']],
  [`x="a 'b'" ''`, ["x=a 'b'", '']],
  [`'open`, ['open']],
])('%s are the words of a shell', (text, words) => {
  expect(shellWords(text)).toEqual(words)
})

it.each(SIZES)('a command gets the trace, and what it prints is a screen, at %ix%i', async (columns, rows) => {
  const person = await sit([columns, rows])
  await person.type(':query "exit(HLT)" --count\r')
  const screen = await until(person, /exit code 1/)
  expect(screen).toContain('vtick query one-shot.vtrace exit(HLT) --count')
  expect(screen).toContain('#7 called with query | one-shot.vtrace | ')
  expect(screen).toContain('said aside')
  await person.type('Y')
  expect((await person.screen()).at(-1)).toContain('copied: vtick query one-shot')
  const row = screen.split('\n').findIndex(line => line.includes('#7 called'))
  await person.type(`${'j'.repeat(row - 2)}\r`)
  expect((await person.screen())[0]).toContain('#7/')
  person.explorer.stop()
})

it('a position is filled in where one is wanted, and a trace in no file goes to stdin', async () => {
  const person = await sit([120, 40], { ...trace, bytes: () => Uint8Array.of(1, 2, 3) })
  await person.type(':dump-vmcs\r')
  await until(person, /called with dump-vmcs \| - \| #300, input 3/)
  person.explorer.stop()
})

it('Esc closes the screen and stops what still runs', async () => {
  const runs: CliRun[] = []
  const start: Cli['start'] = request => {
    runs.push(cli.start(request))
    return runs.at(-1)!
  }
  const person = await sitDown(trace, { kind: 'event', index: 0 }, [80, 24], { cli: { ...cli, start } })
  await person.type(':replay\r')
  await until(person, /it runs, Esc stops it(.|\n)*called with replay/)
  expect(runs.map(({ status }) => status)).toEqual([undefined])
  await person.type('\x1b')
  await until(person, /── state|\[events\]/)
  for (let n = 0; n < 300 && runs[0]!.status === undefined; n++) await new Promise(resolve => setTimeout(resolve, 10))
  expect(runs[0]!.status).toBe(130)
  person.explorer.stop()
})

it('what is printed goes to a file, but over none', async () => {
  const person = await sit()
  await person.type(':stat > out.txt\r')
  await until(person, /written to out\.txt/)
  expect(readFileSync(join(folder, 'out.txt'), 'utf8')).toContain('#7 called with stat | one-shot.vtrace, input 0')
  writeFileSync(join(folder, 'mine.txt'), 'mine')
  await person.type('\x1b')
  await person.type(':stat > mine.txt\r')
  await until(person, /mine\.txt is there already/)
  expect(readFileSync(join(folder, 'mine.txt'), 'utf8')).toBe('mine')
  await person.type('\x1b')
  await person.type(':stat > no/such/out.txt\r')
  await until(person, /cannot write no\/such\/out\.txt: there is no such directory/)
  expect(existsSync(join(folder, 'no'))).toBe(false)
  person.explorer.stop()
})

it('names and options are completed, and what wants the terminal says so', async () => {
  const person = await sit()
  await person.type(':expo\t--per\t')
  expect((await person.screen()).at(-1)).toContain(':export --perfetto ')
  await person.type('\x1b')
  await person.type(':gdb\r')
  expect((await person.screen()).at(-1)).toContain('gdb wants the terminal for itself: q, then `vtick gdb`')
  person.explorer.stop()
})

it('the palette has them too, and opens the command line for their words', async () => {
  const person = await sit()
  await person.type('?dump-vm')
  expect((await person.screen())[2]).toMatch(/^>: +dump-vmcs +vtick dump-vmcs: /)
  await person.type('\r')
  expect((await person.screen()).at(-1)).toContain(':dump-vmcs ')
  person.explorer.stop()
})

it.each([
  ['#', 'vtick stat one-shot.vtrace'],
  [':why rax\r', "vtick why one-shot.vtrace '#300' rax"],
  ['M', "vtick explore one-shot.vtrace --at '#300'"],
])('on the screen that %j opens, Y copies %s', async (keys, command) => {
  const person = await sit()
  await person.type(keys)
  await person.type('Y')
  expect((await person.screen()).at(-1)).toContain(`copied: ${command} `)
  person.explorer.stop()
})
