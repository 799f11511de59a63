/** A difference of two traces in words: a verdict, the first difference, the hunks with repeated ones told once, and the exit counts. */

import { exitReasonName } from '../spec/exit-reasons.ts'
import { configText } from './config-difference.ts'
import type { ExitChange, Hunk, HunkGroup, TraceDiff } from './diff.ts'
import type { TraceReader } from './file.ts'
import type { FirstDifference } from './first-difference.ts'
import { eventColumns } from './format.ts'
import type { Projection } from './projection.ts'
import { exitLabel } from './statistics.ts'
import { groupedNumber, textTable } from './table.ts'

/** The two traces as they are called. */
export interface DiffSides {
  readonly a: TraceReader
  readonly b: TraceReader
  readonly nameA: string
  readonly nameB: string
}

const MAX_GROUPS = 20
const MAX_LINES = 12
const MAX_CHANGES = 4
const MAX_PLACES = 1000

const SAME: Readonly<Record<Projection, string>> = {
  arch: 'the guest sees the same in both',
  exits: 'both take the same exits at the same places',
  timing: 'the guest sees the same at the same times in both',
  all: 'the traces are the same, event by event',
}

const DIFFERENT: Readonly<Record<Projection, string>> = {
  arch: 'the guest sees different things',
  exits: 'the exits differ',
  timing: 'the guest sees different things, or at different times',
  all: 'the traces differ',
}

/** `MSR_WRITE 6e0 (IA32_TSC_DEADLINE) 110 -> 0`. */
const changeText = (change: ExitChange): string => `${exitLabel(change)} ${change.a} -> ${change.b}`

const list = (texts: readonly string[], limit: number): string =>
  texts.length > limit ? `${texts.slice(0, limit).join(', ')} and ${texts.length - limit} more` : texts.join(', ')

/** The answer in one line, with the configuration that explains it. */
export function verdictText(diff: TraceDiff): string {
  const hunks = diff.hunkCount === 1 ? '1 place' : `${groupedNumber(diff.hunkCount)} places`
  const answer = diff.equal ? SAME[diff.by] : `${DIFFERENT[diff.by]} (${hunks})`
  const changed = diff.exits.filter(({ a, b }) => a !== b).map(changeText)
  const exits = changed.length > 0 ? list(changed, MAX_CHANGES) : 'same number of exits of every kind'
  const config = diff.config.length > 0 ? [`configuration: ${list(diff.config.map(configText), MAX_CHANGES)}`] : []
  return [answer, exits, ...config, ...(diff.image ? [diff.image] : [])].join('; ')
}

/** One event in a line; an exit for RDMSR or WRMSR names the MSR, which KVM says right after. */
export function eventLine(reader: TraceReader, index: number): string {
  const event = reader.event(index)
  const { level, word, detail } = eventColumns(event)
  let about = ''
  if (event.kind === 'kvm_exit' && /^MSR_/.test(detail)) {
    for (const next of reader.events(index + 1, index + 5)) {
      if (next.kind === 'kvm_entry' || next.kind === 'kvm_exit') break
      if (next.kind !== 'kvm_msr') continue
      about = `  ${eventColumns(next).detail}`
      break
    }
  }
  return `#${index} ${level} ${word.padEnd(7)} ${detail}${about}`
}

const signed = (value: number): string => `${value < 0 ? '-' : '+'}${groupedNumber(Math.abs(value))}`

const growthText = ([a, b]: readonly [number, number]): string => `${signed(a)} -> ${signed(b)} cycles (${signed(b - a)})`

/** Where the traces part, in words; undefined when they do not. */
export function firstDifferenceText(diff: TraceDiff, { a, b }: DiffSides): string | undefined {
  const [hunk] = diff.hunks
  if (!hunk) return undefined
  const [inA] = hunk.a
  const [inB] = hunk.b
  if (hunk.growth) return `${eventLine(a, inA!)} comes at another time: ${growthText(hunk.growth)} since the event before`
  const side = (reader: TraceReader, index: number | undefined, after: number): string =>
    index !== undefined ? `has ${eventLine(reader, index)}` : goesOn(reader, after)
  return `A ${side(a, inA, hunk.after[0])}; B ${side(b, inB, hunk.after[1])}`
}

const goesOn = (reader: TraceReader, index: number): string =>
  index >= 0 ? `goes on with ${eventLine(reader, index)}` : 'has nothing more'

/** The answer of `vtick diff --first`. */
export const firstDifferenceLine = (by: Projection, first: FirstDifference | undefined, { a, b }: DiffSides): string =>
  first === undefined ? SAME[by] : `A ${goesOn(a, first.a)}; B ${goesOn(b, first.b)}`

/** What the events are that a long hunk does not show: `94 L1 MSR_WRITE, 94 L1 PREEMPTION_TIMER`. */
function tally(reader: TraceReader, indexes: readonly number[]): string {
  const counts = new Map<string, number>()
  for (const index of indexes) {
    const event = reader.event(index)
    const isExit = event.kind === 'kvm_exit' || event.kind === 'vmx_exit'
    const label = `L${event.level} ${isExit ? exitReasonName(event.reason) : event.kind}`
    counts.set(label, (counts.get(label) ?? 0) + 1)
  }
  const texts = [...counts].sort(([, x], [, y]) => y - x).map(([label, count]) => `${groupedNumber(count)} ${label}`)
  return list(texts, MAX_CHANGES)
}

