/**
 * What if: a recorded run once more, with another module parameter or with values set at a position, and the recorded inputs at their
 * places. The result is a recording of its own.
 */

import type { KvmParameters } from '../kvm/parameters.ts'
import type { Sink, TraceReader } from '../trace/file.ts'
import { EDIT_DEVICE, type Edit, editText } from './edit.ts'
import { type PlacedInput, type Progress, type Recording, recordInSlices } from './record.ts'
import { configOf, inputsOf } from './replay.ts'

export interface WhatIf {
  readonly parameters?: Partial<KvmParameters>
  readonly edits?: readonly Edit[]
  /** Instructions retired when the edits are made. */
  readonly at?: number
  readonly maxInstructions?: number
}

/** Runs on what `reader` recorded, changed, into `sink`. */
export function whatIf(
  reader: TraceReader,
  { parameters, edits = [], at = 0, maxInstructions }: WhatIf,
  sink: Sink,
): Generator<Progress, Recording, boolean> {
  const config = configOf(reader)
  const recorded = inputsOf(reader).map(([, { device, bytes, instructions }]): PlacedInput => ({ device, bytes, instructions }))
  const edited = edits.map((edit): PlacedInput => ({ device: EDIT_DEVICE, bytes: Buffer.from(editText(edit)), instructions: at }))
  const inputs = [...recorded, ...edited].sort((a, b) => a.instructions - b.instructions)
  const { end } = reader
  const budget = maxInstructions ?? (end?.reason === 'budget' ? end.instructions : undefined)
  return recordInSlices({ ...config, parameters: { ...config.parameters, ...parameters } }, reader.header.image, {
    sink,
    inputs,
    ...(budget === undefined ? {} : { maxInstructions: budget }),
  })
}
