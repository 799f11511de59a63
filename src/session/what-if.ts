/**
 * What if: a recorded run once more, with another module parameter or with values set at a position, and the recorded inputs at their
 * places. The result is a recording of its own.
 */

import type { KvmParameters } from '../kvm/parameters.ts'
import type { Sink, TraceReader } from '../trace/file.ts'
import { EDIT_DEVICE, type Edit, editText } from './edit.ts'
import { type PlacedInput, type Progress, type Recording, recordInSlices } from './record.ts'
import { configOf, inputsOf } from './replay.ts'
import type { Place } from './timeline.ts'
import { START } from './travel.ts'

export interface WhatIf {
  readonly parameters?: Partial<KvmParameters>
  readonly edits?: readonly Edit[]
  /** Where the edits are made. With another parameter only its instructions count: there are other events then. */
  readonly at?: Place
  readonly maxInstructions?: number
  /** Told of an edit, in its words, that the machine refuses. */
  readonly refused?: (text: string) => void
}

/** Runs on what `reader` recorded, changed, into `sink`. */
export function whatIf(
  reader: TraceReader,
  { parameters, edits = [], at = START, maxInstructions, refused }: WhatIf,
  sink: Sink,
): Generator<Progress, Recording, boolean> {
  const config = configOf(reader)
  const placeOf = (instructions: number, events: number) => (parameters === undefined ? { instructions, events } : { instructions })
  const recorded = inputsOf(reader).map(
    ([index, { device, bytes, instructions }]): PlacedInput => ({
      device,
      bytes,
      ...(device === EDIT_DEVICE ? placeOf(instructions, index) : { instructions }),
    }),
  )
  const edited = edits.map(
    (edit): PlacedInput => ({ device: EDIT_DEVICE, bytes: Buffer.from(editText(edit)), ...placeOf(at.instructions, at.events) }),
  )
  const inputs = [...recorded, ...edited].sort((a, b) => a.instructions - b.instructions || (a.events ?? 0) - (b.events ?? 0))
  const { end } = reader
  const budget = maxInstructions ?? (end?.reason === 'budget' ? end.instructions : undefined)
  return recordInSlices({ ...config, parameters: { ...config.parameters, ...parameters } }, reader.header.image, {
    sink,
    inputs,
    ...(refused === undefined ? {} : { refused: ({ bytes }: PlacedInput) => refused(Buffer.from(bytes).toString()) }),
    ...(budget === undefined ? {} : { maxInstructions: budget }),
  })
}
