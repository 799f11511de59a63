/** A difference of memory as text, and for programs. */

import type { MemoryDiff, MemoryRange } from '../session/memory-diff.ts'
import { groupedNumber } from '../trace/table.ts'

const MAX_LINES = 40
const MAX_BYTES = 16

const bytesText = (bytes: Uint8Array): string => {
  const shown = [...bytes.subarray(0, MAX_BYTES)].map(byte => byte.toString(16).padStart(2, '0')).join(' ')
  return bytes.length > MAX_BYTES ? `${shown} ...` : shown
}

const rangeText = ({ address, a, b, label }: MemoryRange): string =>
  [
    `@@ 0x${address.toString(16)}, ${groupedNumber(a.length)} ${a.length === 1 ? 'byte' : 'bytes'}${label === undefined ? '' : ` (${label})`} @@`,
    `- ${bytesText(a)}`,
    `+ ${bytesText(b)}`,
  ].join('\n')

export function memoryVerdict({ equal, compared, differing, rangeCount }: MemoryDiff): string {
  const mib = `${groupedNumber(compared / 2 ** 20)} MiB`
  if (equal) return `the guest's memory is the same at the end of both (${mib})`
  const places = rangeCount === 1 ? '1 place' : `${groupedNumber(rangeCount)} places`
  return `the guest's memory differs at the end: ${groupedNumber(differing)} bytes of ${mib}, at ${places}`
}

export function memoryDiffText(diff: MemoryDiff, nameA: string, nameB: string): string {
  const head = [`--- A ${nameA}`, `+++ B ${nameB}`, `by memory: ${memoryVerdict(diff)}`].join('\n')
  const more = diff.rangeCount > MAX_LINES ? [`... and ${groupedNumber(diff.rangeCount - MAX_LINES)} more places`] : []
  return [head, ...diff.ranges.slice(0, MAX_LINES).map(rangeText), ...more].join('\n\n')
}

export const memoryDiffJson = (diff: MemoryDiff): object => ({
  version: 1,
  by: 'memory',
  equal: diff.equal,
  verdict: memoryVerdict(diff),
  bytes_compared: diff.compared,
  bytes_differing: diff.differing,
  range_count: diff.rangeCount,
  ranges: diff.ranges.map(({ address, a, b, label }) => ({
    address: `0x${address.toString(16)}`,
    length: a.length,
    a: Buffer.from(a).toString('hex'),
    b: Buffer.from(b).toString('hex'),
    label: label ?? null,
  })),
})
