/** The why screen: a chain of origins, a step a row; Enter goes there, or asks about an operand. */

import { formatLocation } from '../../query/location.ts'
import { type Place, parsePosition, resolvePosition } from '../../query/position.ts'
import type { Why, WhyStep } from '../../session/why/chain.ts'
import { endText, headText, whereOf } from '../../session/why/text.ts'
import { type Line, printable, span, widthOf } from '../lines.ts'
import type { Model, WhyQuestion } from '../model.ts'
import type { OverlayRow, OverlayScreen } from '../overlay-screen.ts'
import { whyWork } from '../why.ts'

const POSITION = 8
const DEEPER = '    '

const plain = (line: Line): OverlayRow => ({ line, target: null })

/** Steps name their position in the grammar that people use. */
function placeOfStep({ position }: WhyStep, count: number): Place | null {
  const parsed = parsePosition(position)
  const found = parsed && resolvePosition(parsed, count)
  return found ?? null
}

/** One row; where there is no room for it, source line and remark come under it. */
function stepRows(step: WhyStep, { count }: Model['trace'], width: number, textWidth: number): readonly OverlayRow[] {
  const { position, level, depth, note } = step
  const target = placeOfStep(step, count)
  const text = printable(`${DEEPER.repeat(depth)}${step.text}`)
  const rest = [whereOf(step), ...(note === undefined ? [] : [note])].filter(words => words !== '').map(printable)
  const head: Line = [
    span(`   ${position.padEnd(POSITION)} `, 'strong'),
    span(`L${level}  `, level === 0 ? 'level0' : level === 1 ? 'level1' : 'level2'),
  ]
  const indent = 3 + POSITION + 5
  const beside = rest.join('  ')
  if (beside === '') return [{ line: [...head, span(text)], target }]
  if (indent + textWidth + 2 + widthOf(beside) <= width)
    return [{ line: [...head, span(`${text.padEnd(textWidth)}  `), span(beside, 'dim')], target }]
  return [
    { line: [...head, span(text)], target },
    { line: [span(`${' '.repeat(indent + 2)}${beside}`, 'dim')], target },
  ]
}

/** Rows of what went into the last value: Enter asks on. */
function operandRows({ operands, steps }: Why, { count }: Model['trace'], from: Place): readonly OverlayRow[] {
  const last = steps.at(-1)
  const place = (last === undefined ? null : placeOfStep(last, count)) ?? from
  return operands.map(location => ({
    line: [span(`     why ${formatLocation(location)}`, 'key')],
    target: null,
    question: { location, place } satisfies WhyQuestion,
  }))
}

const MOST_TEXT = 56

export function whyScreen({ trace, overlay }: Model, width: number): OverlayScreen {
  const question = overlay!.question!
  const { answer } = whyWork(trace, question)
  const title = `why ${formatLocation(question.location)}`
  if (answer === undefined) return { title, rows: [plain([span('   looking back through the run', 'dim')])] }
  const textWidth = Math.min(MOST_TEXT, Math.max(0, ...answer.steps.map(({ text, depth }) => text.length + DEEPER.length * depth)))
  return {
    title,
    rows: [
      plain([span(`   ${headText(answer)}`, 'strong')]),
      ...answer.steps.flatMap(step => stepRows(step, trace, width, textWidth)),
      plain([span(`   ${endText(answer)}`, 'title')]),
      ...operandRows(answer, trace, question.place),
    ],
  }
}
