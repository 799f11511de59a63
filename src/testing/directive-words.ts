/** Words of one directive or line expectation, with their places, and a reader that asks for them one after the other. */

import { nearest } from '../base/suggest.ts'
import { type Place, type Problem, TIME_UNITS, type TimeUnit } from './plan.ts'

interface Word extends Place {
  readonly kind: 'name' | 'number' | 'text' | 'sign' | 'bad'
  readonly text: string
}

const WORD =
  /\s*(?:"(?<text>[^"]*)"|(?<number>0x[0-9a-fA-F_]+|\d[\d_]*(?:k|cyc|ns|us|ms)?)(?![\w])|(?<name>[A-Za-z_]\w*(?:-[A-Za-z_]\w*)*)|(?<sign>==|<=|>=|\.\.|[=<>,()+:-])|(?<bad>[^\s]))/y

/** Everything behind a `;` outside quotes is a comment of the directive. */
function wordsOf(text: string, line: number, column: number): Word[] {
  const words: Word[] = []
  WORD.lastIndex = 0
  while (WORD.lastIndex < text.trimEnd().length) {
    const match = WORD.exec(text)
    const found = Object.entries(match?.groups ?? {}).find(([, value]) => value !== undefined)
    if (match === null || found === undefined || found[1] === ';') break
    const [kind, value] = found as [Word['kind'], string]
    const start = match[0].length - match[0].trimStart().length
    words.push({ kind, text: value, line, column: column + match.index + start })
  }
  return words
}

/** A directive that cannot be followed: caught where the directive began to be read, and told as a `Problem`. */
export class Refusal extends Error {
  readonly problem: Problem

  constructor(place: Place, message: string, help = '') {
    super(message)
    this.problem = { place: { line: place.line, column: place.column }, message, help }
  }
}

/** Runs what reads words of ours outside a file: there is no place to point at. */
export function refusing<T>(read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    const { message, help } = error.problem
    throw new Error(help === '' ? message : `${message} (${help})`)
  }
}

/** The nearest legal word, or one that contains this one, or all that would be right. */
export const suggestion = (word: string, legal: readonly string[]): string => {
  const near = nearest(word, legal) ?? legal.find(candidate => word.length > 2 && candidate.toLowerCase().includes(word.toLowerCase()))
  if (near !== undefined) return `did you mean \`${near}\`?`
  return legal.length <= 12 ? `legal here: ${legal.join(', ')}` : ''
}

const splitNumber = (text: string): { readonly value: string; readonly unit: string } => {
  const plain = text.replaceAll('_', '')
  const unit = plain.startsWith('0x') ? '' : /[a-z]*$/.exec(plain)![0]
  return { value: plain.slice(0, plain.length - unit.length), unit }
}

export class WordReader {
  readonly #words: readonly Word[]
  readonly #end: Place
  #next = 0

  /** `column`, from 1, is where `text` begins in its line. */
  constructor(text: string, line: number, column: number) {
    this.#words = wordsOf(text, line, column)
    this.#end = { line, column: column + text.trimEnd().length }
  }

  /** Of the next word, or of the end. */
  get place(): Place {
    return this.#words[this.#next] ?? this.#end
  }

  get isAtEnd(): boolean {
    return this.#next === this.#words.length
  }

  next(kind: Word['kind'], what: string): string {
    const word = this.#words[this.#next]
    if (word?.kind !== kind) return this.#refuse(what)
    this.#next++
    return word.text
  }

  #refuse(what: string): never {
    const word = this.#words[this.#next]
    throw new Refusal(this.place, `${what} is expected here${word === undefined ? '' : `, not \`${word.text}\``}`)
  }

  /** A name out of those that are legal here. */
  choice<T extends string>(legal: readonly T[], what: string): T {
    const { place } = this
    const name = this.next('name', what)
    const known = legal.find(candidate => candidate === name)
    if (known === undefined) throw new Refusal(place, `\`${name}\` is not ${what}`, suggestion(name, legal))
    return known
  }

  number(what: string): number {
    const { place } = this
    const { value, unit } = splitNumber(this.next('number', what))
    if (unit !== '' && unit !== 'k') throw new Refusal(place, `${what} is expected here, not a time`)
    return Number(value) * (unit === 'k' ? 1000 : 1)
  }

  /** A 64-bit number, negative with a minus in front. */
  wideNumber(what: string): bigint {
    const { place } = this
    const isNegative = this.skip('-')
    const { value, unit } = splitNumber(this.next('number', what))
    if (unit !== '') throw new Refusal(place, `${what} is expected here`)
    return isNegative ? -BigInt(value) : BigInt(value)
  }

  /** A duration; the unit is part of it. */
  duration(): { readonly length: number; readonly unit: TimeUnit } {
    const { place } = this
    const { value, unit } = splitNumber(this.next('number', 'a time, as 64cyc,'))
    const known = TIME_UNITS.find(name => name === unit)
    if (known === undefined)
      throw new Refusal(place, `\`${value}${unit}\` has no unit of time`, `write ${TIME_UNITS.map(name => value + name).join(', ')}`)
    return { length: Number(value), unit: known }
  }

  /** Whether this sign or name is the next word. */
  stands(text: string): boolean {
    const word = this.#words[this.#next]
    return word !== undefined && word.kind !== 'text' && word.text === text
  }

  /** Takes the sign or name if it is the next word. */
  skip(text: string): boolean {
    const isNext = this.stands(text)
    if (isNext) this.#next++
    return isNext
  }

  sign(text: string): void {
    if (!this.skip(text)) this.#refuse(`\`${text}\``)
  }

  /** Whether the next word is this kind. */
  sees(kind: Word['kind']): boolean {
    return this.#words[this.#next]?.kind === kind
  }

  /** Nothing may follow. */
  end(): void {
    if (!this.isAtEnd) throw new Refusal(this.place, `nothing more is expected here, but \`${this.#words[this.#next]!.text}\` follows`)
  }
}
