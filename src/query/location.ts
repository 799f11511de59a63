/**
 * Places that hold a value at a moment: one spelling for `why`, breakpoints and watches.
 *
 *     rax  eax  ah  rip  rflags  cr3      registers of the CPU that runs
 *     [fired+4]:8  [0x9000]               memory at a linear address, so many bytes (8 unless said)
 *     vmcs.GUEST_RIP  vmcs12.GUEST_RIP    a field of the current VMCS, or of the one named
 *     msr:0x6e0  msr:IA32_TSC_DEADLINE    an MSR as the guest reads it
 *     apic.APIC_TMICT                     a register of the guest's local APIC
 *     irq:0xec                            a pending interrupt         exit    the last VM exit
 */

import { nearest } from '../base/suggest.ts'
import { shiftRight } from '../base/u64.ts'
import { APIC_REGISTERS, type ApicRegisterName } from '../spec/apic-registers.ts'
import { MSRS } from '../spec/msrs.ts'
import { GPR_NAMES, HIGH_BYTE_NAMES } from '../spec/registers.ts'
import { VMCS_FIELDS, type VmcsFieldName } from '../spec/vmcs-fields.ts'
import type { MemoryNode, ValueNode } from './expression-nodes.ts'
import { FilterError, type ProgramNames } from './filter-fields.ts'
import { readValue } from './parse.ts'

export const VMCS_NAMES = ['vmcs', 'vmcs01', 'vmcs12', 'vmcs02'] as const
export type NamedVmcs = (typeof VMCS_NAMES)[number]

/** Registers besides the general ones, by name. */
export const SYSTEM_REGISTERS = ['rip', 'rflags', 'cr0', 'cr2', 'cr3', 'cr4'] as const
export type SystemRegister = (typeof SYSTEM_REGISTERS)[number]

export type Location =
  /** Bits [low, low + size) of a general register. */
  | { readonly kind: 'register'; readonly index: number; readonly low: 0 | 8; readonly size: 8 | 16 | 32 | 64 }
  | { readonly kind: 'system'; readonly name: SystemRegister }
  | { readonly kind: 'memory'; readonly address: bigint; readonly bytes: number }
  | { readonly kind: 'vmcs'; readonly vmcs: NamedVmcs; readonly field: VmcsFieldName }
  | { readonly kind: 'msr'; readonly index: number }
  | { readonly kind: 'apic'; readonly register: ApicRegisterName }
  | { readonly kind: 'irq'; readonly vector: number }
  | { readonly kind: 'exit' }

export const LOCATION_FORMS = 'rax, [0x9000]:8, vmcs.GUEST_RIP, msr:0x6e0, apic.APIC_TMICT, irq:0xEC or exit'

/** What is wrong with a text, and what would be right. */
export interface LocationProblem {
  readonly problem: string
  readonly help: string
}

const MOST_BYTES = 4096

const registers = new Map<string, Location>([
  ...([8, 16, 32, 64] as const).flatMap(size =>
    GPR_NAMES[size].map((name, index): [string, Location] => [name, { kind: 'register', index, low: 0, size }]),
  ),
  ...HIGH_BYTE_NAMES.map((name, index): [string, Location] => [name, { kind: 'register', index, low: 8, size: 8 }]),
  ...SYSTEM_REGISTERS.map((name): [string, Location] => [name, { kind: 'system', name }]),
])

export const REGISTER_NAMES: readonly string[] = [...registers.keys()]

/** A register by its name. */
export const registerNamed = (name: string): Location | undefined => registers.get(name.toLowerCase())

const NUMBER = /^(?:0[xX][0-9a-fA-F_]+|\d[\d_]*)$/

export function parseNumberText(text: string): bigint | undefined {
  if (!NUMBER.test(text)) return undefined
  const value = BigInt(text.replaceAll('_', ''))
  return value >= 1n << 64n ? undefined : value
}

/** A number, a label or a constant of the program, or one of these and an offset; undefined for anything else. */
export function addressOf(node: ValueNode, program: ProgramNames): bigint | undefined {
  switch (node.kind) {
    case 'number':
      return parseNumberText(node.text)
    case 'name':
      return program.get(node.text)
    case 'sum': {
      const left = addressOf(node.left, program)
      const right = addressOf(node.right, program)
      if (left === undefined || right === undefined) return undefined
      return BigInt.asUintN(64, node.sign === '+' ? left + right : left - right)
    }
    default:
      return undefined
  }
}

const meant = (word: string, names: Iterable<string>, otherwise: string): string => {
  const near = nearest(word, names)
  return near === undefined ? otherwise : `did you mean \`${near}\`?`
}

export function parseLocation(text: string, program: ProgramNames): Location | LocationProblem {
  try {
    return readValue(text, node => locationOf(node, program))
  } catch (error) {
    if (error instanceof FilterError) return noLocation(text)
    throw error
  }
}

const noLocation = (text: string): LocationProblem => ({
  problem: `\`${text}\` is no location`,
  help: meant(text.trim(), registers.keys(), `write ${LOCATION_FORMS}`),
})

