/** What is still to be found out about the trace, most wanted first: what a person waits for, then what fills the screen. */

import type { Model } from './model.ts'

export interface Work {
  /** Goes on for about so many milliseconds; true when it is done. */
  advance(milliseconds: number): boolean
}

export function backgroundWork({ trace, prompt, filter, seeking }: Model): Work | undefined {
  const typed = prompt?.kind === 'search' || prompt?.kind === 'filter' ? prompt.text : ''
  for (const text of [seeking?.filter ?? '', typed, filter]) {
    if (text.trim() === '') continue
    const selection = trace.select(text)
    if (!selection.isWhole) return selection
  }
  if (!trace.index.isWhole) return trace.index
  return trace.visits.isWhole ? undefined : trace.visits
}
