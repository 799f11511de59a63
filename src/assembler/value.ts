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
  /**
   * How many times names stand in it that this pass does not know yet; unless 0, the number is worth nothing. As NASM, one may be
   * subtracted from another: before both are known, their distance is hoped to be 0.
   */
  readonly unknown: bigint
}

/** Of a plain number. What other files define has the numbers below it. */
export const NO_SECTION = -1

const NO_TERMS: readonly Term[] = []

export const scalar = (constant: bigint): Value => ({ constant: BigInt.asIntN(64, constant), terms: NO_TERMS, unknown: 0n })

export const UNKNOWN: Value = { constant: 0n, terms: NO_TERMS, unknown: 1n }

export const isKnown = (value: Value): boolean => value.unknown === 0n

/** An address: `offset` behind the base of a section. */
export const inSection = (section: number, offset: bigint): Value => ({
  constant: offset,
  terms: [{ key: `~${section}`, register: null, section, factor: 1n }],
  unknown: 0n,
})

const registerValues = new WeakMap<NamedRegister, Value>()

export function ofRegister(register: NamedRegister): Value {
  let value = registerValues.get(register)
  if (value === undefined) {
    value = { constant: 0n, terms: [{ key: register.name, register, section: -1, factor: 1n }], unknown: 0n }
    registerValues.set(register, value)
  }
  return value
}

export const isScalar = (value: Value): boolean => value.terms.length === 0

/** The section of a plain address; -1 for a number, undefined for any other sum. */
export function sectionOf(value: Value): number | undefined {
  if (value.terms.length === 0) return -1
  const term = value.terms[0]!
  return value.terms.length === 1 && term.register === null && term.factor === 1n ? term.section : undefined
}

/** `doubled` is told when a register stands on both sides. */
export function add(a: Value, b: Value, doubled?: () => void): Value {
  const constant = BigInt.asIntN(64, a.constant + b.constant)
  const unknown = a.unknown + b.unknown
  if (b.terms.length === 0) return { constant, terms: a.terms, unknown }
  if (a.terms.length === 0) return { constant, terms: b.terms, unknown }
  return { constant, terms: merged(a.terms, b.terms, doubled), unknown }
}

/** Both lists are in order of their keys, and so is what comes out. */
function merged(a: readonly Term[], b: readonly Term[], doubled?: () => void): readonly Term[] {
  const terms: Term[] = []
  let left = 0
  let right = 0
  while (left < a.length && right < b.length) {
    const [one, other] = [a[left]!, b[right]!]
    if (one.key === other.key) {
      const factor = one.factor + other.factor
      if (factor !== 0n) {
        terms.push({ ...one, factor })
        doubled?.()
      }
      left++
      right++
    } else if (one.key < other.key) {
      terms.push(one)
      left++
    } else {
      terms.push(other)
      right++
    }
  }
  for (; left < a.length; left++) terms.push(a[left]!)
  for (; right < b.length; right++) terms.push(b[right]!)
  return terms
}

export function scale(value: Value, factor: bigint): Value {
  const constant = BigInt.asIntN(64, value.constant * factor)
  const unknown = BigInt.asIntN(64, value.unknown * factor)
  if (value.terms.length === 0) return { constant, terms: NO_TERMS, unknown }
  const terms = factor === 0n ? NO_TERMS : value.terms.map(term => ({ ...term, factor: BigInt.asIntN(64, term.factor * factor) }))
  return { constant, terms, unknown }
}

export const subtract = (a: Value, b: Value): Value => add(a, scale(b, -1n))
