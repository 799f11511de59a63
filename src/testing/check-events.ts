/** Expectations about what the guest does and what is delivered to it: interrupts and their times, the order of events, the console. */

import { lineAt } from '../assembler/image.ts'
import { nearest } from '../base/suggest.ts'
import type { EventOf, TraceEvent } from '../spec/trace-events.ts'
import { groupedNumber } from '../trace/table.ts'
import type { CellRun } from './cell-run.ts'
import { COMPARISON_WORDS, exitText, patternText, timerReason } from './check-exits.ts'
import type { Evidence } from './evidence.ts'
import { matching } from './exits.ts'
import type { Failure } from './failure.ts'
import { COMPARISONS, type EventPattern, type TimePoint, type Wanted } from './plan.ts'
import type { Mark } from './walk-facts.ts'

type Interrupt = EventOf<'interrupt'>

const vectorText = (vector: number): string => `irq 0x${vector.toString(16)}`

const isInterrupt = (event: TraceEvent): event is Interrupt => event.kind === 'interrupt'

/** IDT-vectoring information: an event was being delivered when the exit came. */
const VECTORING_VALID = 1n << 31n

/** A delivery that an exit broke off (its stack or IDT was not mapped yet) is none: KVM delivers it again. */
function isBrokenOff(events: readonly TraceEvent[], index: number): boolean {
  const next = events[index + 1]
  return (
    next?.kind === 'kvm_exit' &&
    (next.info2 & VECTORING_VALID) !== 0n &&
    (next.info2 & 0xffn) === BigInt((events[index] as Interrupt).vector)
  )
}

/** What is delivered to the guest, with the numbers of the events. */
export const deliveries = ({ events }: CellRun): readonly (readonly [index: number, event: Interrupt])[] =>
  events.flatMap((event, index) => (isInterrupt(event) && !isBrokenOff(events, index) ? [[index, event] as const] : []))

const interruptsOf = (run: CellRun, vector: number): ReturnType<typeof deliveries> =>
  deliveries(run).filter(([, event]) => event.vector === vector)

export function checkIrqCount({ place, vector, comparison, count }: Wanted<'irqs'>, run: CellRun): Failure | null {
  const found = interruptsOf(run, vector)
  if (COMPARISONS[comparison](found.length, count)) return null
  return {
    place,
    expected: `${COMPARISON_WORDS[comparison]}${count} deliveries of ${vectorText(vector)}`,
    actual: `${found.length} of them`,
    because: '',
    event: (found.length > count ? found[count] : found.at(-1))?.[0] ?? null,
  }
}

function cyclesOf({ offset, unit }: TimePoint, { config }: CellRun): number {
  const perNs = config.machine.tscKhz / 1e6
  return Math.round(offset * { cyc: 1, ns: perNs, us: perNs * 1e3, ms: perNs * 1e6 }[unit])
}

const pointText = ({ from, offset, unit }: TimePoint): string =>
  offset === 0 ? from : `${from}${offset < 0 ? '-' : '+'}${Math.abs(offset)}${unit}`

export function checkIrqTime({ place, vector, from, to }: Wanted<'irq-time'>, { run, facts }: Evidence): Failure | null {
  const found = interruptsOf(run, vector)
  const expected = `${vectorText(vector)} in ${pointText(from)} .. ${pointText(to)}`
  if (found.length === 0) return { place, expected, actual: 'it is never delivered', because: '', event: null }
  const arms = facts().marks.filter(({ kind }) => kind === 'arm')
  for (const [index, { tick }] of found) {
    const arm = arms.findLast(({ event }) => event <= index)
    if (arm === undefined)
      return { place, expected, actual: `it is delivered at #${index}, and no deadline was written before`, because: '', event: index }
    const start = (point: TimePoint): number => (point.from === 'arm' ? arm.tick : arm.due)
    if (tick >= start(from) + cyclesOf(from, run) && tick <= start(to) + cyclesOf(to, run)) continue
    const late = tick - start(to)
    const actual = `delivered at #${index}, ${groupedNumber(Math.abs(late))} cycles ${late < 0 ? 'before' : 'after'} ${to.from === 'arm' ? 'the write' : 'the deadline'}`
    return { place, expected, actual, because: lateReason(run, arm, index), event: index }
  }
  return null
}

/** What lay between the moment a deadline was due and the interrupt. */
function lateReason({ events, exits }: CellRun, { due }: Mark, index: number): string {
  const between = exits.filter(exit => exit.index < index && events[exit.index]!.tick >= due)
  if (between.length > 0) return `${exitText(between[0]!)} lies between`
  const sleeps = exits.findLast(exit => exit.index < index)
  return sleeps?.reason === 'HLT' ? `the vCPU slept since ${exitText(sleeps)}, and KVM had to wake it` : ''
}

