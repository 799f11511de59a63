/**
 * Events in words. Kernel tracepoints read as in the ftrace output of current kernels, so that eyes and scripts trained on
 * trace-cmd find what they know; ours are plain words in the same manner. A kind without a row here prints its fields.
 */

import { hex as grouped } from '../base/u64.ts'
import { msrName } from '../spec/msrs.ts'
import { type EventKind, type EventOf, type FieldType, TRACE_EVENTS, type TraceEvent } from '../spec/trace-events.ts'
import { instructionErrorName } from '../spec/vmx-instruction-errors.ts'
import { exceptionName, exitText, ftraceText, isFtraceEvent } from './ftrace-formats.ts'

export { exceptionName } from './ftrace-formats.ts'

const hex = (value: number | bigint, digits = 1): string => `0x${value.toString(16).padStart(digits, '0')}`

/** `6e0 (IA32_TSC_DEADLINE)`: the index as ftrace writes it, and its name without the prefix. */
export const msrLabel = (index: number): string => {
  const name = msrName(index)
  return name ? `${index.toString(16)} (${name.replace(/^MSR_/, '')})` : index.toString(16)
}

/** Printable console bytes as text, others as hexadecimal. */
function bytesText(bytes: Uint8Array): string {
  const shown = bytes.subarray(0, 64)
  const rest = bytes.length > shown.length ? ` ... ${bytes.length} bytes` : ''
  const printable = shown.every(byte => (byte >= 0x20 && byte < 0x7f) || byte === 10 || byte === 13 || byte === 9)
  if (printable) return JSON.stringify(String.fromCharCode(...shown)) + rest
  return Array.from(shown, byte => byte.toString(16).padStart(2, '0')).join(' ') + rest
}

type Texts = { readonly [K in EventKind]?: (event: EventOf<K>) => string }

const TEXTS: Texts = {
  input: e => `${e.device} ${bytesText(e.bytes)}`,
  vmx_entry: e => `rip ${hex(e.rip)} vmcs ${hex(e.vmcs)}`,
  vmx_exit: e => `${ftraceText({ ...e, kind: 'kvm_exit' })} length ${e.length}`,
  vmx_entry_failed: e => `error ${e.error}${instructionErrorName(e.error) ? ` (${instructionErrorName(e.error)})` : ''}: ${e.rule}`,
  interrupt: e => `vector ${hex(e.vector)} from ${e.source} at rip ${hex(e.rip)}`,
  exception: e => `${exceptionName(e.vector)} (${hex(e.error_code)}) at rip ${hex(e.rip)}${e.vector === 14 ? ` cr2 ${hex(e.cr2)}` : ''}`,
  apic_timer_arm: e => `virtual deadline ${hex(e.virtual_deadline)} deadline ${hex(e.deadline)}`,
  apic_timer_fire: e => `vector ${hex(e.vector)}`,
  nested_msr_exit: e => `${e.write ? 'w' : 'r'} ${msrLabel(e.index)}`,
  pio: e => `pio_${e.write ? 'write' : 'read'} at ${hex(e.port)} size ${e.size} val ${hex(e.value)}`,
  mmio: e => `mmio ${e.write ? 'write' : 'read'} len ${e.size} gpa ${hex(e.address)} val ${hex(e.value)}`,
  console: e => bytesText(Uint8Array.of(e.byte)),
  shutdown: e => `triple fault at rip ${hex(e.rip)} while delivering ${exceptionName(e.vector)}`,
  end: e => `${e.reason}, status ${hex(e.status)}, ${e.instructions} instructions, state ${e.hash.slice(0, 16)}`,
}

function fieldText(type: FieldType, value: unknown): string {
  if (type === 'u64') return hex(value as bigint)
  return type === 'bytes' ? bytesText(value as Uint8Array) : String(value)
}

/** What the event says, as behind `event: ` in a line of ftrace. */
export function eventText(event: TraceEvent): string {
  if (isFtraceEvent(event)) return ftraceText(event)
  const text = TEXTS[event.kind] as ((event: TraceEvent) => string) | undefined
  if (text) return text(event)
  const fields: readonly (readonly [string, FieldType])[] = Object.entries(TRACE_EVENTS[event.kind].fields)
  return fields.map(([name, type]) => `${name}=${fieldText(type, (event as unknown as Record<string, unknown>)[name])}`).join(' ')
}

