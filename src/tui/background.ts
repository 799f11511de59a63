/** What is still to be found out about the trace, most wanted first: what a person waits for, then what fills the screen. */

import { journeyWork } from './journeys.ts'
import type { Model } from './model.ts'
import { rerunWork } from './rerun.ts'
import { whyWork } from './why.ts'
import type { Work } from './work.ts'

export function backgroundWork({ trace, place, prompt, filter, seeking, journey, rerun, overlay }: Model): Work | undefined {
  if (journey !== null) return journeyWork(trace, journey)
  if (rerun !== null) return rerunWork(trace, rerun)
  if (overlay?.question !== undefined && !whyWork(trace, overlay.question).isWhole) return whyWork(trace, overlay.question)
  if (!trace.isThere(place)) return trace.approach(place)
  const typed = prompt?.kind === 'search' || prompt?.kind === 'filter' ? prompt.text : ''
  for (const text of [seeking?.filter ?? '', typed, filter]) {
    if (text.trim() === '') continue
    const selection = trace.select(text)
    if (!selection.isWhole) return selection
  }
  if (!trace.index.isWhole) return trace.index
  return trace.visits.isWhole ? undefined : trace.visits
}