/** Something that happened, in the order of the run: whole numbers are events, halves stand before an event. */
interface Occurrence {
  readonly at: number
  readonly event: number
  readonly text: string
}

function occurrencesOf(pattern: EventPattern, { run, facts }: Evidence): readonly Occurrence[] {
  switch (pattern.kind) {
    case 'exit':
      return matching(run.exits, pattern.exits).map(exit => ({ at: exit.index, event: exit.index, text: exitText(exit) }))
    case 'irq':
      return interruptsOf(run, pattern.vector).map(([index]) => ({
        at: index,
        event: index,
        text: `${vectorText(pattern.vector)} at #${index}`,
      }))
    case 'arm':
    case 'eoi':
      return facts()
        .marks.filter(({ kind }) => kind === pattern.kind)
        .map(({ event }) => {
          const shown = Math.min(event, run.events.length - 1)
          return { at: event - 0.5, event: shown, text: `${pattern.kind} before #${shown}` }
        })
  }
}

const eventName = (pattern: EventPattern): string => {
  if (pattern.kind === 'exit') return `exit ${patternText(pattern.exits)}`
  return pattern.kind === 'irq' ? vectorText(pattern.vector) : pattern.kind
}

export function checkOrder({ place, events }: Wanted<'order'>, evidence: Evidence): Failure | null {
  let last: Occurrence | null = null
  for (const pattern of events) {
    const found = occurrencesOf(pattern, evidence)
    const next: Occurrence | undefined = found.find(({ at }) => last === null || at > last.at)
    if (next === undefined) {
      const before = found.length > 0 ? `; the last is ${found.at(-1)!.text}` : ''
      return {
        place,
        expected: `${events.map(eventName).join(', then ')}`,
        actual: `no ${eventName(pattern)}${last === null ? '' : ` after ${last.text}`}${before}`,
        because: '',
        event: last?.event ?? null,
      }
    }
    last = next
  }
  return null
}

export function checkNever({ place, event: pattern, isTwice }: Wanted<'never'>, evidence: Evidence): Failure | null {
  const found = occurrencesOf(pattern, evidence)
  const first = found[isTwice ? 1 : 0]
  if (first === undefined) return null
  const more = found.length - (isTwice ? 2 : 1)
  return {
    place,
    expected: `${isTwice ? 'at most one' : 'no'} ${eventName(pattern)}`,
    actual: `${first.text}${isTwice ? `, after ${found[0]!.text}` : ''}${more > 0 ? `, and ${more} more` : ''}`,
    because: pattern.kind === 'exit' && !isTwice ? timerReason(pattern.exits, evidence.run, first.event, true) : '',
    event: first.event,
  }
}

/** An interrupt that ends a HLT saves the RIP behind it. */
export function checkWakes({ place, vector }: Wanted<'wakes'>, run: CellRun): Failure | null {
  const { image, exits } = run
  const isBehindLine = (rip: bigint): boolean => {
    const line = lineAt(image, Number(rip) - 1)
    return line?.source === 0 && line.line === place.line && line.address + line.length === Number(rip)
  }
  const found = deliveries(run).filter(([, { rip }]) => isBehindLine(rip))
  const wrong = found.find(([, event]) => event.vector !== vector)
  const expected = `${vectorText(vector)} wakes the guest here`
  if (wrong !== undefined)
    return { place, expected, actual: `${vectorText(wrong[1].vector)} does at #${wrong[0]}`, because: '', event: wrong[0] }
  if (found.length > 0) return null
  const sleep = exits.findLast(exit => exit.reason === 'HLT')
  return { place, expected, actual: 'no interrupt is delivered behind this line', because: '', event: sleep?.index ?? null }
}

export function checkPrints({ place, lines }: Wanted<'prints'>, { output }: CellRun): Failure | null {
  let from = 0
  for (const [position, wanted] of lines.entries()) {
    const agrees = wanted.endsWith('...') ? (text: string) => text.startsWith(wanted.slice(0, -3)) : (text: string) => text === wanted
    const found = output.findIndex(({ text }, at) => at >= from && agrees(text.trim()))
    if (found < 0) {
      const rest = output.slice(from).map(({ text }) => text.trim())
      const near = nearest(wanted, rest)
      const actual = rest.length === 0 ? 'nothing more is printed' : `no such line among ${rest.length}`
      return {
        place,
        expected: `the console shows "${wanted}"${position === 0 ? '' : ` after "${lines[position - 1]}"`}`,
        actual: `${actual}${near === undefined ? '' : `; the nearest is "${near}"`}`,
        because: '',
        event: output.at(-1)?.index ?? null,
      }
    }
    from = found + 1
  }
  return null
}
