/**
 * The explorer as a process on a real terminal: whatever ends it, the terminal is as it was. What tmux took from the output and what
 * `stty -a` prints are the judges.
 */

import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { recorded } from '../recorded.ts'
import { isFull } from '../slice.ts'
import { type Installed, installed } from '../testing/installed.ts'
import { hasTmux, type Pane, startTmux, type Tmux } from './tmux.ts'

/** A mistake somewhere outside of a frame, when the test wants it. */
const BOOM = "process.on('SIGUSR2', () => { throw new Error('boom') })\n"

describe.skipIf(!hasTmux)('the explorer on a real terminal (skipped without tmux)', () => {
  let place: Installed
  let tmux: Tmux
  beforeAll(async () => {
    place = await installed({ 'boom.mjs': BOOM })
    writeFileSync(join(place.path, 't.vtrace'), recorded('examples/one-shot.asm', { defines: { TICKS: '5' } }).bytes)
    tmux = startTmux(place.path)
  })
  afterAll(async () => {
    await tmux?.stop()
    place?.remove()
  })

  /** The explorer in a shell's pane, its process number and complaints in files of that name. */
  async function explore(name: string, before = ''): Promise<Pane> {
    const pane = await tmux.open('exec sh -i')
    const vtick = `node --import ./boom.mjs ${place.executable} explore t.vtrace --at "#300"`
    await pane.keys(`${before}sh -c 'echo $$ > ${name}.pid; exec ${vtick}' 2> ${name}.err`, 'Enter')
    await pane.until(/300 L0.*q quit/s)
    expect(await pane.leftovers()).toEqual(['alternate screen', 'cursor hidden', 'mouse reported', 'mouse in SGR', 'no wrapping'])
    expect(await pane.modes()).toMatch(/-icanon.*-echo /s)
    return pane
  }

  const read = (name: string): string => (existsSync(join(place.path, name)) ? readFileSync(join(place.path, name), 'utf8') : '')
  const pidOf = (name: string): number => Number(read(`${name}.pid`))
  const isAlive = (pid: number): boolean => existsSync(`/proc/${pid}`)

  async function gone(pid: number): Promise<void> {
    for (let n = 0; n < 400 && isAlive(pid); n++) await new Promise(resolve => setTimeout(resolve, 25))
    expect(isAlive(pid)).toBe(false)
  }

  /** The terminal is the shell's again; how the process ended, and what it said. */
  async function ended(pane: Pane, name: string): Promise<{ status: string; words: string }> {
    await gone(pidOf(name))
    await pane.keys('echo status $?', 'Enter')
    const status = /^status (\d+)$/m.exec(await pane.until(/^status \d+$/m))![1]!
    expect(await pane.leftovers()).toEqual([])
    const modes = await pane.modes()
    for (const mode of ['icanon', 'echo', 'isig', 'icrnl', 'opost']) expect(modes).toMatch(new RegExp(`(^|\\s)${mode}(\\s|;)`))
    return { status, words: read(`${name}.err`) }
  }

  const back = (at: string): string => `vtick: to come back: vtick explore t.vtrace --at '${at}'\n`

  test('it is resized, runs a command, is stopped with Ctrl-Z, gone on with, and left with Ctrl-C', async () => {
    const pane = await explore('sitting')
    await pane.resize(120, 40)
    await pane.until(/── timeline.*\n(.*\n){5}.*f filter .*q quit/)
    await pane.keys('j')
    await pane.until(/>\s*301 L1/)
    await pane.keys(':stat', 'Enter')
    await pane.until(/> done.*IO_INSTRUCTION/s)
    await pane.keys('q')
    await pane.keys('C-z')
    await pane.until(/Stopped/)
    expect(await pane.leftovers()).toEqual([])
    expect(await pane.modes()).toMatch(/\sicanon.*\secho /s)
    await pane.keys('fg', 'Enter')
    await pane.until(/>\s*301 L1.*q quit/s)
    expect(await pane.modes()).toMatch(/-icanon.*-echo /s)
    await pane.keys('C-c')
    expect(await ended(pane, 'sitting')).toEqual({ status: '130', words: back('#301') })
  })

  test('the terminal is closed under it', async () => {
    const pane = await explore('closed')
    await pane.close()
    await gone(pidOf('closed'))
    expect(read('closed.err')).toBe(back('#300'))
  })

  test.runIf(isFull)('the terminal goes away and no signal tells it', async () => {
    const pane = await explore('quiet', 'exec setsid --wait ')
    await pane.close()
    await gone(pidOf('quiet'))
    expect(read('quiet.err')).toBe(back('#300'))
  })

  test.runIf(isFull)('kill -TERM', async () => {
    const pane = await explore('killed')
    process.kill(pidOf('killed'), 'SIGTERM')
    expect(await ended(pane, 'killed')).toEqual({ status: '143', words: expect.stringContaining(back('#300')) })
  })

  test.runIf(isFull)('q', async () => {
    const pane = await explore('left')
    await pane.keys('q')
    expect(await ended(pane, 'left')).toEqual({ status: '0', words: back('#300') })
  })

  test.runIf(isFull)('a mistake of ours is one line and a report', async () => {
    const pane = await explore('broken')
    process.kill(pidOf('broken'), 'SIGUSR2')
    const { status, words } = await ended(pane, 'broken')
    expect(status).toBe('70')
    expect(words).toBe(
      `${back('#300')}vtick: this is a mistake in vtick, not yours: boom; please send .vtick/bug-report.txt to its authors, with the program or trace\n`,
    )
  })

  test.runIf(isFull)('Ctrl-Z where no shell could go on with it does nothing', async () => {
    const pane = await tmux.open(`node ${place.executable} explore t.vtrace`)
    await pane.until(/q quit/)
    await pane.keys('C-z')
    await pane.keys('j')
    await pane.until(/>\s*1 L1.*q quit/s)
    expect(await pane.modes()).toMatch(/-icanon/)
    await pane.close()
  })
})
