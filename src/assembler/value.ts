/**
 * What an expression is worth: a 64-bit number, plus multiples of registers and of section bases. `[rbx+4*rcx+table-8]` is one
 * such sum, `end-start` a plain number because the bases cancel. NASM's expressions are the same sums, with the same limits.
 */

import type { NamedRegister } from './registers.ts'

export interface Term {
  /** Terms stand in the order of this: registers by name, as NASM's do, then sections. */
  readonly key: string
  /** Null for the base of `section`. */
  readonly register: NamedRegister | null
  readonly section: number
  readonly factor: bigint
}

export interface Value {
  /** Two's complement in 64 bits. */
  readonly constant: bigint
  readonly terms: readonly Term[]
  /** It depends on a name that this pass does not know yet; the rest is then worth nothing. */
  readonly unknown: boolean
}

const NO_TERMS: readonly Term[] = []

export const scalar = (constant: bigint): Value => ({ constant: BigInt.asIntN(64, constant), terms: NO_TERMS, unknown: false })

export const UNKNOWN: Value = { constant: 0n, terms: NO_TERMS, unknown: true }

/** An address: `offset` behind the base of a section. */
export const inSection = (section: number, offset: bigint): Value => ({
  constant: offset,
  terms: [{ key: `~${section}`, register: null, section, factor: 1n }],
  unknown: false,
})

export const ofRegister = (register: NamedRegister): Value => ({
  constant: 0n,
  terms: [{ key: register.name, register, section: -1, factor: 1n }],
  unknown: false,
})

export const isScalar = (value: Value): boolean => value.terms.length === 0

/** The section of a plain address; -1 for a number, undefined for any other sum. */
export function sectionOf(value: Value): number | undefined {
  if (value.terms.length === 0) return -1
  const term = value.terms[0]!
  return value.terms.length === 1 && term.register === null && term.factor === 1n ? term.section : undefined
}

/** `doubled` is told when a register stands on both sides. */
export function add(a: Value, b: Value, doubled?: () => void): Value {
  if (a.unknown || b.unknown) return UNKNOWN
  const constant = BigInt.asIntN(64, a.constant + b.constant)
  if (b.terms.length === 0) return { constant, terms: a.terms, unknown: false }
  if (a.terms.length === 0) return { constant, terms: b.terms, unknown: false }
  const terms = new Map(a.terms.map(term => [term.key, term]))
  for (const term of b.terms) {
    const same = terms.get(term.key)
    if (same === undefined) terms.set(term.key, term)
    else {
      const factor = same.factor + term.factor
      if (factor === 0n) terms.delete(term.key)
      else {
        terms.set(term.key, { ...term, factor })
        doubled?.()
      }
    }
  }
  return { constant, terms: [...terms.values()].toSorted((x, y) => (x.key < y.key ? -1 : 1)), unknown: false }
}

export function scale(value: Value, factor: bigint): Value {
  if (value.unknown) return UNKNOWN
  const constant = BigInt.asIntN(64, value.constant * factor)
  if (value.terms.length === 0) return { constant, terms: NO_TERMS, unknown: false }
  const terms = factor === 0n ? NO_TERMS : value.terms.map(term => ({ ...term, factor: BigInt.asIntN(64, term.factor * factor) }))
  return { constant, terms, unknown: false }
}

export const subtract = (a: Value, b: Value): Value => add(a, scale(b, -1n))
