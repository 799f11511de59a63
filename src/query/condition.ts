/**
 * What to stop at, in words: events by the filter language (`exit(MSR_WRITE, 0x6e0)`, `irq(0xec)`), state by comparisons of locations
 * (`rax == 5 and [counter]:8 >= 3`, `vmcs.GUEST_RIP == tick`), or a bare label or location: there, or when it changes.
 */

import type { TraceReader } from '../trace/file.ts'
import { compileFilter, FilterError } from './filter.ts'
import { isProblem, type Location, parseAddress, parseLocation } from './location.ts'
import { findEvent } from './select.ts'

export type StateTest = (read: (location: Location) => bigint | undefined) => boolean

export type Expression =
  | { readonly kind: 'address'; readonly address: bigint }
  | { readonly kind: 'change'; readonly location: Location }
  | { readonly kind: 'event'; readonly find: (from: number, direction: 1 | -1) => number }
  | { readonly kind: 'state'; readonly holds: StateTest }

const COMPARISON = /^(.+?)\s*(==|!=|<=|>=|<|>)\s*(.+)$/

type Order = (a: bigint, b: bigint) => boolean

const ORDERS: Readonly<Record<string, Order>> = {
  '==': (a, b) => a === b,
  '!=': (a, b) => a !== b,
  '<': (a, b) => a < b,
  '<=': (a, b) => a <= b,
  '>': (a, b) => a > b,
  '>=': (a, b) => a >= b,
}

/** Throws `FilterError` where the text is none of these. */
export function parseExpression(text: string, reader: TraceReader): Expression {
  const { image } = reader.header
  const program = new Map(image.symbols.map(({ name, value }) => [name, value]))
  const trimmed = text.trim()
  const address = parseAddress(trimmed, program)
  if (address !== undefined) return { kind: 'address', address }
  const location = parseLocation(trimmed, program)
  if (!isProblem(location) && location.kind !== 'exit' && location.kind !== 'irq') return { kind: 'change', location }
  const state = stateTest(trimmed, program)
  if (state !== undefined) return { kind: 'state', holds: state }
  const matcher = compileFilter(trimmed, image)
  return { kind: 'event', find: (from, direction) => findEvent(reader, matcher, from, direction) }
}

/** Comparisons of locations, joined by `and` and `or`; `and` binds closer. Undefined: it asks about events. */
function stateTest(text: string, program: ReadonlyMap<string, bigint>): StateTest | undefined {
  const groups = text.split(/\s+or\s+|\s*\|\|\s*/).map(group => group.split(/\s+and\s+|\s*&&\s*/))
  const terms = groups.map(group => group.map(term => comparison(term, program)))
  const flat = terms.flat()
  if (flat.every(term => term === undefined)) return undefined
  const missing = flat.indexOf(undefined)
  if (missing >= 0) {
    const term = groups.flat()[missing]!
    throw new FilterError(
      text.indexOf(term),
      `\`${term.trim()}\` is not about the state, and the rest is`,
      'ask about events and about state in two expressions; compare state as in `rax == 5`',
    )
  }
  return read => terms.some(group => group.every(term => term!(read)))
}

function comparison(text: string, program: ReadonlyMap<string, bigint>): StateTest | undefined {
  const [, left, sign, right] = COMPARISON.exec(text.trim()) ?? []
  if (left === undefined) return undefined
  const location = parseLocation(left, program)
  const wanted = parseAddress(right!, program)
  if (isProblem(location) || wanted === undefined) return undefined
  const order = ORDERS[sign!]!
  return read => {
    const value = read(location)
    return value !== undefined && order(value, wanted)
  }
}
