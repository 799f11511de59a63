/**
 * The registers that gdb sees, as rows in the order of their numbers. The first features are those that gdb knows for x86 (the gdb
 * manual, "i386 Features"): with 64-bit registers, or with the 32-bit ones that real and protected mode have. Behind them stands what
 * a hypervisor's author asks for (`machine-registers.ts`).
 */

import type { TimelineView } from '../session/timeline.ts'
import { type GuestRegisters, type GuestTimer, guestRegisters, guestTimer } from '../session/timeline-guest.ts'
import { guestSegment } from '../session/timeline-segments.ts'
import { GPR_NAMES } from '../spec/registers.ts'
import { APIC, SYSTEM, VMX } from './machine-registers.ts'

/** gdb's names. Under the 16-bit one it disassembles 16-bit code; registers and packets are those of i386, so it may be switched. */
export const ARCHITECTURES = ['i386:x86-64', 'i386', 'i8086'] as const
export type Architecture = (typeof ARCHITECTURES)[number]

/** One CPU at one moment, with what most registers are read from. */
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

/** What gdb knows of a machine. */
export interface RegisterSet {
  readonly architecture: Architecture
  readonly features: readonly Feature[]
  /** By gdb's numbers. */
  readonly all: readonly RegisterRow[]
  /** What the packet `g` holds; gdb asks for the others one by one. */
  readonly general: readonly RegisterRow[]
}

/** gdb's order of the general registers, as the CPU's numbers. */
const ORDER = { 64: [0, 3, 1, 2, 6, 7, 5, 4, 8, 9, 10, 11, 12, 13, 14, 15], 32: [0, 1, 2, 3, 4, 5, 6, 7] } as const
const RSP = 4
const RBP = 5

/** gdb's order. */
const SEGMENTS = ['cs', 'ss', 'ds', 'es', 'fs', 'gs'] as const

/** Kernels look at none of them; gdb wants them described. */
const X87_CONTROL = ['fctrl', 'fstat', 'ftag', 'fiseg', 'fioff', 'foseg', 'fooff', 'fop']

const unavailable = (): undefined => undefined

const core = (width: 32 | 64): readonly RegisterRow[] => [
  ...ORDER[width].map(number => ({
    name: GPR_NAMES[width][number]!,
    bits: width,
    type: number === RSP || number === RBP ? 'data_ptr' : `int${width}`,
    read: ({ guest }: Moment) => guest.gpr[number],
  })),
  { name: width === 64 ? 'rip' : 'eip', bits: width, type: 'code_ptr', read: ({ guest }) => guest.rip },
  { name: 'eflags', bits: 32, type: 'i386_eflags', read: ({ guest }) => guest.rflags },
  ...SEGMENTS.map(name => ({
    name,
    bits: 32,
    type: 'int32',
    read: ({ view }: Moment) => BigInt(guestSegment(view, name).selector),
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

const sse = (width: 32 | 64): readonly RegisterRow[] => [
  ...Array.from({ length: width / 4 }, (_, i) => ({
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

const BASES: readonly RegisterRow[] = (['fs', 'gs'] as const).map(name => ({
  name: `${name}_base`,
  bits: 64,
  type: 'uint64',
  group: 'control',
  read: ({ view }) => guestSegment(view, name).base,
}))

export function registersOf(architecture: Architecture): RegisterSet {
  const width = architecture === 'i386:x86-64' ? 64 : 32
  const known: readonly Feature[] = [
    { name: 'org.gnu.gdb.i386.core', registers: core(width) },
    { name: 'org.gnu.gdb.i386.sse', registers: sse(width) },
  ]
  const features: readonly Feature[] = [
    ...known,
    { name: width === 64 ? 'org.gnu.gdb.i386.segments' : 'org.vtick.segments', registers: BASES },
    { name: 'org.vtick.system', registers: SYSTEM },
    { name: 'org.vtick.vmx', registers: VMX },
    { name: 'org.vtick.apic', registers: APIC },
  ]
  const rowsOf = (of: readonly Feature[]): readonly RegisterRow[] => of.flatMap(({ registers }) => registers)
  return { architecture, features, all: rowsOf(features), general: rowsOf(known) }
}

/** A register's bytes, lowest first, as hex digits; `x` where it has no value. */
export function registerHex({ bits, read }: RegisterRow, moment: Moment): string {
  const value = read(moment)
  if (value === undefined) return 'x'.repeat(bits / 4)
  const digits = BigInt.asUintN(bits, value)
    .toString(16)
    .padStart(bits / 4, '0')
  return (digits.match(/../g) ?? []).reverse().join('')
}
