/**
 * Writes the constants of `src/spec` as NASM `equ` lines into `asm/include`, one file per table, so that guest programs and
 * the emulator share one set of names. An `equ` makes no bytes; a guard lets any file be included twice. A test compares the
 * files with what this generates.
 */

import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { APIC_BASE_MSR, APIC_BITS, APIC_REGISTERS } from '../src/spec/apic-registers.ts'
import { CR0, CR4, EFER } from '../src/spec/cr-bits.ts'
import { EXCEPTIONS } from '../src/spec/exceptions.ts'
import { EXIT_REASON_FAILED_VMENTRY, EXIT_REASONS } from '../src/spec/exit-reasons.ts'
import { MSRS } from '../src/spec/msrs.ts'
import { RFLAGS } from '../src/spec/rflags.ts'
import { VMCS_FIELDS, widthOf } from '../src/spec/vmcs-fields.ts'
import { VMX_CONTROLS } from '../src/spec/vmx-controls.ts'
import { VMX_INSTRUCTION_ERRORS } from '../src/spec/vmx-instruction-errors.ts'

interface Constant {
  readonly name: string
  readonly value: number
  readonly about?: string
}

const INCLUDE_DIRECTORY = join(import.meta.dirname, '../asm/include')

/** From file name to text. */
export function generateIncludes(): Record<string, string> {
  return {
    'msr.inc': include('msr', 'Model-specific registers.', msrs()),
    'vmcs.inc': include('vmcs', 'VMCS field encodings.', vmcsFields()),
    'exit-reasons.inc': include('exit-reasons', 'Basic exit reasons and VM-instruction errors.', exitReasons()),
    'exceptions.inc': include('exceptions', 'Vectors of exceptions.', exceptions()),
    'apic.inc': include('apic', 'Local APIC: offsets in its page, and bits of its registers.', apic()),
    'vmx-controls.inc': include('vmx-controls', 'Bits of the VM-execution, VM-exit and VM-entry control words.', vmxControls()),
    'cr.inc': include('cr', 'Bits of CR0, CR4 and IA32_EFER.', controlRegisters()),
    'rflags.inc': include('rflags', 'Bits of RFLAGS.', rflags()),
  }
}

function include(name: string, title: string, constants: readonly Constant[]): string {
  const guard = `${name.toUpperCase().replaceAll('-', '_')}_INC`
  return [
    `; ${title}`,
    '; Generated from src/spec by `npm run includes`; changes belong there.',
    '',
    `%ifndef ${guard}`,
    `%define ${guard}`,
    '',
    ...constants.map(line),
    '',
    '%endif',
    '',
  ].join('\n')
}

function line({ name, value, about }: Constant): string {
  const equ = `${name.padEnd(40)} equ 0x${value.toString(16)}`
  return about === undefined ? equ : `${equ.padEnd(58)} ; ${about}`
}

const maskOf = (bit: number): number => 2 ** bit

const msrs = (): Constant[] => Object.entries(MSRS).map(([name, row]) => ({ name, value: row.index, about: row.sdm }))

const vmcsFields = (): Constant[] =>
  Object.entries(VMCS_FIELDS).flatMap(([name, { encoding, sdm }]) => {
    const field = { name, value: encoding, about: sdm }
    return widthOf(encoding) === 64 ? [field, { name: `${name}_HIGH`, value: encoding + 1 }] : [field]
  })

const exitReasons = (): Constant[] => [
  ...Object.entries(EXIT_REASONS).map(([name, value]) => ({ name, value })),
  { name: 'EXIT_REASON_FAILED_VMENTRY', value: EXIT_REASON_FAILED_VMENTRY, about: 'bit 31: the VM entry failed' },
  ...Object.entries(VMX_INSTRUCTION_ERRORS).map(([name, row]) => ({ name, value: row.number, about: row.meaning })),
]

const exceptions = (): Constant[] =>
  Object.entries(EXCEPTIONS).map(([name, row]) => ({ name: `X86_TRAP_${name}`, value: row.vector, about: row.name }))

const apic = (): Constant[] => [
  { name: 'APIC_BASE_MSR', value: APIC_BASE_MSR, about: 'x2APIC: the register at offset n is MSR 0x800 + (n >> 4)' },
  ...Object.entries(APIC_REGISTERS).map(([name, row]) => ({ name, value: row.offset, about: row.sdm })),
  ...Object.entries(APIC_BITS).map(([name, value]) => ({ name, value })),
]

const vmxControls = (): Constant[] =>
  Object.entries(VMX_CONTROLS).map(([name, row]) => ({ name, value: maskOf(row.bit), about: `${row.word}, bit ${row.bit}: ${row.sdm}` }))

const controlRegisters = (): Constant[] => [
  ...Object.entries(CR0).map(([name, bit]) => ({ name: `X86_CR0_${name}`, value: maskOf(bit) })),
  ...Object.entries(CR4).map(([name, bit]) => ({ name: `X86_CR4_${name}`, value: maskOf(bit) })),
  ...Object.entries(EFER).map(([name, bit]) => ({ name: `EFER_${name}`, value: maskOf(bit) })),
]

/** IOPL has two bits. */
const rflags = (): Constant[] =>
  Object.entries(RFLAGS).map(([name, bit]) => ({ name: `X86_EFLAGS_${name}`, value: name === 'IOPL' ? 3 * maskOf(bit) : maskOf(bit) }))

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  mkdirSync(INCLUDE_DIRECTORY, { recursive: true })
  for (const [file, text] of Object.entries(generateIncludes())) writeFileSync(join(INCLUDE_DIRECTORY, file), text)
}
