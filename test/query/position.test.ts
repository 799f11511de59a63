/** The position grammar: each form of the interface, and what is none. */

import { expect, test } from 'vitest'
import { type Position, parsePosition } from '../../src/query/position.ts'

const LABELS = new Set(['start', 'tick.wait', 'rax'])

test.each([
  ['#1182', { kind: 'event', index: 1182 }],
  ['1182', { kind: 'event', index: 1182 }],
  ['i:0', { kind: 'instruction', count: 0 }],
  ['tsc:0x97_3af', { kind: 'tsc', value: 0x973afn }],
  ['50%', { kind: 'percent', percent: 50 }],
  ['0.125%', { kind: 'percent', percent: 0.125 }],
  ['tick.wait#3', { kind: 'visit', label: 'tick.wait', count: 3 }],
  ['unknown#3', { kind: 'visit', label: 'unknown', count: 3 }],
  ['start', { kind: 'visit', label: 'start', count: 1 }],
  ["'a", { kind: 'mark', name: 'a' }],
  ["''", { kind: 'mark', name: "'" }],
  ['@end', { kind: 'end' }],
  [' @fail ', { kind: 'fail' }],
] satisfies [string, Position][])('%s', (text, position) => {
  expect(parsePosition(text, LABELS)).toEqual(position)
})

test.each([
  '',
  '#',
  '#x',
  'i:x',
  'i:',
  'tsc:',
  'tsc:0x1_0000_0000_0000_0000',
  '101%',
  '0x10',
  'start#0',
  'begin',
  "'",
  "'ab",
  "'a'",
  '"a"',
  '@nowhere',
  '#1 #2',
  '1 + 1',
  '[rax]',
  '#9999999999999999',
])('%j is none', text => {
  expect(parsePosition(text, LABELS)).toBeUndefined()
})
