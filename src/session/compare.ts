/** Equality of two trace events, field by field, as the event table lists them. */

import { TRACE_EVENTS, type TraceEvent } from '../spec/trace-events.ts'

const STAMP = ['kind', 'tick', 'cpu', 'level'] as const

type Fields = Readonly<Record<string, unknown>>

/** The first field in which they differ, or null. */
export function firstDifferentField(a: TraceEvent, b: TraceEvent): string | null {
  const left = a as unknown as Fields
  const right = b as unknown as Fields
  for (const name of STAMP) if (left[name] !== right[name]) return name
  for (const name of Object.keys(TRACE_EVENTS[a.kind].fields)) if (!sameValue(left[name], right[name])) return name
  return null
}

function sameValue(a: unknown, b: unknown): boolean {
  if (a instanceof Uint8Array && b instanceof Uint8Array) return a.length === b.length && a.every((byte, position) => byte === b[position])
  return a === b
}

export const sameEvent = (a: TraceEvent, b: TraceEvent): boolean => firstDifferentField(a, b) === null