/** A location whose address does not depend on the moment. */
export function locationOf(node: ValueNode, program: ProgramNames): Location | LocationProblem {
  switch (node.kind) {
    case 'name':
      return node.text === 'exit' ? { kind: 'exit' } : (registerNamed(node.text) ?? noLocation(node.text))
    case 'place': {
      const [, prefix = '', name = ''] = /^(\w+)[:.](\w+)$/.exec(node.text) ?? []
      return named(prefix.toLowerCase(), name)
    }
    case 'memory':
      return memoryAt(node, program)
    default:
      return noLocation(valueText(node))
  }
}

/** A value as it is written. */
export function valueText(node: ValueNode): string {
  switch (node.kind) {
    case 'sum':
      return `${valueText(node.left)}${node.sign}${valueText(node.right)}`
    case 'memory':
      return `[${valueText(node.address)}]:${node.bytes}`
    case 'text':
      return `"${node.text}"`
    default:
      return node.text
  }
}

/** What is wrong with a size in bytes. */
export const sizeProblem = (bytes: number): LocationProblem | undefined =>
  bytes >= 1 && bytes <= MOST_BYTES
    ? undefined
    : { problem: `${bytes} bytes are no size`, help: `write 1 to ${MOST_BYTES}, as in [0x9000]:8` }

function memoryAt({ address: at, bytes }: MemoryNode, program: ProgramNames): Location | LocationProblem {
  const address = addressOf(at, program)
  const text = valueText(at)
  if (address === undefined)
    return { problem: `\`${text}\` is no address`, help: meant(text, program.keys(), 'write a number, or a label of the program') }
  return sizeProblem(bytes) ?? { kind: 'memory', address, bytes }
}

function named(prefix: string, name: string): Location | LocationProblem {
  switch (prefix) {
    case 'msr': {
      const index = parseNumberText(name) ?? msrNamed(name)
      if (index !== undefined && index < 1n << 32n) return { kind: 'msr', index: Number(index) }
      return { problem: `there is no MSR \`${name}\``, help: meant(name, Object.keys(MSRS), 'write its index, as in msr:0x6e0') }
    }
    case 'irq': {
      const vector = parseNumberText(name)
      if (vector !== undefined && vector < 256n) return { kind: 'irq', vector: Number(vector) }
      return { problem: `\`${name}\` is no vector`, help: 'write 0 to 255, as in irq:0xec' }
    }
    case 'apic': {
      const register = keyNamed(APIC_REGISTERS, name) ?? keyNamed(APIC_REGISTERS, `APIC_${name}`)
      if (register !== undefined) return { kind: 'apic', register }
      return {
        problem: `the local APIC has no register \`${name}\``,
        help: meant(name, Object.keys(APIC_REGISTERS), 'as in apic.APIC_TMICT'),
      }
    }
    default: {
      const vmcs = VMCS_NAMES.find(each => each === prefix)
      const field = keyNamed(VMCS_FIELDS, name)
      if (vmcs !== undefined && field !== undefined) return { kind: 'vmcs', vmcs, field }
      if (vmcs === undefined) return { problem: `there is no VMCS \`${prefix}\``, help: `write ${VMCS_NAMES.join(', ')}` }
      return { problem: `a VMCS has no field \`${name}\``, help: meant(name, Object.keys(VMCS_FIELDS), 'as in vmcs.GUEST_RIP') }
    }
  }
}

const keyNamed = <T extends object>(table: T, name: string): keyof T | undefined =>
  Object.keys(table).find(key => key.toLowerCase() === name.toLowerCase()) as keyof T | undefined

function msrNamed(name: string): bigint | undefined {
  const key = keyNamed(MSRS, name) ?? keyNamed(MSRS, `MSR_${name}`)
  return key === undefined ? undefined : BigInt(MSRS[key].index)
}

export const isProblem = (parsed: Location | LocationProblem): parsed is LocationProblem => 'problem' in parsed

const hex = (value: bigint | number): string => `0x${value.toString(16)}`

/** The text that `parseLocation` reads. */
export function formatLocation(location: Location): string {
  switch (location.kind) {
    case 'register':
      return location.low === 8 ? HIGH_BYTE_NAMES[location.index as 0 | 1 | 2 | 3] : GPR_NAMES[location.size][location.index]!
    case 'system':
      return location.name
    case 'memory':
      return `[${hex(location.address)}]:${location.bytes}`
    case 'vmcs':
      return `${location.vmcs}.${location.field}`
    case 'msr':
      return `msr:${hex(location.index)}`
    case 'apic':
      return `apic.${location.register}`
    case 'irq':
      return `irq:${hex(location.vector)}`
    case 'exit':
      return 'exit'
  }
}

/** The bits that a location means of a whole register. */
export const bitsOf = ({ low, size }: Extract<Location, { kind: 'register' }>, value: bigint): bigint =>
  BigInt.asUintN(size, shiftRight(value, low))