/** One line: `#18404 1234567 cpu0 L2 kvm_exit: vcpu 0 reason HLT ...`. The tick is in cycles of the host TSC. */
export function formatEvent(event: TraceEvent, index?: number): string {
  const number = index === undefined ? '' : `#${index} `
  const text = eventText(event)
  return `${number}${event.tick} cpu${event.cpu} ${levelLabel(event)} ${event.kind}${text ? `: ${text}` : ''}`
}

export const levelLabel = (event: TraceEvent): string => `L${event.level}`

/** Short words for the narrow column of the explorer; a kind without one loses its `kvm_`. */
const WORDS: Partial<Record<EventKind, string>> = {
  vmx_entry: 'entry',
  vmx_exit: 'exit',
  vmx_entry_failed: 'noentry',
  interrupt: 'irq',
  exception: 'exc',
  apic_timer_arm: 'arm',
  apic_timer_fire: 'fire',
  nested_msr_exit: 'msr',
  kvm_page_fault: 'ept',
  kvm_apic_accept_irq: 'accept',
  kvm_inj_virq: 'inject',
  kvm_inj_exception: 'inject',
  kvm_hv_timer_state: 'hvtimer',
  kvm_apic_virt_timer_state: 'avtimer',
  kvm_apicv_inhibit_changed: 'apicv',
  kvm_write_tsc_offset: 'tscoff',
  kvm_wait_lapic_expire: 'wait',
  kvm_halt_poll_ns: 'poll',
  kvm_vcpu_wakeup: 'wakeup',
  kvm_userspace_exit: 'user',
  hrtimer_start: 'hrtimer',
  hrtimer_cancel: 'hrtimer',
  hrtimer_expire_entry: 'hrtimer',
}

export const kindWord = ({ kind }: Pick<TraceEvent, 'kind'>): string => WORDS[kind] ?? kind.replace(/^kvm_/, '')

type Details = { readonly [K in EventKind]?: (event: EventOf<K>) => string }

/** Where the ftrace wording is too long for a narrow column, or leaves out what the short word dropped. */
const DETAILS: Details = {
  vmx_entry: e => grouped(e.rip),
  vmx_exit: e => `${exitText(e.reason)} ${grouped(e.rip)}`,
  kvm_entry: e => grouped(e.rip),
  kvm_exit: e => `${exitText(e.reason)} ${grouped(e.rip)}`,
  interrupt: e => `${hex(e.vector)} ${e.source}`,
  apic_timer_arm: e => grouped(e.deadline),
  kvm_msr: e => `${e.write ? 'w' : 'r'} ${msrLabel(e.index)} = ${grouped(e.value)}${e.exception ? ' #GP' : ''}`,
  pio: e => `${e.write ? 'w' : 'r'} ${hex(e.port)} = ${hex(e.value)}`,
  mmio: e => `${e.write ? 'w' : 'r'} ${hex(e.address)} = ${hex(e.value)}`,
  kvm_set_irq: e => `gsi ${e.gsi} ${e.high ? 'high' : 'low'}`,
  kvm_mmio: e => `${e.write ? 'w' : 'r'} ${hex(e.gpa)} = ${hex(e.val)}`,
  kvm_pio: e => `${e.write ? 'w' : 'r'} ${hex(e.port)} = ${hex(e.value)}`,
  kvm_page_fault: e => `gpa ${grouped(e.gpa)} ${grouped(e.rip)}`,
  kvm_apicv_inhibit_changed: e => `${e.set ? 'set' : 'cleared'} reason ${e.reason}, inhibits ${e.inhibits.toString(16)}`,
  kvm_write_tsc_offset: e => `${grouped(e.previous)} -> ${grouped(e.next)}`,
  kvm_hv_timer_state: e => (e.hv_timer ? 'armed' : 'off'),
  kvm_apic_virt_timer_state: e => (e.apic_virt_timer ? 'armed' : 'off'),
  kvm_userspace_exit: e => e.reason,
  hrtimer_start: e => `start, expires ${e.expires}`,
  hrtimer_cancel: () => 'cancel',
  hrtimer_expire_entry: () => 'expired',
}

/** What the event is about, short: the third column of the explorer. */
export const detailText = (event: TraceEvent): string =>
  (DETAILS[event.kind] as ((event: TraceEvent) => string) | undefined)?.(event) ?? eventText(event)

/** Level, short word and detail: one row of an event list. */
export const eventColumns = (event: TraceEvent): { readonly level: string; readonly word: string; readonly detail: string } => ({
  level: levelLabel(event),
  word: kindWord(event),
  detail: detailText(event),
})
