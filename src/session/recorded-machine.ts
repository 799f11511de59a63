/**
 * Whether the states in a recording are of the machine that this vtick makes: the guest is booted anew and compared with the first
 * keyframe, which is that very moment. A vtick whose machine, KVM or boot has changed since would misread all of them.
 */

import type { Snapshot } from '../hw/snapshot.ts'
import { takeSnapshot } from '../hw/snapshot.ts'
import type { TraceReader } from '../trace/file.ts'
import { endRun, startRun } from './guest-run.ts'
import { configOf, snapshotAt } from './replay.ts'

export interface OtherMachine {
  /** What the recorded one has or lacks. */
  readonly what: string
  /** This machine at the same moment: what a run can start from. */
  readonly boot: Snapshot
}

const known = new WeakMap<TraceReader, OtherMachine | null>()

/** How the machine of a recording differs from this vtick's; null where it does not, as far as its first state tells. */
export function otherMachine(reader: TraceReader): OtherMachine | null {
  const remembered = known.get(reader)
  if (remembered !== undefined) return remembered
  const other = reader.keyframeCount === 0 ? null : compared(snapshotAt(reader, 0), bootOf(reader))
  known.set(reader, other)
  return other
}

/** The state at the first keyframe, made anew. */
function bootOf(reader: TraceReader): Snapshot {
  const guest = startRun(configOf(reader), reader.header.image)
  const snapshot = takeSnapshot(guest.machine, false)
  endRun(guest)
  return snapshot
}

function compared(recorded: Snapshot, boot: Snapshot): OtherMachine | null {
  const path = firstDifference(recorded.state, boot.state, 'state')
  if (path !== undefined) return { what: `it differs in ${path}`, boot }
  if (Buffer.compare(recorded.registers, boot.registers) !== 0) return { what: 'its registers are others after the boot', boot }
  const pages = new Map(boot.pages)
  const isSame = recorded.pages.every(([page, bytes]) => Buffer.compare(bytes, pages.get(page) ?? new Uint8Array(bytes.length)) === 0)
  return isSame ? null : { what: 'its memory is another after the boot', boot }
}

/** The path of the first value that one has and the other has not, or has otherwise. */
function firstDifference(a: unknown, b: unknown, path: string): string | undefined {
  if (Object.is(a, b)) return undefined
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return path
  const [x, y] = [a as Readonly<Record<string, unknown>>, b as Readonly<Record<string, unknown>>]
  for (const key of new Set([...Object.keys(x), ...Object.keys(y)])) {
    const found = firstDifference(x[key], y[key], `${path}.${key}`)
    if (found !== undefined) return found
  }
  return undefined
}
