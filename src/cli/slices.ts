/**
 * Work that may take long, slice by slice: between two slices the process looks up for Ctrl-C, and after the first second a terminal
 * is told how far it is.
 */

import type { Progress } from '../session/record.ts'
import { groupedNumber } from '../trace/table.ts'
import type { Terminal } from './terminal.ts'

/** Milliseconds before anything is said. */
const PATIENCE = 1000

/** A recording ends within the slice in which it is asked to; who does not listen, as a replay, is left where it is. */
const SLICES_AFTER_STOP = 3

interface Spinner {
  text: string
  stop(): unknown
}

/** Null on a terminal that does not say how wide it is: ora would look for the ends of its lines for ever. */
async function openSpinner({ io }: Terminal, text: string): Promise<Spinner | null> {
  if (!(process.stderr.columns > 0)) return null
  const { default: ora } = await import('ora')
  return ora({ stream: process.stderr, isEnabled: io.stderr.isTerminal, discardStdin: false, text }).start()
}

export interface SliceOptions {
  /** What is being done, in words: `running timer.asm`. */
  readonly doing: string
  /** Whether the screen is quiet: where the guest's own output goes to the same terminal, a spinner would tear it. */
  readonly quiet?: () => boolean
  readonly beforeSlice?: () => void
}

/** Slices of something that is just left where it is when it is asked to stop. */
export function* waiting<T>(slices: Generator<Progress, T, void>): Generator<Progress, T, boolean> {
  for (;;) {
    const { done, value } = slices.next()
    if (done) return value
    yield value
  }
}

/** Runs the slices to their end, which is `value`; after Ctrl-C each is asked to stop, and null comes back from one that cannot. */
export async function runSlices<T>(
  terminal: Terminal,
  slices: Generator<Progress, T, boolean>,
  { doing, quiet = () => true, beforeSlice }: SliceOptions,
): Promise<{ readonly value: T | null; readonly interrupted: boolean }> {
  const { io } = terminal
  const start = performance.now()
  let spinner: Spinner | null = null
  let interrupted = await io.breathe() // from here on Ctrl-C is ours
  let asked = 0
  try {
    for (;;) {
      beforeSlice?.()
      const { done, value } = slices.next(interrupted)
      if (done) return { value, interrupted }
      if (interrupted && ++asked === SLICES_AFTER_STOP) return { value: null, interrupted }
      interrupted = await io.breathe()
      const late = performance.now() - start > PATIENCE
      if (late && io.stderr.isTerminal && quiet()) spinner ??= await openSpinner(terminal, doing)
      if (spinner !== null)
        spinner.text = `${doing}: ${groupedNumber(value.instructions)} instructions, ${groupedNumber(value.events)} events  (Ctrl-C stops)`
    }
  } finally {
    spinner?.stop()
  }
}
