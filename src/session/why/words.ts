/** What events and operands are called in a chain of origins, and which events tell of timers and vectors. */

import type { Engine } from '../../hw/cpu/engine.ts'
import type { Operand } from '../../isa/operands.ts'
import { formatLocation, type Location } from '../../query/location.ts'
import { MSRS } from '../../spec/msrs.ts'
import { type EventKind, TRACE_EVENTS, type TraceEvent } from '../../spec/trace-events.ts'
import { type VmcsFieldName, vmcsFieldOf } from '../../spec/vmcs-fields.ts'
import { hex } from './chain.ts'
import type { Source } from './dataflow.ts'

export const DEADLINE = MSRS.MSR_IA32_TSC_DEADLINE.index
export const INTERRUPT: ReadonlySet<EventKind> = new Set(['interrupt'])
export const EXIT: ReadonlySet<EventKind> = new Set(['kvm_exit', 'vmx_exit'])
export const SAYS_VECTOR: ReadonlySet<EventKind> = new Set(['interrupt', 'kvm_inj_virq', 'kvm_apic_accept_irq', 'apic_timer_fire'])
export const EXPIRES: ReadonlySet<EventKind> = new Set(['hrtimer_expire_entry'])

export const isArming = (event: TraceEvent): boolean =>
  (event.kind === 'apic_timer_arm' && event.deadline !== 0n) ||
  event.kind === 'hrtimer_start' ||
  (event.kind === 'kvm_msr' && event.write === 1 && event.index === DEADLINE && event.value !== 0n)

export function armText(event: TraceEvent): string {
  if (event.kind === 'apic_timer_arm') return `guest timer armed: guest_deadline ${hex(event.virtual_deadline)}`
  if (event.kind === 'hrtimer_start') return `host timer armed: expires ${hex(event.expires)}`
  return event.kind === 'kvm_msr' ? `deadline ${hex(event.value)} written` : event.kind
}

export function vectorText(event: TraceEvent): string {
  switch (event.kind) {
    case 'interrupt':
      return `vector ${hex(event.vector)} delivered (${event.source})`
    case 'kvm_inj_virq':
      return `vector ${hex(event.vector)} injected by KVM`
    case 'kvm_apic_accept_irq':
      return `vector ${hex(event.vector)} accepted by the local APIC`
    case 'apic_timer_fire':
      return `virtual timer vector ${hex(event.vector)}: deadline reached`
    case 'hrtimer_expire_entry':
      return `host timer expired: deadline reached`
    default:
      return TRACE_EVENTS[event.kind].by
  }
}

/** The same may be said twice by different hands. */
export const sayingOf = (event: TraceEvent): string => `${event.kind} ${event.kind === 'interrupt' ? event.source : ''}`

export const sameSource = (a: Source, b: Source): boolean =>
  (a.kind === 'register' && b.kind === 'register' && a.index === b.index) ||
  (a.kind === 'memory' && b.kind === 'memory' && a.address === b.address)

export function locationOf(source: Source): Location {
  if (source.kind === 'register') return { kind: 'register', index: source.index, low: source.low, size: source.size }
  if (source.kind === 'memory') return { kind: 'memory', address: source.address, bytes: source.bytes }
  return { kind: 'system', name: 'rflags' }
}

export const operandText = (source: Source): string =>
  source.kind === 'flags' ? 'flags' : `${formatLocation(locationOf(source))}(${hex(source.value)})`

/** The VMCS field that VMREAD's or VMWRITE's register names. */
export function fieldOf(engine: Engine, operand: Operand): VmcsFieldName | undefined {
  if (operand.kind !== 'register') return undefined
  const encoding = engine.registers.gpr[operand.index]!
  return encoding > 0xffffn ? undefined : vmcsFieldOf(Number(encoding))
}
