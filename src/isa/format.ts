/**
 * Instruction to text, in NASM's dialect of Intel syntax: the third reader of the table. The text assembles back to the same
 * instruction, if perhaps to other bytes (a shorter immediate, a shorter jump) unless it is to be exact.
 *
 * Without an address, what depends on the instruction's place is written relative to it: `jmp $+0x12`, `[rel $+0x40]`. With
 * one it is written as people read it, `jmp 0x100012`, or as a name if `symbol` knows one.
 */

import type { Size } from '../base/u64.ts'
import { CONTROL_REGISTERS, DEBUG_NAMES, GPR_NAMES, HIGH_BYTE_NAMES, SEGMENT_NAMES, XMM_NAMES, YMM_NAMES } from '../spec/registers.ts'
import { WITHOUT_SIZE_WORD } from './encode-match.ts'
import { type FormatOptions, memoryText, number, SIZE_WORDS, signedNumber, targetText } from './format-place.ts'
import type { Instruction } from './instruction.ts'
import { type Form, followsOperandSize, type OperandSpec } from './notation.ts'
import type { ImmediateOperand, MemoryOperand, Operand, SpecialOperand } from './operands.ts'

const CONTROL_NAMES: ReadonlyMap<number, string> = new Map(Object.entries(CONTROL_REGISTERS).map(([name, index]) => [index, name]))

export function formatInstruction(instruction: Instruction, options: FormatOptions = {}): string {
  const { form, dst, src, third } = instruction
  const operands = [dst, src, third].slice(0, form.operands.length)
  const texts = operands.map((operand, position) => operandText(instruction, operand, position, options))
  // NASM puts the first register of an exchange into ModRM.reg.
  if (form.mnemonic === 'XCHG' && form.modrm !== null && dst.kind === 'register' && src.kind === 'register') texts.reverse()
  const name = `${prefixes(instruction)}${form.mnemonic.toLowerCase()}`
  return texts.length === 0 ? name : `${name} ${texts.join(', ')}`
}

/** Beside the string instructions, those whose memory no operand shows. */
const IMPLIED: ReadonlySet<string> = new Set(['XLATB', 'MONITOR'])

/** Prefixes that no operand shows. */
function prefixes(instruction: Instruction): string {
  const { row, form, repeat, lock, segment, bits, addressSize, size } = instruction
  const isString = row.prefixes.some(prefix => prefix !== 'lock') || IMPLIED.has(row.mnemonic)
  const words: string[] = []
  if (lock) words.push('lock')
  if (repeat !== 0 && repeat !== form.mandatory) words.push(repeat === 0xf2 ? 'repne' : row.prefixes.includes('repe') ? 'repe' : 'rep')
  if (isString && segment !== -1) words.push(SEGMENT_NAMES[segment])
  if (hidesOperandSize(instruction) && size !== defaultSize(form, bits)) words.push(`o${size}`)
  if (addressSize !== bits && hidesAddressSize(instruction, isString)) words.push(`a${addressSize}`)
  return words.map(word => `${word} `).join('')
}

const defaultSize = (form: Form, bits: 16 | 32 | 64): Size => (bits !== 64 ? bits : form.default64 || form.force64 ? 64 : 32)

/** The size is in the prefixes alone: REX.W says where SYSRET returns to. */
const SIZED_BY_PREFIX: ReadonlySet<string> = new Set(['SYSRET', 'SYSEXIT', 'NOP'])

/** The operand size matters and no operand says it. */
function hidesOperandSize({ form, dst }: Instruction): boolean {
  if (form.mnemonic === 'PUSH' && dst.kind === 'immediate') return false // `push word 5`
  if (form.operands.length === 0 && SIZED_BY_PREFIX.has(form.mnemonic)) return true
  const shown = form.operands.some(({ kind }) => kind === 'register' || kind === 'register-or-memory' || kind === 'memory')
  if (shown) return false
  if (dst.kind === 'segment') return true // PUSH ES
  return form.operandSize === null && (form.default64 || form.force64 || form.operands.some(({ kind }) => kind === 'relative'))
}

const LOOPS: ReadonlySet<string> = new Set(['LOOP', 'LOOPE', 'LOOPNE'])

/** The address size matters and no register of an address says it. */
function hidesAddressSize({ row, dst, src }: Instruction, isString: boolean): boolean {
  const memory = dst.kind === 'memory' ? dst : src.kind === 'memory' ? src : undefined
  return memory === undefined ? isString || LOOPS.has(row.mnemonic) : memory.index === -1 && (memory.base === -1 || memory.base === 'rip')
}

