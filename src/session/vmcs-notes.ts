/**
 * What the bits of a VMCS field say, in the SDM's names ("VM-Execution Control Fields" and those behind it, "Guest Register State",
 * "Guest Non-Register State", "Basic VM-Exit Information"; "Control Registers").
 */

import { bitField } from '../base/u64.ts'
import { CR0, CR4, EFER } from '../spec/cr-bits.ts'
import { EXCEPTIONS } from '../spec/exceptions.ts'
import { exitReasonName } from '../spec/exit-reasons.ts'
import { RFLAGS } from '../spec/rflags.ts'
import { BLOCKING, type VmcsFieldName } from '../spec/vmcs-fields.ts'
import { CONTROL_WORDS, type ControlWord, VMX_CONTROLS } from '../spec/vmx-controls.ts'

const wordOfField: ReadonlyMap<string, ControlWord> = new Map(
  Object.entries(CONTROL_WORDS).map(([word, { field }]) => [field, word as ControlWord]),
)

/** Its bits are controls: it says something where it is zero, too. */
export const isControlWord = (name: VmcsFieldName): boolean => wordOfField.has(name)

const PREFIX = /^(?:PIN_BASED|CPU_BASED|SECONDARY_EXEC|TERTIARY_EXEC|VM_EXIT|VM_ENTRY)_/

/** The names of the bits that are set. */
function controlBits(word: ControlWord, value: bigint): string {
  const set = Object.entries(VMX_CONTROLS).filter(([, row]) => row.word === word && bitField(value, row.bit, 1) === 1)
  return set.map(([name]) => name.replace(PREFIX, '')).join(' ')
}

const bitNames = (bits: Readonly<Record<string, number>>, value: bigint): string =>
  Object.entries(bits)
    .filter(([, bit]) => bitField(value, bit, 1) === 1)
    .map(([name]) => name)
    .join(' ')

const BITS: readonly (readonly [fields: RegExp, bits: Readonly<Record<string, number>>])[] = [
  [/^(?:GUEST_CR0|HOST_CR0|CR0_GUEST_HOST_MASK|CR0_READ_SHADOW)$/, CR0],
  [/^(?:GUEST_CR4|HOST_CR4|CR4_GUEST_HOST_MASK|CR4_READ_SHADOW)$/, CR4],
  [/_IA32_EFER$/, EFER],
  [/^GUEST_RFLAGS$/, RFLAGS],
  [/^EXCEPTION_BITMAP$/, Object.fromEntries(Object.entries(EXCEPTIONS).map(([name, { vector }]) => [`#${name}`, vector]))],
]

const KINDS = [
  'external interrupt',
  'reserved',
  'NMI',
  'exception',
  'software interrupt',
  'privileged software exception',
  'software exception',
  'other event',
]

/** VM-entry and VM-exit interruption information, IDT-vectoring information. */
function interruptionNote(value: bigint): string {
  if (bitField(value, 31, 1) === 0) return 'not valid'
  const vector = bitField(value, 0, 8)
  const name = Object.entries(EXCEPTIONS).find(([, row]) => row.vector === vector)?.[0]
  const kind = KINDS[bitField(value, 8, 3)]!
  const what = kind === 'exception' && name !== undefined ? `#${name}` : `vector ${vector.toString(16)}`
  return `${kind}, ${what}${bitField(value, 11, 1) === 1 ? ', with an error code' : ''}`
}

const ACTIVITIES = ['active', 'HLT', 'shutdown', 'wait-for-SIPI']

function accessRightsNote(value: bigint): string {
  if (bitField(value, 16, 1) === 1) return 'unusable'
  const isCode = bitField(value, 4, 1) === 1 && bitField(value, 3, 1) === 1
  const kind = bitField(value, 4, 1) === 0 ? `system type ${bitField(value, 0, 4)}` : isCode ? 'code' : 'data'
  const size = !isCode ? '' : bitField(value, 13, 1) === 1 ? ' 64-bit' : bitField(value, 14, 1) === 1 ? ' 32-bit' : ' 16-bit'
  return `${kind}${size}, DPL ${bitField(value, 5, 2)}${bitField(value, 7, 1) === 0 ? ', not present' : ''}`
}

const interruptibilityNote = (value: bigint): string =>
  Object.entries(BLOCKING)
    .filter(([, bit]) => (Number(value) & bit) !== 0)
    .map(([name]) => `blocking by ${name === 'sti' ? 'STI' : name === 'movSs' ? 'MOV SS' : name.toUpperCase()}`)
    .join(', ')

/** Empty where the value says all. */
export function vmcsNote(name: VmcsFieldName, value: bigint): string {
  const word = wordOfField.get(name)
  if (word !== undefined) return controlBits(word, value)
  const bits = BITS.find(([fields]) => fields.test(name))
  if (bits !== undefined) return bitNames(bits[1], value)
  if (/(?:_INTR_INFO|IDT_VECTORING_INFO)(?:_FIELD)?$/.test(name)) return interruptionNote(value)
  if (name.endsWith('_AR_BYTES')) return accessRightsNote(value)
  switch (name) {
    case 'VM_EXIT_REASON':
      return exitReasonName(Number(value) & 0xffff)
    case 'GUEST_ACTIVITY_STATE':
      return ACTIVITIES[Number(value)] ?? ''
    case 'GUEST_INTERRUPTIBILITY_INFO':
      return interruptibilityNote(value)
    default:
      return ''
  }
}
