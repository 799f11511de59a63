/**
 * Why two traces differ: what went into the runs differently, first what was there before they began. Parameters, the program, what
 * the user typed, and the VMX controls that a guest hypervisor chose, with the line that chose them.
 */

import { type ImageLine, lineAt } from '../assembler/image.ts'
import { type ControlName, VMX_CONTROLS } from '../spec/vmx-controls.ts'
import type { ConfigDifference } from '../trace/config-difference.ts'
import { configText } from '../trace/config-difference.ts'
import type { TraceDiff } from '../trace/diff.ts'
import type { TraceReader } from '../trace/file.ts'
import { isImported } from '../trace/projection.ts'
import { type ControlWrite, guestControls, writeOfControl } from './guest-controls.ts'
import { inputsOf } from './replay.ts'
import { openTimeline } from './timeline.ts'

type Side = 'A' | 'B'

export type DiffCause =
  | { readonly kind: 'parameter'; readonly difference: ConfigDifference }
  /** In words, with the first line that differs. */
  | { readonly kind: 'program'; readonly text: string }
  /** Numbers of the first inputs that differ; -1 where a side has no more. */
  | { readonly kind: 'input'; readonly a: number; readonly b: number }
  | ControlCause

export interface ControlCause {
  readonly kind: 'control'
  readonly control: ControlName
  /** The side on which it is 1, and the write that made it so. */
  readonly setIn: Side
  readonly write?: ControlWrite
  readonly file?: string
  readonly line?: number
}

/** The causes of a difference, the earliest first. Looks for controls only where the guest's own events differ. */
export function diffCauses(diff: TraceDiff, a: TraceReader, b: TraceReader): readonly DiffCause[] {
  const causes: DiffCause[] = diff.config.map(difference => ({ kind: 'parameter', difference }))
  if (isImported(a) || isImported(b)) return []
  if (diff.image !== undefined) causes.push({ kind: 'program', text: diff.image })
  const input = firstDifferentInput(a, b, causes.length === 0)
  if (input !== undefined) causes.push(input)
  const control = diff.hunks[0] === undefined ? undefined : controlCause(diff, a, b)
  return control === undefined ? causes : [...causes, control]
}

/** When an input came counts only where the runs are to be the same. */
function firstDifferentInput(a: TraceReader, b: TraceReader, withTime: boolean): DiffCause | undefined {
  const [inA, inB] = [inputsOf(a), inputsOf(b)]
  for (let n = 0; n < Math.max(inA.length, inB.length); n++) {
    const [x, y] = [inA[n]?.[1], inB[n]?.[1]]
    const isSame =
      x !== undefined &&
      y !== undefined &&
      x.device === y.device &&
      Buffer.compare(x.bytes, y.bytes) === 0 &&
      (!withTime || x.instructions === y.instructions)
    if (!isSame) return { kind: 'input', a: inA[n]?.[0] ?? -1, b: inB[n]?.[0] ?? -1 }
  }
  return undefined
}

const isTravelled = ({ count, keyframeCount }: TraceReader): boolean => count > 0 && keyframeCount > 0

/** The first control that a guest hypervisor has otherwise when the traces part. */
function controlCause({ hunks }: TraceDiff, a: TraceReader, b: TraceReader): ControlCause | undefined {
  if (!isTravelled(a) || !isTravelled(b)) return undefined
  const at = (side: 0 | 1, reader: TraceReader, events: readonly number[]): number => {
    const index = events[0] ?? hunks[0]!.after[side]
    return index >= 0 ? index : reader.count - 1
  }
  const sides = [
    { side: 'A', reader: a, timeline: openTimeline(a), until: at(0, a, hunks[0]!.a) },
    { side: 'B', reader: b, timeline: openTimeline(b), until: at(1, b, hunks[0]!.b) },
  ] as const
  const [inA, inB] = sides.map(({ timeline, until }) => guestControls(timeline.atEvent(until)))
  if (inA === undefined || inB === undefined) return undefined
  const control = (Object.keys(VMX_CONTROLS) as ControlName[]).find(name => inA.has(name) !== inB.has(name))
  if (control === undefined) return undefined
  const { side, reader, timeline, until } = sides[inA.has(control) ? 0 : 1]
  const write = writeOfControl(timeline, control, until)
  const { image } = reader.header
  const place: ImageLine | undefined = write && lineAt(image, Number(write.rip))
  return {
    kind: 'control',
    control,
    setIn: side,
    ...(write === undefined ? {} : { write }),
    ...(place === undefined ? {} : { file: image.sources[place.source]!.file, line: place.line }),
  }
}

const eventName = (side: Side, index: number): string => (index < 0 ? `${side} has none` : `${side}#${index}`)

/** A cause in words. */
export function causeText(cause: DiffCause): string {
  switch (cause.kind) {
    case 'parameter':
      return configText(cause.difference)
    case 'program':
      return cause.text
    case 'input':
      return `another input: ${eventName('A', cause.a)}, ${eventName('B', cause.b)}`
    case 'control': {
      const { control, setIn, write, file, line } = cause
      const at = write === undefined ? [] : [write.event === undefined ? `i:${write.instructions}` : `${setIn}#${write.event}`]
      const by = file === undefined ? (write === undefined ? [] : [`rip 0x${write.rip.toString(16)}`]) : [`${file}:${line}`]
      const set = at.length === 0 ? '' : ` (set at ${[...at, ...by].join(', ')})`
      return `${setIn} has ${VMX_CONTROLS[control].word} control ${control}=1${set}; ${setIn === 'A' ? 'B' : 'A'} has it 0`
    }
  }
}

/** A cause for programs. */
export function causeJson(cause: DiffCause): object {
  switch (cause.kind) {
    case 'parameter':
      return { kind: 'parameter', path: cause.difference.path, a: cause.difference.a ?? null, b: cause.difference.b ?? null }
    case 'control': {
      const { write, ...rest } = cause
      return { ...rest, ...(write === undefined ? {} : { ...write, rip: `0x${write.rip.toString(16)}` }) }
    }
    default:
      return cause
  }
}
