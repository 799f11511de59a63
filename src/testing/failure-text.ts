/**
 * Failures in words, for people who will open the asm file at that line:
 *
 *     deadline.guest.asm:18:9:  wrmsr     ;= no-exit when apic_timer_virt=1
 *       expected  no VM exit at this instruction
 *       actual    exit MSR_WRITE 6e0 (IA32_TSC_DEADLINE) at #412, L1
 *       because   ...
 *         #411 L1 entry 0x10_1a30
 *       > #412 L1 exit MSR_WRITE 0x10_1a30
 *       open      vtick explore .vtick/deadline-apic_timer_virt1.vtrace --at '#412'
 */

import { basicExitReason, EXIT_REASONS } from '../spec/exit-reasons.ts'
import type { TraceEvent } from '../spec/trace-events.ts'
import { eventColumns } from '../trace/format.ts'
import type { CellRun } from './cell-run.ts'
import type { Failure } from './failure.ts'
import { type Cell, cellLabel, type Problem } from './plan.ts'

/** The cell to compare a failing one with. */
export interface CellToCompare {
  /** What is different in it: `apic_timer_virt=0`. */
  readonly label: string
  readonly passes: boolean
  readonly traceFile: string
}

export interface FailingCell {
  /** The test file as shown. */
  readonly file: string
  readonly source: string
  readonly run: CellRun
  readonly failures: readonly Failure[]
  /** Where the trace was put. */
  readonly traceFile: string
  readonly compare: CellToCompare | null
}

/** Events shown before and after the one that matters. */
const AROUND = 2

const row = (name: string, text: string): string => `  ${name.padEnd(9)} ${text}`

const sourceLine = (source: string, line: number): string => (source.split(/\r?\n/)[line - 1] ?? '').trim().replace(/\s+/g, ' ')

export function failureText({ file, source, run, failures, traceFile, compare }: FailingCell): string {
  const blocks = failures.map(failure => [
    `${file}:${failure.place.line}:${failure.place.column}:  ${sourceLine(source, failure.place.line)}`,
    row('expected', failure.expected),
    row('actual', failure.actual),
    ...reasonRows(run, failure),
  ])
  const commands = [openRow(traceFile, failures)]
  if (compare !== null) {
    const diff = `vtick diff ${compare.traceFile} ${traceFile}`
    commands.push(compare.passes ? `  passes in ${compare.label}; compare: ${diff}` : row('compare', diff))
  }
  return [...blocks.flat(), ...commands].join('\n')
}

/** Why, as far as it is known, and the events around the one that matters. */
export const reasonRows = ({ events }: CellRun, { because, event }: Failure): readonly string[] => [
  ...(because === '' ? [] : [row('because', because)]),
  ...(event === null ? [] : eventsAround(events, event)),
]

/** The command that shows where it went wrong. */
export const openRow = (traceFile: string, failures: readonly Failure[]): string =>
  row('open', `vtick explore ${traceFile} --at '${placeToLook(failures)}'`)

/** A position for `--at`: of the first failure that has one. */
function placeToLook(failures: readonly Failure[]): string {
  const found = failures.find(({ event, instructions }) => event !== null || instructions !== undefined)
  if (found === undefined) return '@end'
  return found.event === null ? `i:${found.instructions}` : `#${found.event}`
}

const IO_INSTRUCTION = EXIT_REASONS.EXIT_REASON_IO_INSTRUCTION

/** Printing, and the exits that it costs, says nothing about a failure. */
const isNoise = (event: TraceEvent): boolean =>
  event.kind === 'console' ||
  event.kind === 'pio' ||
  event.kind === 'kvm_pio' ||
  event.kind === 'kvm_userspace_exit' ||
  (event.kind === 'kvm_exit' && basicExitReason(event.reason) === IO_INSTRUCTION)

/** A VM entry belongs to what was done since the exit. */
const tells = (events: readonly TraceEvent[], index: number): boolean => {
  const event = events[index]!
  const before = events[index - 1]
  return !isNoise(event) && !(event.kind === 'kvm_entry' && before !== undefined && isNoise(before))
}

function eventsAround(events: readonly TraceEvent[], index: number): string[] {
  const around = (from: number, step: number): number[] => {
    const found: number[] = []
    for (let number = from + step; number >= 0 && number < events.length && found.length < AROUND; number += step)
      if (tells(events, number)) found.push(number)
    return found
  }
  return [...around(index, -1).reverse(), index, ...around(index, 1)].map(number => {
    const { level, word, detail } = eventColumns(events[number]!)
    return `  ${number === index ? '>' : ' '} #${number} ${level} ${word} ${detail}`.trimEnd()
  })
}

/** Wrong directives, one block each. */
export const problemsText = (file: string, source: string, problems: readonly Problem[]): string =>
  problems
    .map(({ place, message, help }) =>
      [`${file}:${place.line}:${place.column}: ${message}${help === '' ? '' : ` (${help})`}`, `    ${sourceLine(source, place.line)}`].join(
        '\n',
      ),
    )
    .join('\n')

/** `deadline-apic_timer_virt1-L1`: a cell in a word that can be a file's name. */
export function cellName(file: string, cell: Cell): string {
  const base = file.replace(/(\.guest)?\.asm$/, '').replaceAll(/[/\\\s]/g, '-')
  const label = cellLabel(cell)
    .replaceAll('=', '')
    .replace(/level(L\d)/, '$1')
    .replaceAll(' ', '-')
  return label === '' ? base : `${base}-${label}`
}

/** `.vtick/deadline-apic_timer_virt1-L1.vtrace`: where the trace of a failing cell goes. */
export const traceFileOf = (file: string, cell: Cell): string => `.vtick/${cellName(file, cell)}.vtrace`
