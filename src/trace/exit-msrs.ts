/** Which MSR an exit of RDMSR or WRMSR was about: KVM says it between the exit and the next entry of the same CPU. */

import { basicExitReason, EXIT_REASONS } from '../spec/exit-reasons.ts'
import type { EventKind } from '../spec/trace-events.ts'
import type { EventColumns, KindTable } from './event-chunk.ts'
import type { TraceReader } from './file.ts'

export const MSR_REASONS: ReadonlySet<number> = new Set([
  EXIT_REASONS.EXIT_REASON_MSR_READ,
  EXIT_REASONS.EXIT_REASON_MSR_WRITE,
  EXIT_REASONS.EXIT_REASON_MSR_READ_IMM,
  EXIT_REASONS.EXIT_REASON_MSR_WRITE_IMM,
])

const KINDS: ReadonlySet<EventKind> = new Set(['kvm_exit', 'vmx_exit', 'kvm_entry', 'vmx_entry', 'kvm_msr'])

const columnOf = ({ fields, columns }: KindTable, field: string): Uint32Array => columns[fields.indexOf(field)] as Uint32Array

/** The MSR's index by the number of the exit's event. Reads the whole trace. */
export function exitMsrs(reader: TraceReader): ReadonlyMap<number, number> {
  const msrs = new Map<number, number>()
  /** The exit that each CPU is in, while it may still say an MSR. */
  const open = new Map<number, number>()
  for (let n = 0; n < reader.chunkCount; n++) visit(reader.chunk(n, KINDS), reader.chunkStart(n), open, msrs)
  return msrs
}

function visit(chunk: EventColumns, start: number, open: Map<number, number>, msrs: Map<number, number>): void {
  const next = new Uint32Array(chunk.tables.length)
  for (let i = 0; i < chunk.count; i++) {
    const table = chunk.tables[chunk.kinds[i]!]!
    const row = next[chunk.kinds[i]!]!++
    if (!KINDS.has(table.kind)) continue
    const cpu = chunk.cpus[i]!
    const exit = open.get(cpu)
    if (table.kind === 'kvm_msr') {
      if (exit !== undefined) msrs.set(exit, columnOf(table, 'index')[row]!)
      open.delete(cpu)
    } else if (
      (table.kind === 'kvm_exit' || table.kind === 'vmx_exit') &&
      MSR_REASONS.has(basicExitReason(columnOf(table, 'reason')[row]!))
    )
      open.set(cpu, start + i)
    else open.delete(cpu)
  }
}
