/**
 * The texts of the kernel's tracepoints as templates, one for writing and reading both (the `TP_printk` of
 * `arch/x86/kvm/trace.h`, `include/trace/events/kvm.h` and `timer.h` of current kernels). A placeholder is `{field:form}`:
 *
 *     d decimal    x hexadecimal    0x the same with 0x in front, 0x8 and 0x16 with so many digits    text
 *     exit, apic, exception, leave    the word for a number    read, irq, wait, valid, grow, set    one word of two
 *     delta    a signed number, and whether that is early or late
 *     (words)    these words when the field is not 0
 *     {~words}   words for what we do not model, which our own lists leave out; reading takes anything in their place
 */

import { unreachable } from '../base/assert.ts'
import { APIC_REGISTERS } from '../spec/apic-registers.ts'
import { exceptionOf } from '../spec/exceptions.ts'
import { EXIT_REASON_FAILED_VMENTRY, EXIT_REASONS, exitReasonName } from '../spec/exit-reasons.ts'
import { type EventKind, type FieldType, TRACE_EVENTS, type TraceEvent } from '../spec/trace-events.ts'

const TEMPLATES = {
  kvm_entry: 'vcpu {cpu:d}, rip {rip:0x}',
  kvm_exit:
    'vcpu {cpu:d} reason {reason:exit} rip {rip:0x} info1 {info1:0x16} info2 {info2:0x16} intr_info {intr_info:0x8} error_code {error_code:0x8}',
  kvm_msr: 'msr_{write:read} {index:x} = {value:0x}{exception:( (#GP))}',
  kvm_pio: 'pio_{write:read} at {port:0x} size {size:d} count {count:d} val {value:0x}',
  kvm_cpuid: 'func {leaf:x} idx {subleaf:x} rax {eax:x} rbx {ebx:x} rcx {ecx:x} rdx {edx:x}{~, cpuid entry found}',
  kvm_page_fault: 'vcpu {cpu:d} rip {rip:0x} address {gpa:0x16} error_code {error_code:0x}',
  kvm_apic: 'apic_{write:read} {register:apic} = {value:0x}',
  kvm_apic_accept_irq: 'apicid {apicid:x} vec {vector:d} ({mode:text}|{trigger:text})',
  kvm_inj_virq: '{soft:irq} {vector:0x}{reinjected:( [reinjected])}',
  kvm_inj_exception: '{vector:exception} ({error_code:0x}){reinjected:( [reinjected])}',
  kvm_eoi: 'apicid {apicid:x} vector {vector:d}',
  kvm_set_irq: 'gsi {gsi:d} level {high:d} source {irq_source_id:d}',
  kvm_mmio: 'mmio {write:read} len {len:d} gpa {gpa:0x} val {val:0x}',
  kvm_hv_timer_state: 'vcpu_id {cpu:x} hv_timer {hv_timer:x}',
  kvm_apic_virt_timer_state: 'vcpu_id {cpu:x} apic_virt_timer {apic_virt_timer:x}',
  kvm_apicv_inhibit_changed: '{set:set} reason={reason:d}, inhibits=0x{inhibits:x}',
  kvm_write_tsc_offset: 'vcpu={cpu:d} prev={previous:d} next={next:d}',
  kvm_wait_lapic_expire: 'vcpu {cpu:d}: delta {delta:delta}',
  kvm_halt_poll_ns: 'vcpu {cpu:d}: halt_poll_ns {new:d} ({grow:grow} {old:d})',
  kvm_vcpu_wakeup: '{wait:wait} time {ns:d} ns, polling {valid:valid}',
  kvm_userspace_exit: 'reason {reason:text}{~}',
  hrtimer_start: '{~hrtimer=0 function=apic_timer_fn }expires={expires:d}{~}',
  hrtimer_cancel: '{~hrtimer=0}',
  hrtimer_expire_entry: '{~hrtimer=0 function=apic_timer_fn }now={now:d}',
} as const satisfies Partial<Record<EventKind, string>>

export type FtraceKind = keyof typeof TEMPLATES

export const isFtraceKind = (kind: string): kind is FtraceKind => Object.hasOwn(TEMPLATES, kind)

export const isFtraceEvent = (event: TraceEvent): event is FtraceEvent => isFtraceKind(event.kind)

const hex = (value: unknown, digits = 1): string => (value as number | bigint).toString(16).padStart(digits, '0')

/** Linux's names of the offsets in the APIC page. */
const apicNames: ReadonlyMap<number, string> = new Map(
  Object.entries(APIC_REGISTERS).flatMap(([name, row]) =>
    Array.from(
      { length: 'count' in row ? row.count : 1 },
      (_, i) => [row.offset + i * 16, i === 0 ? name : `${name}+0x${hex(i * 16)}`] as const,
    ),
  ),
)
const apicOffsets: ReadonlyMap<string, number> = new Map([...apicNames].map(([offset, name]) => [name, offset]))

const exitNumbers: ReadonlyMap<string, number> = new Map(Object.values(EXIT_REASONS).map(number => [exitReasonName(number), number]))
const exceptionNumbers: ReadonlyMap<string, number> = new Map(Array.from({ length: 32 }, (_, vector) => [exceptionName(vector), vector]))

/** `#GP` and the like; a vector that no exception has in decimal. */
export function exceptionName(vector: number): string {
  const name = exceptionOf(vector)
  if (!name) return String(vector)
  return name === 'NMI' ? name : `#${name}`
}

/** `MSR_WRITE`; an entry that failed says so behind it. */
export const exitText = (reason: number): string =>
  `${exitReasonName(reason)}${(reason & EXIT_REASON_FAILED_VMENTRY) !== 0 ? ' FAILED_VMENTRY' : ''}`

