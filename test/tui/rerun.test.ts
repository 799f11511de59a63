/** The guest run again under the explorer: with a value edited, and from its source when that has changed. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { processIo } from '../../src/cli/io.ts'
import { liveGuest } from '../../src/cli/live-guest.ts'
import { openTerminal } from '../../src/cli/terminal.ts'
import { finished } from '../../src/session/timeline.ts'
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
