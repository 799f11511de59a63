/** What stands on the screen: help, version, colours, the demo, and what is said when we are wrong. */

import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, test, vi } from 'vitest'
import { wantsColour } from '../../src/cli/colour.ts'
import { Directory, ROOT } from './vtick.ts'

const place = new Directory({ 'bad.asm': 'mvo eax, 1\n' })
const ESCAPE = '\x1b['

afterAll(() => place.remove())

describe('colour', () => {
  const output = (isTerminal: boolean) => ({ isTerminal, write: () => {} })

  test.each([
    ['a terminal', true, {}, undefined, true],
    ['a pipe', false, {}, undefined, false],
    ['a dumb terminal', true, { TERM: 'dumb' }, undefined, false],
    ['NO_COLOR', true, { NO_COLOR: '1', FORCE_COLOR: '1' }, undefined, false],
    ['an empty NO_COLOR', true, { NO_COLOR: '' }, undefined, true],
    ['FORCE_COLOR', false, { FORCE_COLOR: '1' }, undefined, true],
    ['FORCE_COLOR=0', true, { FORCE_COLOR: '0' }, undefined, false],
    ['--color', false, { NO_COLOR: '1' }, true, true],
    ['--no-color', true, { FORCE_COLOR: '1' }, false, false],
  ])('%s', (_, isTerminal, env, flag, expected) => {
    expect(wantsColour(output(isTerminal), env, flag)).toBe(expected)
  })

  test('diagnostics have the same text with and without it', async () => {
    const plain = await place.vtick('run bad.asm')
    const coloured = await place.vtick('run bad.asm', { terminal: true })
    expect(plain.err).not.toContain(ESCAPE)
    expect(coloured.err).toContain(ESCAPE)
    // biome-ignore lint/suspicious/noControlCharactersInRegex: colours are control characters
    expect(coloured.err.replace(/\x1b\[\d+m/g, '')).toBe(plain.err)
  })
})

test('the version is the package’s', async () => {
  const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string }
  expect(await place.vtick('--version')).toMatchObject({ code: 0, out: `${version}\n`, err: '' })
})

test('help names every command, and each has its own', async () => {
  const { code, out } = await place.vtick('--help')
  expect(code).toBe(0)
  const commands = [...out.matchAll(/^ {2}([a-z]+) /gm)].map(([, name]) => name!)
  expect(commands).toEqual(expect.arrayContaining(['asm', 'run', 'replay', 'diff', 'stat', 'info', 'demo', 'help']))
  for (const name of commands.filter(command => command !== 'help'))
    expect(await place.vtick([name, '--help'])).toMatchObject({
      code: 0,
      out: expect.stringMatching(new RegExp(`^Usage: vtick ${name} `)),
      err: '',
    })
})

test('the demo shows which exits are gone, and leaves both traces', async () => {
  const { code, out } = await place.vtick('demo')
  expect(code).toBe(0)
  expect(out).toMatch(/L1 MSR_WRITE 6e0 \(IA32_TSC_DEADLINE\) +100 {2}-> +0 +\(-100\)/)
  expect(out.match(/replayed: the same/g)).toHaveLength(2)
  expect(out.split('\n').every(line => line.length <= 110)).toBe(true)
  expect(await place.vtick('diff --expect same-exits')).toMatchObject({ code: 1 })
  expect(existsSync(join(place.path, '.vtick/deadline-busy-off.vtrace'))).toBe(true)
})

describe('a mistake of ours', () => {
  const brokenStat = async (env: Record<string, string>) => {
    vi.doMock('../../src/cli/stat.ts', () => ({
      statCommand: () => {
        throw new TypeError('cannot read properties of undefined')
      },
    }))
    try {
      return await place.vtick('stat x.vtrace', { env })
    } finally {
      vi.doUnmock('../../src/cli/stat.ts')
    }
  }

  test('is one line and a report', async () => {
    const { code, err } = await brokenStat({})
    expect({ code, err }).toEqual({
      code: 70,
      err: 'vtick: this is a mistake in vtick, not yours: cannot read properties of undefined; please send .vtick/bug-report.txt to its authors, with the program or trace\n',
    })
    expect(readFileSync(join(place.path, '.vtick/bug-report.txt'), 'utf8')).toMatch(/^vtick .*\nvtick stat x\.vtrace\n\nTypeError: /)
  })

  test('shows its stack with VTICK_DEBUG=1 only', async () => {
    expect((await brokenStat({ VTICK_DEBUG: '1' })).err).toMatch(/\n {4}at /)
  })
})
