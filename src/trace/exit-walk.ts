/**
 * The VM exits of a run one by one, each with what became of it: the entry that followed on the same CPU, and for RDMSR and WRMSR
 * the MSR. Nothing in the exit itself says which MSR: KVM does, by `kvm_msr` when it emulates the access and by
 * `nested_msr_exit` when L1 is to do it. On the bare CPU nobody does.
 */

import { basicExitReason, EXIT_REASONS } from '../spec/exit-reasons.ts'
import type { EventKind, TraceEvent } from '../spec/trace-events.ts'
import type { TraceReader } from './file.ts'

export interface ExitSpan {
  /** Number of the exit's event. */
  readonly index: number
  readonly cpu: number
  /** Whose exit it is. */
  readonly level: number
  /** Basic exit reason. */
  readonly reason: number
  readonly rip: bigint
  readonly tick: number
  readonly msr: number | undefined
  /** Ticks up to the next entry of the CPU; undefined when none follows before its next exit. */
  readonly ticks: number | undefined
}

/** The events that the walk looks at: what to ask a big trace for. */
export const EXIT_KINDS: ReadonlySet<EventKind> = new Set([
  'kvm_exit',
  'kvm_entry',
  'kvm_msr',
  'nested_msr_exit',
  'vmx_exit',
  'vmx_entry',
] as const)

/** The exits that are about an MSR. */
const MSR_REASONS: ReadonlySet<number> = new Set([
  EXIT_REASONS.EXIT_REASON_MSR_READ,
  EXIT_REASONS.EXIT_REASON_MSR_WRITE,
  EXIT_REASONS.EXIT_REASON_MSR_READ_IMM,
  EXIT_REASONS.EXIT_REASON_MSR_WRITE_IMM,
])

/** The exits, in the order in which they are over. Takes events with their numbers. */
export function* exitSpans(entries: Iterable<readonly [index: number, event: TraceEvent]>): Generator<ExitSpan, void, undefined> {
  /** The exit that each CPU is in. */
  const open = new Map<number, ExitSpan>()
  for (const [index, event] of entries) {
    const { cpu, tick } = event
    const exit = open.get(cpu)
    switch (event.kind) {
      case 'kvm_exit':
      case 'vmx_exit': {
        if (exit) yield exit
        const { level, rip } = event
        open.set(cpu, { index, cpu, level, reason: basicExitReason(event.reason), rip, tick, msr: undefined, ticks: undefined })
        break
      }
      case 'kvm_msr':
      case 'nested_msr_exit':
        if (exit && exit.msr === undefined && MSR_REASONS.has(exit.reason)) open.set(cpu, { ...exit, msr: event.index })
        break
      case 'kvm_entry':
      case 'vmx_entry':
        if (exit) yield { ...exit, ticks: tick - exit.tick }
        open.delete(cpu)
        break
    }
  }
  yield* open.values()
}

/** Exits that come when the instruction is done: the saved RIP is that of the next one. */
const TRAPS: ReadonlySet<number> = new Set([
  EXIT_REASONS.EXIT_REASON_APIC_WRITE,
  EXIT_REASONS.EXIT_REASON_EOI_INDUCED,
  EXIT_REASONS.EXIT_REASON_TPR_BELOW_THRESHOLD,
])

/** Whether the exit comes behind its instruction. */
export const isTrap = (reason: number): boolean => TRAPS.has(reason)

/** An address inside the instruction that made the exit, or before which it came. */
export const exitAddress = ({ reason, rip }: Pick<ExitSpan, 'reason' | 'rip'>): bigint => (isTrap(reason) ? rip - 1n : rip)

/** The exits of a trace. */
export const exitSpansOf = (reader: TraceReader): Generator<ExitSpan, void, undefined> => exitSpans(reader.entriesOfKinds(EXIT_KINDS))

/** The MSR's index by the number of the exit's event. Reads the whole trace. */
export function exitMsrs(reader: TraceReader): ReadonlyMap<number, number> {
  const msrs = new Map<number, number>()
  for (const { index, msr } of exitSpansOf(reader)) if (msr !== undefined) msrs.set(index, msr)
  return msrs
}
