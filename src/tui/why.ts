/** Questions about origins, answered in slices on the machine of the journeys. */

import type { Why } from '../session/why/chain.ts'
import { why } from '../session/why/why.ts'
import { cursorOf, timelineOf } from './journeys.ts'
import type { Model, WhyQuestion } from './model.ts'
import type { TraceSource } from './trace-source.ts'
import type { Work } from './work.ts'

interface Asking extends Work {
  answer: Why | undefined
  isWhole: boolean
  /** Instructions at which it looks. */
  at: number
}

const asked = new WeakMap<WhyQuestion, Asking>()

/** The search for an answer; the same for the same question. */
export function whyWork(trace: TraceSource, question: WhyQuestion): Asking {
  const known = asked.get(question)
  if (known !== undefined) return known
  const cursor = cursorOf({ trace, place: question.place })
  const pieces = why(timelineOf(trace), cursor, question.location)
  const asking: Asking = {
    answer: undefined,
    isWhole: false,
    at: cursor.instructions,
    advance(milliseconds) {
      const end = performance.now() + milliseconds
      while (!asking.isWhole && performance.now() < end) {
        const { done, value } = pieces.next()
        if (done) [asking.isWhole, asking.answer] = [true, value]
        else asking.at = value.instructions
      }
      return asking.isWhole
    },
  }
  asked.set(question, asking)
  return asking
}

/** Opens the why screen; the screen that was open comes back behind it. */
export const ask = (model: Model, question: WhyQuestion): Model => ({
  ...model,
  overlay: { screen: 'why', at: 1, question, ...(model.overlay === null ? {} : { behind: model.overlay }) },
})