function operandText(instruction: Instruction, operand: Operand, position: number, options: FormatOptions): string {
  const spec = instruction.form.operands[position]!
  switch (operand.kind) {
    case 'register':
      return operand.high ? HIGH_BYTE_NAMES[operand.index]! : GPR_NAMES[operand.size][operand.index]!
    case 'memory':
      return memoryWords(instruction, operand, position) + memoryText(instruction, operand, options)
    case 'immediate':
      return immediateText(instruction, operand, spec, options)
    case 'relative':
      return targetText(instruction, operand, options)
    case 'far': {
      const word = operand.size === instruction.bits ? '' : `${SIZE_WORDS[operand.size]} `
      return `${word}${number(BigInt(operand.selector))}:${number(operand.offset)}`
    }
    case 'none':
      return ''
    default:
      return specialText(operand)
  }
}

function specialText({ kind, index }: SpecialOperand): string {
  switch (kind) {
    case 'segment':
      return SEGMENT_NAMES[index]!
    case 'control':
      return CONTROL_NAMES.get(index) ?? `cr${index}`
    case 'debug':
      return DEBUG_NAMES[index] ?? `dr${index}`
    case 'xmm':
      return XMM_NAMES[index]!
    case 'ymm':
      return YMM_NAMES[index]!
  }
}

/** `dword`, `far`: what must stand in front of the brackets. */
function memoryWords(instruction: Instruction, memory: MemoryOperand, position: number): string {
  const { form, bits } = instruction
  if (WITHOUT_SIZE_WORD.has(form.mnemonic)) return ''
  // Without a word a far pointer is as long as the mode has them.
  if (form.operands[position]!.kind === 'far-memory') return memory.size === bits ? 'far ' : `far ${SIZE_WORDS[memory.size]} `
  return sizeIsKnown(instruction, memory, position) ? '' : `${SIZE_WORDS[memory.size]} `
}

/** A register that the table ties to the memory's size makes the size word unnecessary; a shift count in CL does not. */
function sizeIsKnown({ form, dst, src }: Instruction, memory: MemoryOperand, position: number): boolean {
  if (memory.size === 0) return true
  const other = position === 0 ? src : dst
  const spec = form.operands[position === 0 ? 1 : 0]
  if (spec === undefined || other.kind !== 'register' || other.size !== memory.size) return false
  return spec.kind === 'register' || (spec.kind === 'fixed-register' && spec.fixed === 0)
}

/** A negative number where the table extends a sign, unless it is so far below zero that it rather is a pattern of bits. */
function immediateText(instruction: Instruction, { value, size }: ImmediateOperand, spec: OperandSpec, { exact }: FormatOptions): string {
  const { form } = instruction
  const negative = value - (1n << BigInt(size))
  const isSmallNegative = spec.signed && negative < 0n && negative >= (size === 8 ? -16n : -128n)
  const text = isSmallNegative ? signedNumber(negative) : number(value)
  const word = immediateWord(instruction, value, form)
  return `${word === '' && exact && isWide(instruction, negative, value) ? `strict ${SIZE_WORDS[size === 64 ? 32 : size]} ` : word}${text}`
}

/** An immediate of the operand's size whose value the form with a sign-extended byte takes as well. */
function isWide({ row, form }: Instruction, negative: bigint, value: bigint): boolean {
  if (form.immediates[0] !== 'iz' || !(value <= 127n || negative >= -128n)) return false
  const count = form.operands.length
  const extendsByte = ({ immediates, operands }: Form) =>
    immediates[0] === 'ib' && operands.length === count && operands.at(-1)!.text === 'imm8' && (count === 1 || operands[0]!.size !== 8)
  return row.forms.some(extendsByte)
}

/** The word that keeps NASM from choosing another instruction for the same number. */
function immediateWord({ row, size, bits }: Instruction, value: bigint, form: Form): string {
  if (row.mnemonic === 'PUSH') return size === defaultSize(form, bits) ? '' : `${SIZE_WORDS[size]} `
  // MOV r64, imm: small numbers would go to the register's lower half.
  const isWideMove = row.mnemonic === 'MOV' && size === 64 && form.operands[0]!.kind !== 'memory' && followsOperandSize(form)
  if (!isWideMove) return ''
  if (form.immediates[0] === 'iv')
    return value <= 0x7fff_ffffn || value >= 0xffff_ffff_8000_0000n || value <= 0xffff_ffffn ? 'strict qword ' : ''
  return value <= 0x7fff_ffffn ? 'strict dword ' : ''
}
