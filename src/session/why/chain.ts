/** The chain of origins as data: what `vtick why` prints and the explorer's why screen shows. */

import { type ImageLine, lineAt } from '../../assembler/image.ts'
import type { Location } from '../../query/location.ts'
import type { Place, Timeline } from '../timeline.ts'

export interface WhySource {
  readonly file: string
  readonly line: number
}

/** One step back. */
export interface WhyStep {
  /** As the position grammar writes it: an event, or an instruction. */
  readonly position: string
  readonly place: Place
  readonly event?: number
  readonly level: number
  /** Whose it is, of several CPUs. */
  readonly cpu: number
  /** Of a step at an instruction. */
  readonly rip?: bigint
  readonly text: string
  readonly source?: WhySource
  readonly note?: string
  /** 1: about an operand or a setting of the step above; the chain goes on without it. */
  readonly depth: 0 | 1
}

/** Where the chain ends: a number in the source, what the run was configured with, a person's input, the clock, operands to ask about. */
export type WhyEnd = 'constant' | 'configuration' | 'input' | 'time' | 'operands' | 'device' | 'kvm' | 'unknown' | 'length' | 'older'

export interface Why {
  readonly location: Location
  readonly value: bigint | undefined
  readonly position: string
  readonly level: number
  /** The label that RIP stands behind. */
  readonly symbol: string | undefined
  readonly steps: readonly WhyStep[]
  readonly end: WhyEnd
  /** Instructions that were looked back over, where the chain ends because it is older. */
  readonly depth: number
  /** Several things went into the last value: ask about one of them. */
  readonly operands: readonly Location[]
}

export const hex = (value: bigint | number): string => (value < 10 ? `${value}` : `0x${value.toString(16)}`)

/** The source line of an address. */
export function sourceOf({ reader }: Timeline, address: bigint): WhySource | undefined {
  const { image } = reader.header
  const line: ImageLine | undefined = address < 1n << 48n ? lineAt(image, Number(address)) : undefined
  const source = line && image.sources[line.source]
  return source && { file: source.file, line: line.line }
}