function hunkLines({ a, b }: DiffSides, hunk: Hunk): string[] {
  const some = (mark: string, reader: TraceReader, indexes: readonly number[]): string[] => {
    const lines = indexes.slice(0, MAX_LINES).map(index => `${mark} ${eventLine(reader, index)}`)
    return indexes.length > MAX_LINES ? [...lines, `${mark} ... and ${tally(reader, indexes.slice(MAX_LINES))}`] : lines
  }
  const before = hunk.before[0] >= 0 ? [`  ${eventLine(a, hunk.before[0])}`] : []
  const after = hunk.after[0] >= 0 ? [`  ${eventLine(a, hunk.after[0])}`] : []
  if (hunk.growth) return [...before, `~ ${eventLine(a, hunk.a[0]!)}   ${growthText(hunk.growth)}`]
  return [...before, ...some('-', a, hunk.a), ...some('+', b, hunk.b), ...after]
}

function groupText(sides: DiffSides, group: HunkGroup, number: number): string {
  const [atA, atB] = group.at[0]!
  const place = (side: string, at: number): string => (at < 0 ? `end of ${side}` : `${side}#${at}`)
  const more = group.count > 1 ? [`  ... and ${groupedNumber(group.count - 1)} more like this`] : []
  return [`@@ ${number}: ${place('A', atA)} ${place('B', atB)} @@`, ...hunkLines(sides, group.first), ...more].join('\n')
}

/** The exit counts of both sides. */
export function exitChangesText(diff: TraceDiff): string {
  if (diff.exits.length === 0) return 'no VM exits on either side'
  const rows = diff.exits.map(change => [
    exitLabel(change),
    groupedNumber(change.a),
    '->',
    groupedNumber(change.b),
    change.a === change.b ? '' : `(${signed(change.b - change.a)})`,
  ])
  const [a, b] = diff.exitTicks
  const percent = a === 0 ? '' : ` (${signed(Math.round((100 * (b - a)) / a))}%)`
  return `${textTable([['exits', 'A', '', 'B', ''], ...rows], 1)}\nhandling exits, HLT apart: ${groupedNumber(a)} -> ${groupedNumber(b)} cycles${percent}`
}

/** The whole difference as plain text; `causes` in words, as far as they are known. */
export function diffText(diff: TraceDiff, sides: DiffSides, causes: readonly string[] = []): string {
  const { a, b, nameA, nameB } = sides
  const cut = [a.truncated && `A: ${a.truncated}`, b.truncated && `B: ${b.truncated}`].filter(text => text !== undefined)
  const first = firstDifferenceText(diff, sides)
  const groups = diff.groups.slice(0, MAX_GROUPS).map((group, i) => groupText(sides, group, i + 1))
  const rest = diff.groups.slice(MAX_GROUPS).reduce((sum, { count }) => sum + count, 0)
  const head = [
    `--- A ${nameA}`,
    `+++ B ${nameB}`,
    ...cut,
    `by ${diff.by}${diff.by === 'timing' || diff.by === 'all' ? `, tolerance ${diff.tolerance} cycles` : ''}: ${verdictText(diff)}`,
    ...causes.slice(0, MAX_CHANGES).map((cause, n) => `${n === 0 ? 'cause' : 'and'}: ${cause}`),
    ...(first === undefined ? [] : [`first difference: ${first}`]),
  ]
  return [
    head.join('\n'),
    ...groups,
    ...(rest > 0 ? [`... and ${groupedNumber(rest)} more differences of other kinds`] : []),
    exitChangesText(diff),
  ].join('\n\n')
}

/** The whole difference for programs: `vtick diff --json`. */
export function diffJson(diff: TraceDiff, sides: DiffSides): { readonly version: 1 } & Readonly<Record<string, unknown>> {
  const events = (reader: TraceReader, indexes: readonly number[]): object[] =>
    indexes.slice(0, MAX_PLACES).map(index => ({ index, text: eventLine(reader, index) }))
  return {
    version: 1,
    by: diff.by,
    tolerance: diff.tolerance,
    equal: diff.equal,
    same_events: diff.sameEvents,
    same_exits: diff.sameExits,
    verdict: verdictText(diff),
    first: firstDifferenceText(diff, sides) ?? null,
    configuration: diff.config.map(({ path, a, b }) => ({ path, a: a ?? null, b: b ?? null })),
    program: diff.image ?? null,
    hunk_count: diff.hunkCount,
    hunks: diff.groups.slice(0, MAX_PLACES).map(({ first, count, at }) => ({
      kind: first.kind,
      count,
      at,
      a: events(sides.a, first.a),
      b: events(sides.b, first.b),
      ...(first.growth ? { cycles: first.growth } : {}),
    })),
    exits: diff.exits,
    exit_cycles: diff.exitTicks,
    largest_time_delta: diff.largestTimeDelta,
  }
}
