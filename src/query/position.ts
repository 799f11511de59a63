/**
 * The position grammar, the same on the command line, on the screen and in tests: `#1182` an event, `i:1182` after so many
 * instructions, `50%` of the events, `@end`.
 */

export type Position =
  | { readonly kind: 'event'; readonly index: number }
  | { readonly kind: 'instruction'; readonly count: number }
  | { readonly kind: 'percent'; readonly percent: number }
  | { readonly kind: 'end' }

/** A position in a certain trace. */
export type Place = Extract<Position, { kind: 'event' | 'instruction' }>

export const POSITION_FORMS = '#EVENT, i:INSTRUCTION, PERCENT% or @end'

const COUNT = /^\d{1,15}$/

/** Undefined: the text is no position. */
export function parsePosition(text: string): Position | undefined {
  if (text === '@end') return { kind: 'end' }
  if (text.startsWith('#') && COUNT.test(text.slice(1))) return { kind: 'event', index: Number(text.slice(1)) }
  if (text.startsWith('i:') && COUNT.test(text.slice(2))) return { kind: 'instruction', count: Number(text.slice(2)) }
  const percent = /^(\d{1,3}(?:\.\d{1,6})?)%$/.exec(text)
  if (percent !== null && Number(percent[1]) <= 100) return { kind: 'percent', percent: Number(percent[1]) }
  return undefined
}

/** What a position is in a trace of so many events; undefined where the trace has no such event. */
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
  }
}

export const formatPosition = (place: Place): string => (place.kind === 'event' ? `#${place.index}` : `i:${place.count}`)
