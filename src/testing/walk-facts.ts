/**
 * What the events of a run do not tell, learnt by walking it once more instruction by instruction: when the guest armed its deadline
 * and ended its interrupts (APIC-timer virtualization and virtual-interrupt delivery leave no exit), and the registers behind lines.
 */

import { lineAt } from '../assembler/image.ts'
import { low32 } from '../base/u64.ts'
import { guestRegisters, tickOfGuestTsc } from '../session/timeline-guest.ts'
import { type WalkStep, walk } from '../session/walk.ts'
import { MSRS } from '../spec/msrs.ts'
import type { CellRun } from './cell-run.ts'
import type { Expectation, RegisterValue } from './plan.ts'
import { registerValue } from './register-values.ts'

/** A write that the guest made. */
export interface Mark {
  readonly kind: 'arm' | 'eoi'
  /** It stands before this event. */
  readonly event: number
  readonly tick: number
  /** When the deadline is due: a tick. 0 for an EOI. */
  readonly due: number
}

/** What a line's instructions left in a register. */
export interface LineVisits {
  readonly count: number
  readonly wrong: {
    readonly visit: number
    readonly value: bigint
    readonly rflags: bigint
    readonly event: number
    readonly instructions: number
  } | null
}

export interface WalkFacts {
  readonly marks: readonly Mark[]
  readonly visits: ReadonlyMap<Expectation, LineVisits>
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

export function walkFacts(expectations: readonly Expectation[], run: CellRun): WalkFacts {
  const { config, image, input, instructions } = run
  const marks: Mark[] = []
  const visits = new Map<Expectation, Mutable<LineVisits>>()
  const byLine = new Map<number, { wanted: RegisterValue; visits: Mutable<LineVisits> }[]>()
  for (const expectation of expectations) {
    if (expectation.kind !== 'value') continue
    const entry = { wanted: expectation.wanted, visits: { count: 0, wrong: null } }
    visits.set(expectation, entry.visits)
    byLine.set(expectation.place.line, [...(byLine.get(expectation.place.line) ?? []), entry])
  }
  walk(config, image, { input, maxInstructions: instructions }, step => {
    const mark = markOf(run, step)
    if (mark !== null) marks.push(mark)
    for (const { wanted, visits } of byLine.get(leftLine(run, step)) ?? []) see(wanted, visits, step)
  })
  return { marks, visits }
}

/** The line of the test file that the instruction was the last of; 0 if there is none. */
function leftLine({ image }: CellRun, { rip, next }: WalkStep): number {
  const line = lineAt(image, Number(rip))
  if (line?.source !== 0) return 0
  const after = next === null ? undefined : lineAt(image, Number(next))
  return after?.source === 0 && after.line === line.line ? 0 : line.line
}

function see(wanted: RegisterValue, visits: Mutable<LineVisits>, { view, event }: WalkStep): void {
  visits.count++
  if (visits.wrong !== null) return
  const registers = guestRegisters(view)
  const value = registerValue(wanted, registers)
  if (value !== wanted.value)
    visits.wrong = { visit: visits.count, value, rflags: registers.rflags, event, instructions: view.instructions }
}

const WRMSR = [0x0f, 0x30]
const RAX = 0
const RCX = 1
const RDX = 2

function markOf({ image }: CellRun, { rip, event, view }: WalkStep): Mark | null {
  const offset = Number(rip) - image.origin
  if (WRMSR.some((byte, at) => image.bytes[offset + at] !== byte)) return null
  const { gpr } = guestRegisters(view)
  const msr = low32(gpr[RCX]!)
  const { tick } = view
  if (msr === MSRS.MSR_IA32_X2APIC_EOI.index) return { kind: 'eoi', event, tick, due: 0 }
  const value = (BigInt(low32(gpr[RDX]!)) << 32n) | BigInt(low32(gpr[RAX]!))
  if (msr !== MSRS.MSR_IA32_TSC_DEADLINE.index || value === 0n) return null
  return { kind: 'arm', event, tick, due: tickOfGuestTsc(view, value) }
}
