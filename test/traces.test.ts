/** The golden traces: each replays, and recording its guest again, from its own header, gives the same identity. */

import { readdirSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { record } from '../src/session/record.ts'
import { configOf, inputsOf, replay } from '../src/session/replay.ts'
import { memorySink, openTrace } from '../src/trace/file.ts'

const folder = new URL('../traces/', import.meta.url)
const names = readdirSync(folder).filter(name => name.endsWith('.vtrace'))

test('there are golden traces', () => {
  expect(names.length).toBeGreaterThanOrEqual(4)
})

describe.each(names)('%s', name => {
  const reader = openTrace(new URL(name, folder).pathname)
  const input = Buffer.concat(inputsOf(reader).map(([, event]) => event.bytes))

  test('is whole and replays', () => {
    expect(reader.truncated).toBeUndefined()
    expect(replay(reader)).toMatchObject({ kind: 'same', events: reader.count, hash: reader.end?.hash })
  })

  test('is what a recording gives today', () => {
    const sink = memorySink()
    expect(record(configOf(reader), reader.header.image, { sink, input }).identity).toBe(reader.identity)
  })
})
