/** The README's tutorial, followed: a new test passes, a mistake in it fails in the words that are printed there, and mended it passes. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { installed } from './installed.ts'

const README = readFileSync(join(import.meta.dirname, '../../README.md'), 'utf8')
const SECTION = README.slice(README.indexOf('## A test of your own'), README.indexOf('## More guests'))

const [COMMANDS, FAILURE] = [/^```sh\n(.*?)^```$/ms, /\n\n```\n(.*?)^```$/ms].map(pattern => pattern.exec(SECTION)![1]!)
const [create, run] = COMMANDS!.split('\n').map(line => line.replace(/^npx vtick |\s+#.*$/g, '').split(' '))

test('new, test, see a failure, mend it', async () => {
  const place = await installed({ 'package.json': '{}' })
  try {
    expect(await place.vtick(...create!)).toMatchObject({
      code: 0,
      out: '',
      err: 'vtick: wrote sums.guest.asm; `vtick test sums` runs it\n',
    })
    const again = await place.vtick(...create!)
    expect(again).toMatchObject({ code: 2, err: expect.stringContaining('sums.guest.asm is there already; choose another name') })
    expect(await place.vtick(...run!)).toMatchObject({ code: 0, out: expect.stringMatching(/Tests +1 passed/) })
    const good = place.read('sums.guest.asm')
    place.write('sums.guest.asm', good.replace('add     eax, 2', 'add     eax, 3'))
    const failed = await place.vtick(...run!)
    expect(failed.code).toBe(1)
    expect(failed.err).toContain(FAILURE)
    expect(failed.err).toContain("vtick explore .vtick/sums.vtrace --at '")
    place.write('sums.guest.asm', good)
    expect((await place.vtick(...run!)).code).toBe(0)
  } finally {
    place.remove()
  }
}, 120_000)
