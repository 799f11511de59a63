/** Keys that ask for the state at a place to which the guest still runs: they wait for it. */

import { type Command, commandOf } from './keymap.ts'
import { type Model, screenOf } from './model.ts'

const OF_STATE: ReadonlySet<Command> = new Set<Command>([
  'step',
  'step-back',
  'step-over',
  'step-over-back',
  'continue',
  'continue-back',
  'next-visit',
  'previous-visit',
  'next-change',
  'previous-change',
  'breakpoint',
  'why',
  'edit',
])

export function isHeld(model: Model, key: string): boolean {
  if (model.trace.isThere(model.place) || model.prompt !== null || model.pending !== null) return false
  const command = commandOf(key, screenOf(model))
  return command !== undefined && OF_STATE.has(command)
}
