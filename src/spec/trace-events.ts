/**
 * Every kind of trace event as a row: who says it, its nature, and its fields with their types. Names with `kvm_` and
 * `hrtimer_` are Linux tracepoints and their fields; the others are ours. Types, the file's codec, the diff and the text
 * formats all follow from this table.
 *
 * An `input` drives replay; every other event is an observation that replay checks.
 */

/** u8..u32: number; u64: bigint; count: a number below 2^53; text; bytes. */
export type FieldType = 'u8' | 'u16' | 'u32' | 'u64' | 'count' | 'text' | 'bytes'

export interface EventRow {
  readonly nature: 'input' | 'observation'
  readonly by: 'user' | 'hw' | 'kvm' | 'session'
  readonly fields: Readonly<Record<string, FieldType>>
}

export const TRACE_EVENTS = {
  // What a person does to the machine.
  /** Arrives when `instructions` have been retired. */
  input: { nature: 'input', by: 'user', fields: { device: 'text', bytes: 'bytes', instructions: 'count' } },

  // The silicon. VM entries and exits are told by the CPU only when the guest itself is the VMX root software (no KVM below it).
  vmx_entry: { nature: 'observation', by: 'hw', fields: { rip: 'u64', vmcs: 'u64' } },
  vmx_exit: {
    nature: 'observation',
    by: 'hw',
    fields: { reason: 'u32', rip: 'u64', info1: 'u64', info2: 'u64', intr_info: 'u32', error_code: 'u32', length: 'u32' },
  },
  vmx_entry_failed: { nature: 'observation', by: 'hw', fields: { error: 'u32', rule: 'text' } },
  interrupt: { nature: 'observation', by: 'hw', fields: { vector: 'u8', source: 'text', rip: 'u64' } },
  exception: { nature: 'observation', by: 'hw', fields: { vector: 'u8', error_code: 'u32', rip: 'u64', cr2: 'u64' } },
  apic_timer_arm: { nature: 'observation', by: 'hw', fields: { virtual_deadline: 'u64', deadline: 'u64' } },
  apic_timer_fire: { nature: 'observation', by: 'hw', fields: { vector: 'u8' } },
  pio: { nature: 'observation', by: 'hw', fields: { write: 'u8', port: 'u16', size: 'u8', value: 'u32' } },
  /** A device or the local APIC in physical memory, on the bare CPU. */
  mmio: { nature: 'observation', by: 'hw', fields: { write: 'u8', address: 'count', size: 'u8', value: 'u32' } },
  console: { nature: 'observation', by: 'hw', fields: { byte: 'u8' } },
  shutdown: { nature: 'observation', by: 'hw', fields: { rip: 'u64', vector: 'u8' } },

  // KVM.
  kvm_entry: { nature: 'observation', by: 'kvm', fields: { rip: 'u64' } },
  kvm_exit: {
    nature: 'observation',
    by: 'kvm',
    fields: { reason: 'u32', rip: 'u64', info1: 'u64', info2: 'u64', intr_info: 'u32', error_code: 'u32' },
  },
  kvm_msr: { nature: 'observation', by: 'kvm', fields: { write: 'u8', index: 'u32', value: 'u64', exception: 'u8' } },
  kvm_pio: { nature: 'observation', by: 'kvm', fields: { write: 'u8', port: 'u16', size: 'u8', count: 'u32', value: 'u32' } },
  kvm_cpuid: { nature: 'observation', by: 'kvm', fields: { leaf: 'u32', subleaf: 'u32', eax: 'u32', ebx: 'u32', ecx: 'u32', edx: 'u32' } },
  kvm_page_fault: { nature: 'observation', by: 'kvm', fields: { rip: 'u64', gpa: 'u64', error_code: 'u64' } },
  kvm_apic: { nature: 'observation', by: 'kvm', fields: { write: 'u8', register: 'u32', value: 'u64' } },
  kvm_apic_accept_irq: { nature: 'observation', by: 'kvm', fields: { apicid: 'u32', mode: 'text', trigger: 'text', vector: 'u8' } },
  kvm_inj_virq: { nature: 'observation', by: 'kvm', fields: { vector: 'u8', soft: 'u8', reinjected: 'u8' } },
  kvm_inj_exception: { nature: 'observation', by: 'kvm', fields: { vector: 'u8', error_code: 'u32', reinjected: 'u8' } },
  kvm_eoi: { nature: 'observation', by: 'kvm', fields: { apicid: 'u32', vector: 'u8' } },
  kvm_set_irq: { nature: 'observation', by: 'kvm', fields: { gsi: 'u32', high: 'u8', irq_source_id: 'u32' } },
  kvm_mmio: { nature: 'observation', by: 'kvm', fields: { write: 'u8', len: 'u8', gpa: 'u64', val: 'u64' } },
  kvm_nested_vmenter: {
    nature: 'observation',
    by: 'kvm',
    fields: { rip: 'u64', vmcs: 'u64', nested_rip: 'u64', event_inj: 'u32', ept: 'u8' },
  },
  /** The MSR of an exit for RDMSR or WRMSR of L2 that L1 gets: no tracepoint of Linux says it. */
  nested_msr_exit: { nature: 'observation', by: 'kvm', fields: { write: 'u8', index: 'u32' } },
  kvm_nested_vmenter_failed: { nature: 'observation', by: 'kvm', fields: { msg: 'text', err: 'u32' } },
  kvm_nested_vmexit_inject: {
    nature: 'observation',
    by: 'kvm',
    fields: { exit_code: 'u32', exit_info1: 'u64', exit_int_info: 'u32', exit_int_info_err: 'u32' },
  },
  kvm_hv_timer_state: { nature: 'observation', by: 'kvm', fields: { hv_timer: 'u8' } },
  kvm_apic_virt_timer_state: { nature: 'observation', by: 'kvm', fields: { apic_virt_timer: 'u8' } },
  kvm_apicv_inhibit_changed: { nature: 'observation', by: 'kvm', fields: { reason: 'u32', set: 'u8', inhibits: 'u64' } },
  kvm_write_tsc_offset: { nature: 'observation', by: 'kvm', fields: { previous: 'u64', next: 'u64' } },
  /** `delta`: how late the entry is for the deadline, in the guest's cycles, as a signed number of 64 bits. */
  kvm_wait_lapic_expire: { nature: 'observation', by: 'kvm', fields: { delta: 'u64' } },
  kvm_halt_poll_ns: { nature: 'observation', by: 'kvm', fields: { grow: 'u8', new: 'u32', old: 'u32' } },
  kvm_vcpu_wakeup: { nature: 'observation', by: 'kvm', fields: { ns: 'count', wait: 'u8', valid: 'u8' } },
  kvm_userspace_exit: { nature: 'observation', by: 'kvm', fields: { reason: 'text' } },
  hrtimer_start: { nature: 'observation', by: 'kvm', fields: { expires: 'u64' } },
  hrtimer_cancel: { nature: 'observation', by: 'kvm', fields: {} },
  hrtimer_expire_entry: { nature: 'observation', by: 'kvm', fields: { now: 'u64' } },

  // The end of a run: why, the status written to the exit port, and the hash of the whole machine.
  end: { nature: 'observation', by: 'session', fields: { reason: 'text', status: 'u32', instructions: 'count', hash: 'text' } },
} as const satisfies Readonly<Record<string, EventRow>>

export type EventKind = keyof typeof TRACE_EVENTS

interface FieldValue {
  u8: number
  u16: number
  u32: number
  u64: bigint
  count: number
  text: string
  bytes: Uint8Array
}

type FieldsOf<K extends EventKind> = {
  readonly [F in keyof (typeof TRACE_EVENTS)[K]['fields']]: (typeof TRACE_EVENTS)[K]['fields'][F] extends FieldType
    ? FieldValue[(typeof TRACE_EVENTS)[K]['fields'][F]]
    : never
}

/** When and where: the tick, the CPU, and the level whose doing it is (0 the root software, 1 its guest, 2 that one's guest). */
export interface EventStamp {
  readonly tick: number
  readonly cpu: number
  readonly level: 0 | 1 | 2
}

export type EventOf<K extends EventKind> = { readonly kind: K } & EventStamp & FieldsOf<K>

export type TraceEvent = { [K in EventKind]: EventOf<K> }[EventKind]

/** The one optional function through which the machine and KVM say what happens. */
export type Observe = (event: TraceEvent) => void
