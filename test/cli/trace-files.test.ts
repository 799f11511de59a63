import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { packBlock, preamble } from '../../src/trace/block.ts'
import { packHeader } from '../../src/trace/header.ts'
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

const directory = new Directory({
  '.vtick/whole.vtrace': echo,
  '.vtick/flipped.vtrace': flipped,
  '.vtick/cut.vtrace': echo.subarray(0, echo.length - 5),
  'other.vtrace': otherSpelling,
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
