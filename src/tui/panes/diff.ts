/**
 * Two traces side by side, hunk by hunk: what only one has is marked `-` or `+`, what comes at another time `~`; equal stretches between
 * hunks are left out. Above stands what differs first, in the configuration that explains it; below, the exits of both.
 */

import type { Place } from '../../query/position.ts'
import { configText } from '../../trace/config-difference.ts'
import type { Hunk } from '../../trace/diff.ts'
import { eventLine } from '../../trace/diff-text.ts'
import type { TraceReader } from '../../trace/file.ts'
import { exitLabel } from '../../trace/statistics.ts'
import { comparison } from '../comparison.ts'
import { cut, grouped, type Line, pad, printable, span, type Tone } from '../lines.ts'
import type { Model } from '../model.ts'
import type { OverlayRow, OverlayScreen } from '../overlay-screen.ts'

const MOST_HUNKS = 500
const MOST_LINES = 30

type Side = readonly [sign: string, text: string, tone: Tone]

const BLANK: Side = [' ', '', 'plain']

const sideOf = (reader: TraceReader, index: number, sign: string, tone: Tone): Side =>
  index < 0 ? BLANK : [sign, printable(eventLine(reader, index)), tone]

function beside(left: Side, right: Side, width: number): Line {
  const half = Math.floor((width - 1) / 2)
  const text = ([sign, words]: Side): string => pad(cut(` ${sign} ${words}`, half), half)
  return [span(text(left), left[2]), span('│', 'title'), span(text(right), right[2])]
}

/** The rows of a hunk; a row leads to the event of the trace that is explored. */
function hunkRows(a: TraceReader, b: TraceReader, hunk: Hunk, explored: 'a' | 'b', width: number): readonly OverlayRow[] {
  const target = (inA: number, inB: number) => {
    const index = explored === 'a' ? inA : inB
    return index < 0 ? null : ({ kind: 'event', index } as const)
  }
  const row = (left: Side, right: Side, inA: number, inB: number): OverlayRow => ({
    line: beside(left, right, width),
    target: target(inA, inB),
  })
  const around = ([inA, inB]: readonly [number, number]): OverlayRow[] =>
    inA < 0 && inB < 0 ? [] : [row(sideOf(a, inA, ' ', 'dim'), sideOf(b, inB, ' ', 'dim'), inA, inB)]
  const length = Math.min(MOST_LINES, Math.max(hunk.a.length, hunk.b.length))
  const [minus, plus] = hunk.kind === 'time' ? ['~', '~'] : ['-', '+']
  const changed = Array.from({ length }, (_, at) => {
    const [inA, inB] = [hunk.a[at] ?? -1, hunk.b[at] ?? -1]
    return row(
      sideOf(a, inA, minus, 'removed'),
      sideOf(b, inB, plus, 'added'),
      inA >= 0 ? inA : hunk.after[0],
      inB >= 0 ? inB : hunk.after[1],
    )
  })
  const growth: OverlayRow[] =
    hunk.growth === undefined
      ? []
      : [{ line: [span(`     +${grouped(hunk.growth[0])} -> +${grouped(hunk.growth[1])} cycles since the event before`)], target: null }]
  return [...around(hunk.before), ...changed, ...growth, ...around(hunk.after)]
}

export function diffScreen(model: Model, width: number): OverlayScreen {
  const compared = comparison(model)
  if (typeof compared === 'string') return { title: 'diff', rows: [{ line: [span(`   ${compared}`)], target: null }] }
  const { a, b, nameA, nameB, diff, explored } = compared
  const plain = (text: string, tone: Tone = 'plain'): OverlayRow => ({ line: [span(`   ${text}`, tone)], target: null })
  const exits = diff.exits.filter(change => change.a !== change.b).map(change => `${exitLabel(change)} ${change.a} -> ${change.b}`)
  const startOf = (hunk: Hunk): Place | null => {
    const index = explored === 'a' ? (hunk.a[0] ?? hunk.after[0]) : (hunk.b[0] ?? hunk.after[1])
    return index < 0 ? null : { kind: 'event', index }
  }
  const hunks = diff.hunks
    .slice(0, MOST_HUNKS)
    .flatMap((hunk, n) => [
      { line: [span(`── ${n + 1} of ${diff.hunkCount} `.padEnd(width, '─'), 'title')], target: startOf(hunk), isHunk: true },
      ...hunkRows(a, b, hunk, explored, width),
    ])
  return {
    title: `diff A ${nameA}  B ${nameB}, by ${diff.by}`,
    rows: [
      ...(diff.config.length === 0 ? [] : [plain(`cause: ${diff.config.slice(0, 3).map(configText).join(', ')}`, 'strong')]),
      ...(exits.length === 0
        ? [plain('the same number of exits of every kind')]
        : exits.slice(0, 6).map(text => plain(`exits: ${text}`, 'exit'))),
      plain(`time in exits, HLT apart: ${grouped(diff.exitTicks[0])} -> ${grouped(diff.exitTicks[1])} cycles`),
      ...(diff.equal ? [plain('no differences')] : []),
      ...hunks,
    ],
  }
}

/** The rows at which hunks begin. */
export const hunkStarts = (model: Model): readonly number[] =>
  diffScreen(model, model.size.columns).rows.flatMap((row, at) => ('isHunk' in row ? [at] : []))
