/**
 * The event list: only the rows in sight are ever made. What KVM does between a VM exit and the next entry stands in a bracket,
 * a place between two events in a row of its own.
 */

import type { EventKind, TraceEvent } from '../../spec/trace-events.ts'
import { eventColumns } from '../../trace/format.ts'
import { fit, grouped, type Line, printable, span, type Tone, widthOf } from '../lines.ts'
import { cursorRow, eventRows, type Model } from '../model.ts'
import type { TraceSource } from '../trace-source.ts'

const EXITS: ReadonlySet<EventKind> = new Set<EventKind>(['kvm_exit', 'vmx_exit'])
const BORDERS: ReadonlySet<EventKind> = new Set<EventKind>([...EXITS, 'kvm_entry', 'vmx_entry'])

/** Whether the root software is at work before event `index`. */
function isInside({ find, event }: TraceSource, index: number): boolean {
  const border = index === 0 ? -1 : find(BORDERS, index - 1, -1)
  return border >= 0 && EXITS.has(event(border).kind)
}

function bracket(kind: EventKind, inside: boolean): string {
  if (EXITS.has(kind)) return '┌'
  if (BORDERS.has(kind)) return inside ? '└' : '·'
  return inside ? '│' : ' '
}

const TONES: Partial<Record<EventKind, Tone>> = {
  kvm_exit: 'exit',
  vmx_exit: 'exit',
  apic_timer_arm: 'timer',
  apic_timer_fire: 'timer',
  kvm_hv_timer_state: 'timer',
  kvm_apic_virt_timer_state: 'timer',
  kvm_wait_lapic_expire: 'timer',
  hrtimer_start: 'timer',
  hrtimer_cancel: 'timer',
  hrtimer_expire_entry: 'timer',
  interrupt: 'interrupt',
  kvm_inj_virq: 'interrupt',
  shutdown: 'warning',
  vmx_entry_failed: 'warning',
}

const WORD_WIDTH = 8
/** From this width on there is a column for the ticks since the event before. */
const DELTA_WIDTH = 44
const DELTA_COLUMN = 9

interface Shape {
  readonly width: number
  readonly digits: number
}

function eventLine(trace: TraceSource, index: number, inside: boolean, isCurrent: boolean, { width, digits }: Shape): Line {
  const event = trace.event(index)
  const { level, word, detail } = eventColumns(event)
  const left = `${isCurrent ? '>' : ' '}${String(index).padStart(digits)} ${level} ${bracket(event.kind, inside)} ${word.padEnd(WORD_WIDTH)} ${printable(detail)}`
  const tone: Tone = isCurrent ? 'current' : (TONES[event.kind] ?? 'plain')
  if (width < DELTA_WIDTH) return fit([span(left, tone)], width)
  const delta = deltaText(trace, event, index)
  const room = width - Math.max(DELTA_COLUMN, widthOf(delta) + 1)
  return [...fit([span(left, tone)], room), span(delta.padStart(width - room), isCurrent ? 'current' : 'dim')]
}

const deltaText = (trace: TraceSource, { tick }: TraceEvent, index: number): string =>
  index === 0 ? '' : `+${grouped(tick - trace.event(index - 1).tick)}`

/** The row of a place between two events: the instruction that comes next. */
function placeLine({ trace, place }: Model, { width, digits }: Shape): Line {
  const next = trace.situation(place).code.find(row => row.kind === 'code' && row.isCurrent)
  const text = next?.kind === 'code' ? next.text : ''
  const count = place.kind === 'instruction' ? place.count : 0
  return fit([span(`>${' '.repeat(digits)} i:${count}  ${text}`, 'current')], width)
}

export function eventLines(model: Model, width: number, rows: number): readonly Line[] {
  const { trace, place, eventsTop } = model
  const cursor = cursorRow(model)
  const between = place.kind === 'event' ? Number.POSITIVE_INFINITY : cursor
  const shape: Shape = { width, digits: String(trace.count - 1).length }
  const lines: Line[] = []
  const end = Math.min(eventRows(model), eventsTop + rows)
  let inside = isInside(trace, Math.min(eventsTop, trace.count - 1))
  for (let row = eventsTop; row < end; row++) {
    if (row === between) {
      lines.push(placeLine(model, shape))
      continue
    }
    const index = row > between ? row - 1 : row
    lines.push(eventLine(trace, index, inside, row === cursor, shape))
    const { kind } = trace.event(index)
    if (BORDERS.has(kind)) inside = EXITS.has(kind)
  }
  return lines
}
