/**
 * The position grammar, the same on the command line, on the screen and in tests.
 *
 *     #1182        an event, by its number            i:1182     after so many instructions
 *     50%          that part of the events            tsc:0x973af  when the guest's TSC reads at least so much
 *     tick.wait#3  the third time that code runs      'a         a mark
 *     @end         the last event                     @fail      where the guest first says FAIL, or ends badly
 *     1182         as #1182                           tick.wait  as tick.wait#1
 *     timer.asm:12 the first time that a line runs    timer.asm:12#3  the third
 */

import { parseNumberText } from './location.ts'
import { parsePositionTree } from './parse.ts'

export type Position =
  | { readonly kind: 'event'; readonly index: number }
  | { readonly kind: 'instruction'; readonly count: number }
  | { readonly kind: 'percent'; readonly percent: number }
  | { readonly kind: 'end' }
  /** These take the marks of a screen, or a run of the trace. */
  | { readonly kind: 'mark'; readonly name: string }
  | { readonly kind: 'tsc'; readonly value: bigint }
  | { readonly kind: 'visit'; readonly label: string; readonly count: number }
  | { readonly kind: 'line'; readonly file: string; readonly line: number; readonly count: number }
  | { readonly kind: 'fail' }

/** A position in a certain trace. */
export type Place = Extract<Position, { kind: 'event' | 'instruction' }>

export const POSITION_FORMS = "#EVENT, i:INSTRUCTION, tsc:VALUE, PERCENT%, LABEL, LABEL#VISIT, FILE:LINE, 'MARK, @end or @fail"

/** A file name has an ending, so that it is no label. */
const LINE = /^(\S*\.\w+):(\d{1,9})(?:#(\d{1,9}))?$/

function lineOf([, file = '', line = '', count = '1']: RegExpExecArray): Position | undefined {
  return Number(line) > 0 && Number(count) > 0 ? { kind: 'line', file, line: Number(line), count: Number(count) } : undefined
}

const NO_LABELS: ReadonlySet<string> = new Set()

/** Undefined: the text is no position. `labels` are the program's; one alone is its first visit, as a number alone is an event. */
export function parsePosition(text: string, labels: ReadonlySet<string> = NO_LABELS): Position | undefined {
  const line = LINE.exec(text.trim())
  if (line !== null) return lineOf(line)
  const [first, second] = parsePositionTree(text) ?? []
  if (first === undefined) return undefined
  if (second !== undefined) return visitOf(first.text, Number(second.text.slice(1)))
  switch (first.type) {
    case 'event':
      return { kind: 'event', index: Number(first.text.slice(1)) }
    case 'number':
      return countOf(first.text, index => ({ kind: 'event', index }))
    case 'counted': {
      const [, word, digits = ''] = /^(i|tsc):(\w+)$/.exec(first.text) ?? []
      if (word === 'i') return countOf(digits, count => ({ kind: 'instruction', count }))
      const value = parseNumberText(digits)
      return value === undefined ? undefined : { kind: 'tsc', value }
    }
    case 'percent': {
      const percent = Number(first.text.slice(0, -1))
      return percent > 100 ? undefined : { kind: 'percent', percent }
    }
    case 'edge':
      return { kind: first.text === '@end' ? 'end' : 'fail' }
    case 'name':
      return labels.has(first.text) ? visitOf(first.text, 1) : undefined
    default: // a mark; that of the last jump reads like an empty text
      return first.text.length === 2 && first.text.startsWith("'") ? { kind: 'mark', name: first.text[1]! } : undefined
  }
}

const visitOf = (label: string, count: number): Position | undefined => (count < 1 ? undefined : { kind: 'visit', label, count })

const countOf = (digits: string, make: (count: number) => Position): Position | undefined =>
  /^\d{1,15}$/.test(digits) ? make(Number(digits)) : undefined

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
