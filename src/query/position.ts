/**
 * The position grammar, the same on the command line, on the screen and in tests.
 *
 *     #1182        an event, by its number            i:1182     after so many instructions
 *     50%          that part of the events            tsc:0x973af  when the guest's TSC reads at least so much
 *     tick.wait#3  the third time that code runs      'a         a mark
 *     @end         the last event                     @fail      where the guest first says FAIL, or ends badly
 *     1182         as #1182                           tick.wait  as tick.wait#1
 */

import { parseNumberText } from './location.ts'

export type Position =
  | { readonly kind: 'event'; readonly index: number }
  | { readonly kind: 'instruction'; readonly count: number }
  | { readonly kind: 'percent'; readonly percent: number }
  | { readonly kind: 'end' }
  /** These take the marks of a screen, or a run of the trace. */
  | { readonly kind: 'mark'; readonly name: string }
  | { readonly kind: 'tsc'; readonly value: bigint }
  | { readonly kind: 'visit'; readonly label: string; readonly count: number }
  | { readonly kind: 'fail' }

/** A position in a certain trace. */
export type Place = Extract<Position, { kind: 'event' | 'instruction' }>

export const POSITION_FORMS = "#EVENT, i:INSTRUCTION, tsc:VALUE, PERCENT%, LABEL, LABEL#VISIT, 'MARK, @end or @fail"

const COUNT = /^\d{1,15}$/

const NO_LABELS: ReadonlySet<string> = new Set()

/** Undefined: the text is no position. `labels` are the program's; one alone is its first visit, as a number alone is an event. */
export function parsePosition(typed: string, labels: ReadonlySet<string> = NO_LABELS): Position | undefined {
  const text = typed.trim()
  if (COUNT.test(text)) return { kind: 'event', index: Number(text) }
  if (labels.has(text)) return { kind: 'visit', label: text, count: 1 }
  if (text === '@end') return { kind: 'end' }
  if (text === '@fail') return { kind: 'fail' }
  if (/^'[a-zA-Z']$/.test(text)) return { kind: 'mark', name: text[1]! }
  if (text.startsWith('#') && COUNT.test(text.slice(1))) return { kind: 'event', index: Number(text.slice(1)) }
  if (text.startsWith('i:') && COUNT.test(text.slice(2))) return { kind: 'instruction', count: Number(text.slice(2)) }
  const value = text.startsWith('tsc:') ? parseNumberText(text.slice(4)) : undefined
  if (value !== undefined) return { kind: 'tsc', value }
  const visit = /^([A-Za-z_.?@$][\w.?@$]*)#(\d{1,15})$/.exec(text)
  if (visit !== null && Number(visit[2]) >= 1) return { kind: 'visit', label: visit[1]!, count: Number(visit[2]) }
  const percent = /^(\d{1,3}(?:\.\d{1,6})?)%$/.exec(text)
  if (percent !== null && Number(percent[1]) <= 100) return { kind: 'percent', percent: Number(percent[1]) }
  return undefined
}

/** What a position is in a trace of so many events; undefined where the trace has no such event, or only a run of it could tell. */
export function resolvePosition(position: Position, events: number): Place | undefined {
  switch (position.kind) {
    case 'event':
      return position.index < events ? position : undefined
    case 'instruction':
      return position
    case 'percent':
      return events === 0 ? undefined : { kind: 'event', index: Math.round((position.percent / 100) * (events - 1)) }
    case 'end':
      return events === 0 ? undefined : { kind: 'event', index: events - 1 }
    default:
      return undefined
  }
}

export const formatPosition = (place: Place): string => (place.kind === 'event' ? `#${place.index}` : `i:${place.count}`)
