/**
 * What a cell's run executed of its sources: each instruction of each line, both ways of each conditional branch, and the VM exits.
 * Learnt by walking the run once more, so a run without coverage pays nothing.
 *
 * An instruction counts when it is done, at whatever level the guest runs; each iteration of a REP is one. One that never gets done
 * because it only ever faulted or exited (UD2, a WRMSR that KVM refuses) counts as often as that happened. What runs at another
 * address than it was assembled for (code that was copied, a real-mode segment with a base) is not seen.
 */

import type { CodePlace } from '../assembler/code-places.ts'
import { type Image, lineAt } from '../assembler/image.ts'
import { decode } from '../isa/decode.ts'
import { guestRegisters } from '../session/timeline-guest.ts'
import { type WalkStep, walk } from '../session/walk.ts'
import type { CellRun } from './cell-run.ts'
import { isFaultLike, lineOfExit } from './exits.ts'

/** How often a conditional branch went each way. */
export interface BranchCoverage {
  taken: number
  notTaken: number
}

/** A line with instructions; those of a macro's expansion belong to the line that calls it. */
export interface LineCoverage {
  readonly line: number
  /** Executions of each instruction of the line, in the order of their addresses. */
  readonly instructions: number[]
  readonly branches: BranchCoverage[]
  /** By reason, in trace-cmd's word. */
  readonly exits: Record<string, number>
}

/** Plain data: it goes from vitest's worker to the reporter with the task. */
export interface FileCoverage {
  readonly file: string
  readonly text: string
  /** In order. */
  readonly lines: readonly LineCoverage[]
}

export interface CoveredProgram {
  readonly image: Image
  readonly code: () => readonly CodePlace[]
  /** Whether a source is told of. */
  readonly isWanted: (file: string) => boolean
}

/** The coverage of one run, of each source that is wanted and has instructions. */
export function coverageOf(run: CellRun, { image, code, isWanted }: CoveredProgram): readonly FileCoverage[] {
  const { hits, branches } = countsOf(run)
  const sources = image.sources.map(({ file }) => (isWanted(file) ? new Map<number, LineCoverage>() : null))
  const lineOf = (source: number, line: number): LineCoverage | undefined => {
    const lines = sources[source]
    if (lines === null || lines === undefined) return undefined
    const known = lines.get(line) ?? { line, instructions: [], branches: [], exits: {} }
    lines.set(line, known)
    return known
  }
  for (const { address, source, line, isConditional } of code()) {
    const covered = lineOf(source, line)
    covered?.instructions.push(hits.get(address) ?? 0)
    if (isConditional) covered?.branches.push(branches.get(address) ?? { taken: 0, notTaken: 0 })
  }
  for (const exit of run.exits) {
    const place = lineOfExit(exit, image)
    const covered = place && sources[place.source]?.get(place.line)
    if (covered !== undefined) covered.exits[exit.reason] = (covered.exits[exit.reason] ?? 0) + 1
  }
  return image.sources.flatMap(({ file, text }, source) => {
    const lines = [...(sources[source]?.values() ?? [])].sort((a, b) => a.line - b.line)
    return lines.length === 0 ? [] : [{ file, text, lines }]
  })
}

interface Counts {
  /** By address. */
  readonly hits: ReadonlyMap<number, number>
  readonly branches: ReadonlyMap<number, BranchCoverage>
}

function countsOf(run: CellRun): Counts {
  const hits = new Map<number, number>()
  const branches = new Map<number, BranchCoverage>()
  const waysOf = new Map<number, Ways | null>()
  walk(run.config, run.image, { input: run.input, maxInstructions: run.instructions }, step => {
    const address = Number(step.rip)
    hits.set(address, (hits.get(address) ?? 0) + 1)
    const ways = waysOf.get(address) ?? (waysOf.has(address) ? null : waysAt(run.image, step))
    waysOf.set(address, ways)
    if (ways === null || step.next === null) return
    const branch = branches.get(address) ?? { taken: 0, notTaken: 0 }
    if (step.next === ways.target) branch.taken++
    else if (step.next === ways.onward) branch.notTaken++
    branches.set(address, branch)
  })
  for (const [address, times] of injectedOf(run)) hits.set(address, (hits.get(address) ?? 0) + times)
  for (const [address, times] of triesOf(run)) if (!hits.has(address)) hits.set(address, times)
  return { hits, branches }
}

interface At {
  readonly rip: bigint
}

function countByAddress(events: readonly At[]): Map<number, number> {
  const counts = new Map<number, number>()
  for (const { rip } of events) counts.set(Number(rip), (counts.get(Number(rip)) ?? 0) + 1)
  return counts
}

/** INT3, INT, INTO and INT1. */
const SOFTWARE_INTERRUPTS: ReadonlySet<number | undefined> = new Set([0xcc, 0xcd, 0xce, 0xf1])

/** Software interrupts whose delivery an EPT violation broke off: KVM injects them again, and so no instruction retires. */
function injectedOf({ events, image }: CellRun): ReadonlyMap<number, number> {
  const injected = events.flatMap(event => (event.kind === 'interrupt' && event.source === 'injected' ? [event] : []))
  return countByAddress(injected.filter(({ rip }) => SOFTWARE_INTERRUPTS.has(image.bytes[Number(rip) - image.origin])))
}

/** Faults and exits of instructions. What KVM answers with a fault is both, once. */
function triesOf({ events, exits }: CellRun): ReadonlyMap<number, number> {
  const faults = countByAddress(events.flatMap(event => (event.kind === 'exception' ? [event] : [])))
  const tries = countByAddress(exits.filter(isFaultLike))
  for (const [address, times] of faults) tries.set(address, Math.max(times, tries.get(address) ?? 0))
  return tries
}

/** Where a relative branch can lead. */
interface Ways {
  readonly target: bigint
  readonly onward: bigint
}

function waysAt(image: Image, { rip, view }: WalkStep): Ways | null {
  if (lineAt(image, Number(rip)) === undefined) return null
  const { bits } = guestRegisters(view)
  const at = Number(rip) - image.origin
  const instruction = decode(index => image.bytes[at + index] ?? 0, { bits, stackSize: bits })
  if (typeof instruction === 'string' || instruction.dst.kind !== 'relative') return null
  const onward = rip + BigInt(instruction.length)
  return { onward, target: BigInt.asUintN(instruction.size, onward + instruction.dst.value) }
}
