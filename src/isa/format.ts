/**
 * Instruction to text, in NASM's dialect of Intel syntax: the third reader of the table. The text assembles back to the same
 * instruction, if perhaps to other bytes (a shorter immediate, a shorter jump).
 *
 * Without an address, what depends on the instruction's place is written relative to it: `jmp $+0x12`, `[rel $+0x40]`. With
 * one it is written as people read it, `jmp 0x100012`, or as a name if `symbol` knows one.
 */

import type { Size } from '../base/u64.ts'
import { CONTROL_REGISTERS, DEBUG_NAMES, GPR_NAMES, HIGH_BYTE_NAMES, SEGMENT_NAMES, XMM_NAMES, YMM_NAMES } from '../spec/registers.ts'
import type { Instruction } from './instruction.ts'
import { type Form, followsOperandSize, type OperandSpec } from './notation.ts'
import { DS, type ImmediateOperand, type MemoryOperand, type Operand, type RelativeOperand, type SpecialOperand, SS } from './operands.ts'

export interface FormatOptions {
  /** Where the instruction stands. */
  readonly address?: bigint
  /** The name of an address, offset included (`wait+0x4`); undefined for none. */
  readonly symbol?: (address: bigint) => string | undefined
}

const SIZE_WORDS: Readonly<Record<number, string>> = {
  8: 'byte',
  16: 'word',
  32: 'dword',
  64: 'qword',
  80: 'tword',
  128: 'oword',
  256: 'yword',
}

const CONTROL_NAMES: ReadonlyMap<number, string> = new Map(Object.entries(CONTROL_REGISTERS).map(([name, index]) => [index, name]))

/** Digits below ten are the same in every base. */
const number = (value: bigint): string => (value < 10n ? `${value}` : `0x${value.toString(16)}`)
const signedNumber = (value: bigint): string => (value < 0n ? `-${number(-value)}` : number(value))
/** As the second part of a sum. */
const offset = (value: bigint): string => (value < 0n ? `-${number(-value)}` : `+${number(value)}`)

export function formatInstruction(instruction: Instruction, options: FormatOptions = {}): string {
  const { form, dst, src, third } = instruction
  const operands = [dst, src, third].slice(0, form.operands.length)
  const texts = operands.map((operand, position) => operandText(instruction, operand, position, options))
  const name = `${prefixes(instruction)}${form.mnemonic.toLowerCase()}`
  return texts.length === 0 ? name : `${name} ${texts.join(', ')}`
}

/** Prefixes that no operand shows. */
function prefixes(instruction: Instruction): string {
  const { row, form, repeat, lock, segment, bits, addressSize, size } = instruction
  const isString = row.prefixes.some(prefix => prefix !== 'lock')
  const words: string[] = []
  if (lock) words.push('lock')
  if (repeat !== 0 && repeat !== form.mandatory) words.push(repeat === 0xf2 ? 'repne' : row.prefixes.includes('repe') ? 'repe' : 'rep')
  if (isString && segment !== -1) words.push(SEGMENT_NAMES[segment])
  if (hidesOperandSize(instruction) && size !== defaultSize(form, bits)) words.push(`o${size}`)
  if (addressSize !== bits && hidesAddressSize(instruction, isString)) words.push(`a${addressSize}`)
  return words.map(word => `${word} `).join('')
}

const defaultSize = (form: Form, bits: 16 | 32 | 64): Size => (bits !== 64 ? bits : form.default64 || form.force64 ? 64 : 32)

