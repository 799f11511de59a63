/** A chain of origins in lines: what the command prints, and gdb's `monitor why`. */

import { hex as grouped } from '../../base/u64.ts'
import { formatLocation } from '../../query/location.ts'
import { groupedNumber } from '../../trace/table.ts'
import type { Why, WhyEnd, WhyStep } from './chain.ts'

const ENDS: Readonly<Record<Exclude<WhyEnd, 'older'>, string>> = {
  constant: 'a constant in the source',
  configuration: 'the configuration of the run',
  input: 'an input',
  time: 'the clock',
  operands: 'what went into it; ask about one of them',
  device: 'a device',
  kvm: 'KVM itself',
  unknown: 'not known further',
  length: 'the chain goes on; ask again from the last step',
}

export const whereOf = ({ source }: WhyStep): string => (source === undefined ? '' : `${source.file}:${source.line}`)

const INDENT = '    '

const widest = (texts: readonly string[], most: number): number => Math.min(most, Math.max(0, ...texts.map(({ length }) => length)))

/** What was asked, and what stands there. */
export const headText = ({ location, value, position, level, symbol }: Why): string =>
  `why  ${formatLocation(location)} = ${value === undefined ? 'nothing' : grouped(value)}   at ${position} (L${level}${symbol === undefined ? '' : `, ${symbol}`})`

export const endText = ({ end, depth }: Why): string =>
  end === 'older'
    ? `from longer ago than ${groupedNumber(depth)} instructions; \`--depth N\` of \`vtick why\` looks further back`
    : `from ${ENDS[end]}`

/** A line for each step: where, what, source line, remark. */
export function whyText(chain: Why): readonly string[] {
  const { steps, operands } = chain
  const texts = steps.map(({ depth, text }) => INDENT.repeat(depth) + text)
  const textWidth = widest(texts, 56)
  const whereWidth = widest(steps.map(whereOf), 32)
  const positionWidth = widest(
    steps.map(({ position: at }) => at),
    12,
  )
  const isOnOthers = steps.some(({ cpu }) => cpu > 0)
  const whose = ({ level, cpu }: WhyStep): string => (isOnOthers ? `cpu${cpu} L${level}` : `L${level}`)
  const lines = steps.map((step, i) =>
    `  ${step.position.padEnd(positionWidth)}  ${whose(step)}  ${texts[i]!.padEnd(textWidth)}  ${whereOf(step).padEnd(whereWidth)}  ${step.note ?? ''}`.trimEnd(),
  )
  const rest = operands.length === 0 ? '' : `: ${operands.map(formatLocation).join(', ')}`
  return [headText(chain), ...lines, `  ${endText(chain)}${rest}`]
}
