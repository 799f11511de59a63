/** The guest run again under the explorer: with a value edited, and from its source when that has changed. */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Command } from 'commander'
import { afterAll, expect, it } from 'vitest'
import { childCommands } from '../../src/cli/child-commands.ts'
import { sourceWords } from '../../src/cli/commands/source-words.ts'
import { processIo } from '../../src/cli/io.ts'
import { liveGuest } from '../../src/cli/live-guest.ts'
import { openTerminal } from '../../src/cli/terminal.ts'
import { configOf } from '../../src/session/replay.ts'
import { finished } from '../../src/session/timeline.ts'
import { openTrace } from '../../src/trace/file.ts'
import { openTraceSource } from '../../src/tui/trace-source.ts'
import { type Sitting, sitDown } from './streams.ts'

const folder = mkdtempSync(join(tmpdir(), 'vtick-live-'))
afterAll(() => rmSync(folder, { recursive: true }))
const path = join(folder, 'live.asm')

/** Writes the number to the port that ends the run (`guest.inc` names it), after `first` has stood in RBX. */
const source = (first: number): string => `%include "guest.inc"
        mov     ebx, ${first}
        mov     ecx, ebx
        lea     edx, [rcx + 1]
        xor     eax, eax
        out     0xf4, eax
`

async function sit(): Promise<Sitting> {
  writeFileSync(path, source(5))
  const run = liveGuest(openTerminal(processIo(), false), path, { maxInsns: 1000 }).start()
  finished(run.slices as Generator<unknown, unknown, void>)
  return sitDown(run.open(), { kind: 'event', index: 0 }, [124, 32])
}

async function until(person: Sitting, isSo: (screen: string) => boolean): Promise<string> {
  for (let n = 0; n < 500; n++) {
    const screen = (await person.screen()).join('\n')
    if (isSo(screen)) return screen
    await new Promise(resolve => setTimeout(resolve, 10))
  }
  return (await person.screen()).join('\n')
}

it('a value edited here changes what follows, not what was', async () => {
  const person = await sit()
  for (let n = 0; n < 20 && !/rbx 0{15}5/.test((await person.screen()).join('\n')); n++) await person.type('s')
  await person.type('!rbx=7\r')
  expect(await until(person, screen => screen.includes('rbx=0x7'))).toContain('this is a run with rbx=0x7')
  await person.type('s')
  await person.type('s')
  const screen = (await person.screen()).join('\n')
  expect(screen).toMatch(/rcx 0{15}7/) // mov ecx, ebx
  expect(screen).toMatch(/rdx 0{15}8/) // lea edx, [rcx + 1]
  await person.type('!cr3=7\r')
  expect((await person.screen()).at(-1)).toContain('nothing that can be set')
  person.explorer.stop()
})

it('a source that changed says so, runs again at the same position, and tells what is wrong with it', async () => {
  const person = await sit()
  for (let n = 0; n < 20 && !/rdx 0{15}6/.test((await person.screen()).join('\n')); n++) await person.type('s')
  const where = /i:\d+/.exec((await person.screen())[0]!)![0]
  writeFileSync(path, `; one line more\n${source(9)}`)
  expect(await until(person, screen => screen.includes('SOURCE CHANGED'))).toContain('SOURCE CHANGED, R runs it')
  await person.type('R')
  const screen = await until(person, text => text.includes('as it is now'))
  expect(screen).toMatch(/rdx 0{15}a/)
  expect(screen.split('\n')[0]).toContain(where)
  expect(screen).not.toContain('SOURCE CHANGED')
  writeFileSync(path, 'bogus eax\n')
  await person.type('R')
  expect((await person.screen()).at(-1)).toMatch(/error|expected/)
  expect(person.explorer.reopening()).toContain(`vtick explore ${path} --at`)
  person.explorer.stop()
})

it('a run that was edited is saved as a trace, with its marks, over nothing that is there', async () => {
  writeFileSync(path, source(5))
  const terminal = openTerminal({ ...processIo(), cwd: folder }, false)
  const run = liveGuest(terminal, path, { maxInsns: 1000 }).start()
  finished(run.slices as Generator<unknown, unknown, void>)
  const cli = childCommands(terminal.io, new Command(), [process.execPath])
  const person = await sitDown(run.open(), { kind: 'event', index: 0 }, [124, 32], { cli })
  for (let n = 0; n < 20 && !/rbx 0{15}5/.test((await person.screen()).join('\n')); n++) await person.type('s')
  await person.type('!rbx=7\r')
  await until(person, screen => screen.includes(':save FILE keeps it'))
  await person.type('ma')
  await person.type(':save edited.vtrace\r')
  expect((await person.screen()).at(-1)).toContain('saved: vtick explore edited.vtrace')
  await person.type(':save edited.vtrace\r')
  expect((await person.screen()).at(-1)).toContain('edited.vtrace is there already')
  person.explorer.stop()
  expect(readFileSync(join(folder, 'edited.vtrace.marks'), 'utf8')).toMatch(/^a i:\d+\n$/)
  const saved = openTraceSource(openTrace(join(folder, 'edited.vtrace')), 'edited.vtrace')
  expect(saved.moment({ kind: 'event', index: saved.count - 1 }).registers.gpr[2]).toBe(8n) // lea edx, [rcx + 1]
})

it('a source runs with what `vtick run` takes, and the command that comes back says so', () => {
  writeFileSync(join(folder, 'in.txt'), 'abc')
  writeFileSync(path, '%include "guest.inc"\n  mov dx, 0x3f8\n  in al, dx\n  xor ah, ah\n  hlt\n')
  const words = ['explore', path, '--stdin', 'in.txt', '--at', '#0', '--smp', '2', '--filter=exit', '-m', '64']
  expect(sourceWords(words, path)).toEqual(['--stdin', 'in.txt', '--smp', '2', '-m', '64'])
  const terminal = openTerminal({ ...processIo(), cwd: folder, isStdinTerminal: true }, false)
  const run = liveGuest(terminal, path, { maxInsns: 1000, stdin: 'in.txt', smp: 2, memory: 64 }).start()
  finished(run.slices as Generator<unknown, unknown, void>)
  const trace = run.open()
  expect(trace.cpus).toBe(2)
  expect(configOf(trace.reader).guestMemoryMiB).toBe(64)
  expect(trace.moment({ kind: 'instruction', count: 2 }).registers.gpr[0]! & 0xffn).toBe(0x61n) // 'a'
  expect(() => liveGuest(terminal, path, { maxInsns: 1000, stdin: '-' }).start()).toThrow(/--stdin - is the keyboard/)
})