/** The operand size matters and no operand says it. */
function hidesOperandSize({ form, dst }: Instruction): boolean {
  if (dst.kind === 'immediate' && form.default64) return false // `push word 5`
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
      return (sizeIsKnown(instruction, operand, position) ? '' : `${SIZE_WORDS[operand.size]} `) + memoryText(instruction, operand, options)
    case 'immediate':
      return immediateText(instruction, operand, spec)
    case 'relative':
      return targetText(instruction, operand, options)
    case 'far':
      return `${number(BigInt(operand.selector))}:${number(operand.offset)}`
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

/** A register that the table ties to the memory's size makes the size word unnecessary; a shift count in CL does not. */
function sizeIsKnown({ form, dst, src }: Instruction, memory: MemoryOperand, position: number): boolean {
  if (memory.size === 0) return true
  const other = position === 0 ? src : dst
  const spec = form.operands[position === 0 ? 1 : 0]
  if (spec === undefined || other.kind !== 'register' || other.size !== memory.size) return false
  return spec.kind === 'register' || (spec.kind === 'fixed-register' && spec.fixed === 0)
}

function memoryText(instruction: Instruction, memory: MemoryOperand, options: FormatOptions): string {
  const { base, index, segment } = memory
  const isStackBase = base === 4 || base === 5
  const override = segment === (isStackBase ? SS : DS) ? '' : `${SEGMENT_NAMES[segment]}:`
  if (base === 'rip') return `[rel ${override}${ripTarget(instruction, memory, options)}]`
  if (base === -1 && index === -1) return `[${override}${absoluteText(instruction, memory, options)}]`
  return `[${override}${sumText(memory)}]`
}

/** Base, scaled index and displacement. NASM would turn a lone index into a base, and twice one into a sum: `nosplit` keeps it. */
function sumText({ base, index, scale, addressSize, displacement }: MemoryOperand): string {
  const names = GPR_NAMES[addressSize]
  const parts: string[] = []
  if (typeof base === 'number' && base >= 0) parts.push(names[base]!)
  if (index >= 0) parts.push(scale === 1 && base !== -1 ? names[index]! : `${names[index]}*${scale}`)
  const split = base === -1 && scale <= 2 ? 'nosplit ' : ''
  return `${split}${parts.join('+')}${displacement === 0n ? '' : offset(displacement)}`
}

/** An address without registers: of the bytes of the whole address, or sign-extended from what the displacement holds. */
function absoluteText(
  { bits }: Instruction,
  { addressSize, displacement, displacementBytes }: MemoryOperand,
  { symbol }: FormatOptions,
): string {
  const address =
    addressSize === 64
      ? BigInt.asUintN(64, displacement)
      : addressSize === 32
        ? BigInt.asUintN(32, displacement)
        : BigInt.asUintN(16, displacement)
  const width = displacementBytes === 8 ? 'qword ' : ''
  return `${bits === 64 ? 'abs ' : ''}${width}${symbol?.(address) ?? number(address)}`
}

function ripTarget({ length }: Instruction, { displacement }: MemoryOperand, { address, symbol }: FormatOptions): string {
  const distance = BigInt(length) + displacement
  if (address === undefined) return `$${offset(distance)}`
  const target = BigInt.asUintN(64, address + distance)
  return symbol?.(target) ?? number(target)
}

function targetText({ length, bits }: Instruction, { value, size }: RelativeOperand, { address, symbol }: FormatOptions): string {
  const distance = BigInt(length) + value
  if (address === undefined) return `$${offset(distance)}`
  const target =
    size === 16
      ? BigInt.asUintN(16, address + distance)
      : bits === 64
        ? BigInt.asUintN(64, address + distance)
        : BigInt.asUintN(32, address + distance)
  return symbol?.(target) ?? number(target)
}

/** A negative number where the table extends a sign, unless it is so far below zero that it rather is a pattern of bits. */
function immediateText(instruction: Instruction, { value, size }: ImmediateOperand, spec: OperandSpec): string {
  const { form } = instruction
  const negative = value - (1n << BigInt(size))
  const isSmallNegative = spec.signed && negative < 0n && negative >= (size === 8 ? -16n : -128n)
  const text = isSmallNegative ? signedNumber(negative) : number(value)
  return `${immediateWord(instruction, value, form)}${text}`
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
