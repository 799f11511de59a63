/** Telling the observer, if there is one, what the silicon did. */

import type { EventKind, EventOf, TraceEvent } from '../spec/trace-events.ts'
import type { Cpu } from './cpu/registers.ts'
import type { Machine } from './machine.ts'

type Details<K extends EventKind> = Omit<EventOf<K>, 'kind' | 'tick' | 'cpu' | 'level'>

/** Tells the observer, if there is one, what a CPU did. Level: in VMX non-root operation whose guest runs, else 0. */
export function emit<K extends EventKind>(machine: Machine, cpu: Cpu, kind: K, details: Details<K>): void {
  if (machine.observe === undefined) return
  const level = cpu.vmx.mode === 'non-root' ? cpu.vmx.guestLevel : 0
  machine.observe({ kind, tick: machine.tick, cpu: cpu.index, level, ...details } as unknown as TraceEvent)
}
