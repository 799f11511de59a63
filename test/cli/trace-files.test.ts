import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { packBlock, preamble } from '../../src/trace/block.ts'
import { memorySink, openTrace, type PlainObject } from '../../src/trace/file.ts'
import { packHeader } from '../../src/trace/header.ts'
import { rewriteTrace } from '../../src/trace/rewrite.ts'
import { sampleHeader } from '../trace/samples.ts'
import { Directory, ROOT } from './vtick.ts'

const echo = readFileSync(join(ROOT, 'traces/echo.vtrace'))
const flipped = Uint8Array.from(echo)
flipped[echo.length >> 1]! ^= 4
/** [1] as an array of 16-bit length: right checksums, another spelling. */
const otherSpelling = Buffer.concat([
  preamble(),
  packBlock('HEAD', 0, packHeader(sampleHeader)),
  packBlock('KEYF', 0, Uint8Array.of(0xdc, 0, 1, 1)),
])

/** As a vtick would have recorded it whose CPU keeps one thing less in its state. */
const ofOtherMachine = memorySink()
rewriteTrace(openTrace(echo), ofOtherMachine, {
  keyframe: keyframe => {
    const { startUpVector: _, ...cpu } = (keyframe.state.cpus as PlainObject[])[0]!
    return { ...keyframe, state: { ...keyframe.state, cpus: [cpu] } }
  },
})

const directory = new Directory({
  '.vtick/whole.vtrace': echo,
  '.vtick/flipped.vtrace': flipped,
  '.vtick/cut.vtrace': echo.subarray(0, echo.length - 5),
  'other.vtrace': otherSpelling,
  'stale.vtrace': ofOtherMachine.bytes(),
})
afterAll(() => directory.remove())

describe('vtick check', () => {
  test('says that a trace is whole', async () => {
    const { code, out } = await directory.vtick('check .vtick/whole.vtrace')
    expect(code).toBe(0)
    expect(out).toMatch(/^\.vtick\/whole\.vtrace: whole: [\d ]+ events, \d+ keyframes, identity [0-9a-f]{64}\n$/)
  })

  test.each(['.vtick/flipped.vtrace', '.vtick/cut.vtrace', 'other.vtrace'])('refuses %s with exit code 4', async name => {
    const { code, err } = await directory.vtick(['check', name])
    expect(code).toBe(4)
    expect(err).toMatch(/damaged|cut short/)
  })
})

describe('a trace of another machine', () => {
  test('says so in a line, with what to do, and is run from the boot', async () => {
    const { code, out, err } = await directory.vtick(['why', 'stale.vtrace', '@end', 'rip'])
    expect(err).toMatch(
      /^vtick: stale\.vtrace: recorded by a vtick of another machine \(it differs in state\.cpus\.0\.startUpVector\).*record it again.*\n$/,
    )
    expect(code).toBe(0)
    expect(out).toBe((await directory.vtick(['why', '.vtick/whole.vtrace', '@end', 'rip'])).out)
  })

  test.each([['query', 'exit', '--count'], ['stat'], ['export', '--ftrace']])('%s reads it as any other', async (command, ...rest) => {
    const words = command === 'query' ? ['stale.vtrace', ...rest] : [...rest, 'stale.vtrace']
    const { code, out, err } = await directory.vtick([command, ...words])
    expect({ code, err }).toEqual({ code: 0, err: '' })
    expect(out.length).toBeGreaterThan(0)
  })
})

describe('vtick ls', () => {
  test('lists what is in .vtick/, also what is damaged', async () => {
    const { code, out } = await directory.vtick('ls --json')
    expect(code).toBe(0)
    const { traces } = JSON.parse(out)
    const troubles = Object.fromEntries(traces.map(({ name, trouble }: { name: string; trouble: string | null }) => [name, trouble]))
    expect(troubles['.vtick/whole.vtrace']).toBeNull()
    expect(troubles['.vtick/flipped.vtrace']).toContain('damaged')
    expect(troubles['.vtick/cut.vtrace']).toContain('cut short')
    expect((await directory.vtick('ls')).out).toMatch(/whole\.vtrace +echo|whole\.vtrace +examples\/echo/)
  })
})
