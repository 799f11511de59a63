/**
 * An event for programs: one flat object. 64-bit values are hex strings, since JSON's readers round numbers above 2^53; bytes are
 * hex digits.
 */

import { type FieldType, TRACE_EVENTS, type TraceEvent } from '../spec/trace-events.ts'

export interface EventJson {
  /** Number of the event in the trace. */
  readonly event: number
  /** Cycles of the host TSC since the start. */
  readonly tick: number
  readonly cpu: number
  readonly level: number
  readonly kind: string
  readonly [field: string]: number | string
}

/** A field's value as JSON has it. */
export function fieldJson(type: FieldType, value: unknown): number | string {
  if (type === 'u64') return `0x${(value as bigint).toString(16)}`
  if (type === 'bytes') return Buffer.from(value as Uint8Array).toString('hex')
  return value as number | string
}

export function eventJson(event: TraceEvent, index: number): EventJson {
  const { tick, cpu, level, kind } = event
  const fields = Object.entries(TRACE_EVENTS[kind].fields).map(([name, type]: [string, FieldType]) => [
    name,
    fieldJson(type, (event as unknown as Record<string, unknown>)[name]),
  ])
  return { event: index, tick, cpu, level, kind, ...Object.fromEntries(fields) }
}
