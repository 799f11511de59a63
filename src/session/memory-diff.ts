/** How the guest's memory differs at the end of two runs: each is brought there from its last keyframe. */

import type { Machine } from '../hw/machine.ts'
import type { KvmState } from '../kvm/state.ts'
import type { TraceReader } from '../trace/file.ts'
import { L2_MEMORY } from '../vmm/nested-guest.ts'
import { configOf } from './replay.ts'
import { openTimeline } from './timeline.ts'
import { isUnderKvm } from './timeline-memory.ts'
import { symbolsOf } from './timeline-symbols.ts'

/** Guest-physical addresses whose bytes differ. */
export interface MemoryRange {
  readonly address: number
  readonly a: Uint8Array
  readonly b: Uint8Array
  /** The label that it lies behind, in the program of A. */
  readonly label?: string
}

export interface MemoryDiff {
  readonly equal: boolean
  /** Bytes compared: what both guests have. */
  readonly compared: number
  readonly differing: number
  readonly rangeCount: number
  /** In order; the first 10,000. */
  readonly ranges: readonly MemoryRange[]
}

const MAX_RANGES = 10_000

/** Equal bytes between two differences that do not part them. */
const JOINED = 8

const PIECE = 4096

/** The memory of the guest at the end of a run, from its address 0 on. */
function finalMemory(reader: TraceReader): Uint8Array {
  const { machine } = openTimeline(reader).atEvent(reader.count - 1)
  const { guestMemoryMiB, hypervisor } = configOf(reader)
  const start = startOfMemory(machine) + (hypervisor === null ? 0 : L2_MEMORY)
  return machine.memory.ram.subarray(start, start + guestMemoryMiB * 2 ** 20)
}

/** Where guest-physical address 0 lies in the machine's memory. */
const startOfMemory = (machine: Machine): number =>
  isUnderKvm(machine) ? ((machine.host as KvmState).vms[0]?.slots.find(({ guestPhysical }) => guestPhysical === 0)?.hostPhysical ?? 0) : 0

/** Compares the memory that both guests have. */
export function diffMemory(a: TraceReader, b: TraceReader): MemoryDiff {
  const inA = finalMemory(a)
  const inB = finalMemory(b)
  const compared = Math.min(inA.length, inB.length)
  const { nameOf } = symbolsOf(a.header.image)
  const ranges: MemoryRange[] = []
  let rangeCount = 0
  let differing = 0
  for (const [from, to] of differingRanges(inA, inB, compared)) {
    rangeCount++
    for (let at = from; at < to; at++) if (inA[at] !== inB[at]) differing++
    if (ranges.length >= MAX_RANGES) continue
    const label = nameOf(BigInt(from))
    ranges.push({ address: from, a: inA.slice(from, to), b: inB.slice(from, to), ...(label === undefined ? {} : { label }) })
  }
  return { equal: rangeCount === 0, compared, differing, rangeCount, ranges }
}

function* differingRanges(a: Uint8Array, b: Uint8Array, length: number): Generator<readonly [from: number, to: number]> {
  let from = -1
  let to = -1
  for (let piece = 0; piece < length; piece += PIECE) {
    const end = Math.min(piece + PIECE, length)
    if (Buffer.compare(a.subarray(piece, end), b.subarray(piece, end)) === 0) continue
    for (let at = piece; at < end; at++) {
      if (a[at] === b[at]) continue
      if (from >= 0 && at - to > JOINED) {
        yield [from, to]
        from = -1
      }
      if (from < 0) from = at
      to = at + 1
    }
  }
  if (from >= 0) yield [from, to]
}
