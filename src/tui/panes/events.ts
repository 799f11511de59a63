/**
 * The event list: only the rows in sight are ever made. What happens between a VM exit and the entry that ends it stands in a bracket,
 * L1's own exits within an exit of L2 in a bracket inside it; a place between two events in a row of its own.
 */

import { formatPosition } from '../../query/position.ts'
import type { EventKind, TraceEvent } from '../../spec/trace-events.ts'
import { eventColumns } from '../../trace/format.ts'
import { EXIT_EVENTS } from '../event-index.ts'
import { fit, grouped, type Line, printable, type Span, span, type Tone, widthOf } from '../lines.ts'
import type { Model } from '../model.ts'
import { type EventRow, hasOwnRow, isFiltered, rowsBetween } from '../rows.ts'

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

/** The columns of the brackets: one, and a second where exits nest. */
const bracketWidth = ({ trace }: Model): number => (trace.index.names.includes('kvm_nested_vmenter') ? 3 : 1)

function bracket({ trace, folded }: Model, index: number, width: number): string {
  const { depths, partner, known } = trace.index
  if (index >= known) return ' '.repeat(width)
  const depth = depths[index]!
  const { kind } = trace.event(index)
  if (EXIT_EVENTS.has(kind)) return `${'│'.repeat(depth)}${folded.has(index) ? '+' : '┌'}`.padEnd(width).slice(0, width)
  if (partner[index] !== 0) {
    const outer = depths[partner[index]!]!
    return `${'│'.repeat(outer)}└${'┴'.repeat(Math.max(0, depth - outer - 1))}`.padEnd(width).slice(0, width)
  }
  return '│'.repeat(depth).padEnd(width).slice(0, width)
}

const WORD_WIDTH = 8
/** From this width on there is a column for the ticks since the event before. */
const DELTA_WIDTH = 44
const DELTA_COLUMN = 9

interface Shape {
  readonly width: number
  readonly digits: number
  readonly brackets: number
}

const markAt = ({ marks }: Model, index: number): string => {
  for (const [letter, place] of marks) if (place.kind === 'event' && place.index === index) return letter
  return ''
}

function eventLine(model: Model, index: number, isCurrent: boolean, { width, digits, brackets }: Shape): Line {
  const { trace, search, folded } = model
  const event = trace.event(index)
  const { level, word, detail } = eventColumns(event)
  const isHit = search !== '' && trace.select(search).next(index, 1) === index
  const tone: Tone = isCurrent ? 'current' : (TONES[event.kind] ?? 'plain')
  const edge = isCurrent ? '>' : isHit ? '/' : markAt(model, index) || ' '
  const within = folded.has(index) ? ` (${trace.index.partner[index]! - index - 1} within)` : ''
  const note = model.notes.get(`#${index}`)
  const left: Span[] = [
    span(`${edge}${String(index).padStart(digits)} ${trace.cpus === 1 ? '' : event.cpu}${level} `, isCurrent ? 'current' : 'dim'),
    span(`${bracket(model, index, brackets)} `, isCurrent ? 'current' : 'level0'),
    span(`${word.padEnd(WORD_WIDTH)} ${printable(detail)}${within}`, tone),
    ...(note === undefined ? [] : [span(`  ${printable(note)}`, isCurrent ? 'current' : 'key')]),
  ]
  if (width < DELTA_WIDTH) return fitted(left, width, isCurrent)
  const delta = deltaText(trace.event, event, index)
  const room = width - Math.max(DELTA_COLUMN, widthOf(delta) + 1)
  return [...fitted(left, room, isCurrent), span(delta.padStart(width - room), isCurrent ? 'current' : 'dim')]
}

/** The current row is one bar from edge to edge. */
const fitted = (spans: readonly Span[], width: number, isCurrent: boolean): Line =>
  isCurrent ? fit([span(spans.map(({ text }) => text).join(''), 'current')], width) : fit(spans, width)

const deltaText = (event: (index: number) => TraceEvent, { tick }: TraceEvent, index: number): string =>
  index === 0 ? '' : `+${grouped(tick - event(index - 1).tick)}`

/** The row of a place between two events: the instruction that comes next. */
function placeLine({ trace, place, notes }: Model, { width, digits }: Shape): Line {
  const next = trace.isThere(place) ? trace.code(place).find(row => row.kind === 'code' && row.isCurrent) : undefined
  const text = next?.kind === 'code' ? next.text : ''
  const at = formatPosition(place)
  const where = place.kind === 'event' ? `${at}, not listed` : at
  const note = notes.get(at)
  return fit([span(`>${' '.repeat(digits)} ${where}  ${text}${note === undefined ? '' : `  ${printable(note)}`}`, 'current')], width)
}

function rowLine(model: Model, row: EventRow, shape: Shape): Line {
  if (row.kind === 'place') return placeLine(model, shape)
  const { place } = model
  return eventLine(model, row.index, place.kind === 'event' && place.index === row.index && !hasOwnRow(model), shape)
}

export function eventLines(model: Model, width: number, rows: number): readonly Line[] {
  const { trace, eventsTop, filter } = model
  if (isFiltered(model)) {
    const { trouble, isWhole, count } = trace.select(filter)
    if (trouble !== undefined) return [fit([span(` ${trouble}`, 'warning')], width)]
    if (count === 0) return [fit([span(isWhole ? ' no event passes the filter; Esc shows all' : ' searching...', 'dim')], width)]
  }
  const shape: Shape = { width, digits: String(trace.count - 1).length, brackets: bracketWidth(model) }
  return rowsBetween(model, eventsTop, eventsTop + rows).map(row => rowLine(model, row, shape))
}
