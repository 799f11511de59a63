/** The reader in `examples/`, which knows the format from its description alone, reads what ours reads. */

import { spawnSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { openTrace } from '../../src/trace/file.ts'

test('the independent reader finds the same events and the same identity', () => {
  const path = 'traces/echo.vtrace'
  const { stdout, stderr, status } = spawnSync('node', ['examples/read-trace.mjs', path], { encoding: 'utf8', maxBuffer: 1 << 28 })
  expect(status, stderr).toBe(0)
  const reader = openTrace(path)
  const plain = (_: string, value: unknown): unknown =>
    typeof value === 'bigint' ? `0x${value.toString(16)}` : value instanceof Uint8Array ? [...value] : value
  const ours = [...reader.events()].map(event => JSON.parse(JSON.stringify(event, plain)))
  expect(
    stdout
      .trim()
      .split('\n')
      .map(line => JSON.parse(line)),
  ).toEqual(ours)
  expect(stderr).toContain(reader.identity)
})