function exitNumber(text: string): number | undefined {
  const [name, failed] = text.split(' ')
  const number = exitNumbers.get(name!) ?? (/^\d+$/.test(name!) ? Number(name) : undefined)
  return number === undefined || failed === undefined ? number : (number | EXIT_REASON_FAILED_VMENTRY) >>> 0
}

interface Form {
  /** What it may look like, for reading. */
  readonly pattern: string
  write(value: unknown): string
  /** Undefined: no value looks so. */
  read(text: string): number | bigint | string | undefined
}

const words = (zero: string, one: string): Form => ({
  pattern: `${zero}|${one}`,
  write: value => (value ? one : zero),
  read: text => (text === one ? 1 : 0),
})

const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')

const optional = (text: string): Form => ({
  pattern: `(?:${escaped(text)})?`,
  write: value => (value ? text : ''),
  read: found => (found === '' ? 0 : 1),
})

const FORMS: Readonly<Record<string, Form>> = {
  d: { pattern: '\\d+', write: String, read: BigInt },
  x: { pattern: '[0-9a-f]+', write: hex, read: text => BigInt(`0x${text}`) },
  '0x': { pattern: '0x[0-9a-f]+', write: value => `0x${hex(value)}`, read: BigInt },
  '0x8': { pattern: '0x[0-9a-f]+', write: value => `0x${hex(value, 8)}`, read: BigInt },
  '0x16': { pattern: '0x[0-9a-f]+', write: value => `0x${hex(value, 16)}`, read: BigInt },
  text: { pattern: '\\w+', write: String, read: text => text },
  exit: { pattern: '\\w+(?: FAILED_VMENTRY)?', write: value => exitText(value as number), read: exitNumber },
  apic: {
    pattern: '[\\w+]+',
    write: value => apicNames.get(value as number) ?? `0x${hex(value)}`,
    read: text => apicOffsets.get(text) ?? (text.startsWith('0x') ? Number(text) : undefined),
  },
  exception: {
    pattern: '#?\\w+',
    write: value => exceptionName(value as number),
    read: text => exceptionNumbers.get(text) ?? (/^\d+$/.test(text) ? Number(text) : undefined),
  },
  read: words('read', 'write'),
  irq: words('IRQ', 'Soft/INTn'),
  wait: words('poll', 'wait'),
  valid: words('invalid', 'valid'),
  grow: words('shrink', 'grow'),
  set: words('cleared', 'set'),
  delta: {
    pattern: '-?\\d+ \\((?:early|late)\\)',
    write: value => {
      const signed = BigInt.asIntN(64, value as bigint)
      return `${signed} (${signed < 0n ? 'early' : 'late'})`
    },
    read: text => BigInt(text.split(' ')[0]!),
  },
}

type Part = { readonly text: string; readonly isFree: boolean } | { readonly field: string; readonly form: Form }

function partsOf(template: string): Part[] {
  const pieces = template.match(/\{[^}]*\}|[^{]+/g) ?? []
  return pieces.map(piece => {
    if (!piece.startsWith('{')) return { text: piece, isFree: false }
    if (piece.startsWith('{~')) return { text: piece.slice(2, -1), isFree: true }
    const [field, form] = piece.slice(1, -1).split(/:(.*)/s) as [string, string]
    return { field, form: form.startsWith('(') ? optional(form.slice(1, -1)) : FORMS[form]! }
  })
}

interface Format {
  readonly parts: readonly Part[]
  readonly pattern: RegExp
}

function formatOf(template: string): Format {
  const parts = partsOf(template)
  const pattern = parts.map(part => ('form' in part ? `(${part.form.pattern})` : part.isFree ? '.*?' : escaped(part.text))).join('')
  return { parts, pattern: new RegExp(`^${pattern}$`) }
}

const FORMATS = Object.fromEntries(Object.entries(TEMPLATES).map(([kind, template]) => [kind, formatOf(template)])) as Record<
  FtraceKind,
  Format
>

export type FtraceEvent = TraceEvent & { readonly kind: FtraceKind }

/** What stands behind `event: ` in a line of ftrace; `whole` with the words for what we do not model. */
export function ftraceText(event: FtraceEvent, whole = false): string {
  const values = event as unknown as Readonly<Record<string, unknown>>
  const text = (part: Part): string => ('form' in part ? part.form.write(values[part.field]) : part.isFree && !whole ? '' : part.text)
  return FORMATS[event.kind].parts.map(text).join('')
}

/** The field's value in the type that the table of events gives it; undefined when it does not fit. */
function typed(type: FieldType | undefined, value: number | bigint | string): number | bigint | string | undefined {
  switch (type) {
    case 'u64':
      return BigInt.asUintN(64, BigInt(value))
    case 'text':
      return String(value)
    case 'bytes':
      return undefined
    case 'u8':
    case 'u16':
    case 'u32':
    case 'count':
    case undefined: // `cpu` of the stamp
      return Number.isSafeInteger(Number(value)) ? Number(value) : undefined
    default:
      return unreachable(type)
  }
}

/** The fields that a text of this kind says, `cpu` among them where it does; undefined when it is no text of this kind. */
export function parseFtraceText(kind: FtraceKind, text: string): Readonly<Record<string, number | bigint | string>> | undefined {
  const { parts, pattern } = FORMATS[kind]
  const found = pattern.exec(text)
  if (found === null) return undefined
  const fields: Record<string, number | bigint | string> = {}
  const types: Readonly<Record<string, FieldType>> = TRACE_EVENTS[kind].fields
  let group = 1
  for (const part of parts) {
    if (!('form' in part)) continue
    const value = part.form.read(found[group++]!)
    const whole = value === undefined ? undefined : typed(types[part.field], value)
    if (whole === undefined) return undefined
    fields[part.field] = whole
  }
  return fields
}
