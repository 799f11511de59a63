/**
 * The registers that gdb sees, as rows in the order of their numbers. The first two features are those that gdb knows for x86-64
 * (the gdb manual, "i386 Features"); behind them stand what a hypervisor's author asks for: control registers, the timer, the
 * current VMCS and the guest's local APIC.
 */

import type { TimelineView } from '../session/timeline.ts'
import { guestApic } from '../session/timeline-apic.ts'
import { type GuestRegisters, type GuestTimer, guestRegisters, guestTimer } from '../session/timeline-guest.ts'
import { vmcsField } from '../session/timeline-vmcs.ts'
import { APIC_REGISTERS, type ApicRegisterRow } from '../spec/apic-registers.ts'
import { VMCS_FIELDS, type VmcsFieldName, widthOf } from '../spec/vmcs-fields.ts'

/** One moment with what most registers are read from. */
export interface Moment {
  readonly view: TimelineView
  readonly guest: GuestRegisters
  readonly timer: GuestTimer
}

export const momentOf = (view: TimelineView): Moment => ({ view, guest: guestRegisters(view), timer: guestTimer(view) })

export interface RegisterRow {
  readonly name: string
  readonly bits: number
  readonly type: string
  /** `info registers GROUP`. */
  readonly group?: string
  /** Undefined: not to be had at this moment. */
  readonly read: (moment: Moment) => bigint | undefined
}

export interface Feature {
  readonly name: string
  readonly registers: readonly RegisterRow[]
}

/** gdb's order; the numbers are those of the encodings. */
// biome-ignore format: a table
const GENERAL: readonly (readonly [name: string, number: number])[] = [
  ['rax', 0], ['rbx', 3], ['rcx', 1], ['rdx', 2], ['rsi', 6], ['rdi', 7], ['rbp', 5], ['rsp', 4],
  ...Array.from({ length: 8 }, (_, i) => [`r${8 + i}`, 8 + i] as const),
]

/** CS, SS, DS, ES, FS, GS: gdb's order, and the CPU's numbers. */
const SEGMENTS = { cs: 1, ss: 2, ds: 3, es: 0, fs: 4, gs: 5 } as const

/** Kernels look at none of them; gdb wants them described. */
const X87_CONTROL = ['fctrl', 'fstat', 'ftag', 'fiseg', 'fioff', 'foseg', 'fooff', 'fop']

const unavailable = (): undefined => undefined

const CORE: readonly RegisterRow[] = [
  ...GENERAL.map(([name, number]) => ({
    name,
    bits: 64,
    type: name === 'rsp' || name === 'rbp' ? 'data_ptr' : 'int64',
    read: ({ guest }: Moment) => guest.gpr[number],
  })),
  { name: 'rip', bits: 64, type: 'code_ptr', read: ({ guest }) => guest.rip },
  { name: 'eflags', bits: 32, type: 'i386_eflags', read: ({ guest }) => guest.rflags },
  ...Object.entries(SEGMENTS).map(([name, number]) => ({
    name,
    bits: 32,
    type: 'int32',
    read: ({ guest, view }: Moment) =>
      BigInt(number === 1 ? guest.cs : number === 2 ? guest.ss : view.machine.cpus[view.cpu]!.segments[number]!.selector),
  })),
  ...Array.from({ length: 8 }, (_, i) => ({
    name: `st${i}`,
    bits: 80,
    type: 'i387_ext',
    read: ({ view }: Moment) => {
      const { st } = view.machine.registers[view.cpu]!
      return st[2 * i]! | (st[2 * i + 1]! << 64n)
    },
  })),
  ...X87_CONTROL.map(name => ({ name, bits: 32, type: 'int', group: 'float', read: unavailable })),
]

const SSE: readonly RegisterRow[] = [
  ...Array.from({ length: 16 }, (_, i) => ({
    name: `xmm${i}`,
    bits: 128,
    type: 'vec128',
    read: ({ view }: Moment) => {
      const { xmm } = view.machine.registers[view.cpu]!
      return xmm[2 * i]! | (xmm[2 * i + 1]! << 64n)
    },
  })),
  { name: 'mxcsr', bits: 32, type: 'int', group: 'vector', read: ({ view }) => view.machine.registers[view.cpu]!.mxcsr[0]! },
]

const system = (name: string, bits: number, read: RegisterRow['read']): RegisterRow => ({
  name,
  bits,
  type: `uint${bits}`,
  group: 'control',
  read,
})

const SYSTEM: readonly RegisterRow[] = [
  system('cr0', 64, ({ guest }) => guest.cr0),
  system('cr2', 64, ({ guest }) => guest.cr2),
  system('cr3', 64, ({ guest }) => guest.cr3),
  system('cr4', 64, ({ guest }) => guest.cr4),
  system('cpl', 32, ({ guest }) => BigInt(guest.cpl)),
  system('tsc', 64, ({ timer }) => timer.tsc),
  system('tsc_deadline', 64, ({ timer }) => timer.deadline),
  system('instructions', 64, ({ view }) => BigInt(view.instructions)),
  system('event', 32, ({ view }) => BigInt(view.eventIndex)),
]

const VMX: readonly RegisterRow[] = (Object.keys(VMCS_FIELDS) as VmcsFieldName[]).map(name => {
  const width = widthOf(VMCS_FIELDS[name].encoding)
  const bits = width === 'natural' ? 64 : width
  return { name: `vmcs_${name.toLowerCase()}`, bits, type: `uint${bits}`, group: 'vmx', read: ({ view }) => vmcsField(view, name) }
})

const APIC: readonly RegisterRow[] = Object.entries(APIC_REGISTERS as Readonly<Record<string, ApicRegisterRow>>).flatMap(
  ([name, { offset, count = 1 }]) =>
    Array.from({ length: count }, (_, i) => ({
      name: `${name.toLowerCase()}${count === 1 ? '' : i}`,
      bits: 32,
      type: 'uint32',
      group: 'apic',
      read: ({ view }: Moment) => {
        const value = guestApic(view, offset + 16 * i)
        return value === undefined ? undefined : BigInt(value)
      },
    })),
)

export const FEATURES: readonly Feature[] = [
  { name: 'org.gnu.gdb.i386.core', registers: CORE },
  { name: 'org.gnu.gdb.i386.sse', registers: SSE },
  { name: 'org.vtick.system', registers: SYSTEM },
  { name: 'org.vtick.vmx', registers: VMX },
  { name: 'org.vtick.apic', registers: APIC },
]

export const REGISTERS: readonly RegisterRow[] = FEATURES.flatMap(({ registers }) => registers)

/** What the packet `g` holds; gdb asks for the others one by one. */
export const GENERAL_REGISTERS: readonly RegisterRow[] = [...CORE, ...SSE]

/** A register's bytes, lowest first, as hex digits; `x` where it has no value. */
export function registerHex({ bits, read }: RegisterRow, moment: Moment): string {
  const value = read(moment)
  if (value === undefined) return 'x'.repeat(bits / 4)
  const digits = BigInt.asUintN(bits, value)
    .toString(16)
    .padStart(bits / 4, '0')
  return (digits.match(/../g) ?? []).reverse().join('')
}
