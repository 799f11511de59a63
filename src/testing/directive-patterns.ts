/** What expectations are about: patterns of exits and of other events, moments, registers and flags. */

import { registerNamed } from '../assembler/registers.ts'
import { EXIT_REASONS } from '../spec/exit-reasons.ts'
import { MSRS } from '../spec/msrs.ts'
import { GPR_NAMES, HIGH_BYTE_NAMES } from '../spec/registers.ts'
import { type FlagName, RFLAGS } from '../spec/rflags.ts'
import { Refusal, type WordReader } from './directive-words.ts'
import { COMPARISONS, type EventPattern, type ExitPattern, type RegisterValue, type TimePoint } from './plan.ts'

const REASONS = Object.keys(EXIT_REASONS).map(name => name.slice('EXIT_REASON_'.length))
const MSR_REASONS = ['MSR_READ', 'MSR_WRITE']

/** `MSR_WRITE`, `(MSR_WRITE)` or `(MSR_WRITE, 0x6e0)`. */
export function readExits(words: WordReader): ExitPattern {
  const isOpen = words.skip('(')
  const reason = words.choice(REASONS, 'an exit reason')
  let msr: number | undefined
  if (isOpen) {
    const { place } = words
    if (words.skip(',')) {
      if (!MSR_REASONS.includes(reason))
        throw new Refusal(place, `an exit ${reason} names no MSR`, `those that do: ${MSR_REASONS.join(', ')}`)
      msr = readMsr(words)
    }
    words.sign(')')
  }
  return msr === undefined ? { reason } : { reason, msr }
}

const MSR_INDEXES: ReadonlyMap<string, number> = new Map(
  Object.entries(MSRS).flatMap(([name, { index }]) => [name, name.replace(/^MSR_/, '')].map(spelling => [spelling, index] as const)),
)

function readMsr(words: WordReader): number {
  if (words.sees('number')) return words.number("an MSR's index")
  return MSR_INDEXES.get(words.choice([...MSR_INDEXES.keys()], 'an MSR'))!
}

/** `(0xEC)`; the parentheses may be left out where nothing follows. */
export function readVector(words: WordReader): number {
  const isOpen = words.skip('(')
  const { place } = words
  const vector = words.number('a vector')
  if (vector > 255) throw new Refusal(place, `${vector} is not a vector`, 'vectors are 0 to 255')
  if (isOpen) words.sign(')')
  return vector
}

const EVENT_WORDS = ['arm', 'eoi', 'irq', 'exit']

/** `arm`, `eoi`, `irq(0xEC)`, `exit(MSR_WRITE, 0x6e0)`, or an exit reason alone. */
export function readEvent(words: WordReader): EventPattern {
  for (const kind of ['arm', 'eoi'] as const) if (words.skip(kind)) return { kind }
  if (words.skip('irq')) return { kind: 'irq', vector: readVector(words) }
  if (words.skip('exit')) return { kind: 'exit', exits: readExits(words) }
  return { kind: 'exit', exits: { reason: words.choice([...EVENT_WORDS, ...REASONS], 'an event or an exit reason') } }
}

export function readComparison(words: WordReader): keyof typeof COMPARISONS {
  const { place } = words
  const sign = words.next('sign', 'a comparison')
  if (Object.hasOwn(COMPARISONS, sign)) return sign as keyof typeof COMPARISONS
  throw new Refusal(
    place,
    `\`${sign}\` is not a comparison`,
    sign === '=' ? 'did you mean `==`?' : `legal here: ${Object.keys(COMPARISONS).join(', ')}`,
  )
}

/** `deadline`, `deadline+64cyc`, `arm-1us`. */
export function readTimePoint(words: WordReader): TimePoint {
  const from = words.choice(['deadline', 'arm'] as const, 'a moment')
  const sign = words.skip('+') ? 1 : words.skip('-') ? -1 : 0
  if (sign === 0) return { from, offset: 0, unit: 'cyc' }
  const { length, unit } = words.duration()
  return { from, offset: sign * length, unit }
}

export const GPRS: readonly string[] = [...Object.values(GPR_NAMES).flat(), ...HIGH_BYTE_NAMES]
const FLAG_NAMES = Object.keys(RFLAGS) as FlagName[]
/** Of those that are longer than a bit. */
const FLAG_MAXIMUM: Partial<Record<FlagName, bigint>> = { IOPL: 3n }

/** Whether the next word names a register or a flag. */
export const seesRegister = (words: WordReader): boolean => [...GPRS, ...FLAG_NAMES].some(name => words.stands(name))

/** `rax=0x5`, `ZF=1`. */
export function readValue(words: WordReader): RegisterValue {
  const name = words.choice([...GPRS, ...FLAG_NAMES], 'a register or a flag')
  if (!words.skip('=')) words.sign('==')
  const { place } = words
  const value = words.wideNumber('a number')
  const flag = FLAG_NAMES.find(known => known === name)
  if (flag !== undefined) {
    if (value < 0n || value > (FLAG_MAXIMUM[flag] ?? 1n)) throw new Refusal(place, `${value} is not a value of ${flag}`)
    return { kind: 'flag', name: flag, value }
  }
  const size = registerNamed(name)!.size as number
  if (BigInt.asUintN(size, value) !== value && BigInt.asIntN(size, value) !== value)
    throw new Refusal(place, `${name} has ${size} bits, and this number needs more`)
  return { kind: 'register', name, value: BigInt.asUintN(size, value) }
}
