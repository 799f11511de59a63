/** The linear address that a word of `monitor` means: a number, a label, a register, or one of these and an offset. */

import { programNames } from '../query/filter.ts'
import { FilterError, troubleIn } from '../query/filter-fields.ts'
import { operandOf, valueAsked } from '../query/operand.ts'
import { readValue } from '../query/parse.ts'
import { MomentReader } from '../session/moment-reader.ts'
import type { Timeline, TimelineView } from '../session/timeline.ts'

/** A text is what is wrong with it. */
export function addressNamed(timeline: Timeline, { cpu }: TimelineView, text: string): bigint | string {
  try {
    const operand = readValue(text, node => operandOf(node, programNames(timeline.reader.header.image)))
    return valueAsked(operand, new MomentReader(timeline, timeline.engines[cpu]!)) ?? `\`${text}\` holds nothing here\n`
  } catch (error) {
    if (error instanceof FilterError) return `${troubleIn(text, error)}${error.help === '' ? '' : `; ${error.help}`}\n`
    throw error
  }
}
