/**
 * Our decoder beside iced-x86, an independent one: both say what random bytes are, in one notation, so that texts can be compared.
 * The notation is a normal form of the meaning: mnemonic, then operands with the sizes of memory and without the accidents of the
 * encoding.
 */

import { Code, Decoder, DecoderOptions, Instruction as IcedInstruction, Mnemonic, OpKind, Register } from 'iced-x86'
import { decode } from '../../src/isa/decode.ts'
import type { Instruction } from '../../src/isa/instruction.ts'
import type { MemoryOperand, Operand } from '../../src/isa/operands.ts'
import { rowsByMnemonic } from '../../src/isa/table.ts'
import { GPR_NAMES, HIGH_BYTE_NAMES, SEGMENT_NAMES } from '../../src/spec/registers.ts'
import type { Bits } from './instructions.ts'

/** What one decoder says: undefined bytes, or a length and a text. */
export interface Reading {
  readonly valid: boolean
  readonly length: number
  readonly mnemonic: string
  readonly operands: readonly string[]
}

const INVALID: Reading = { valid: false, length: 0, mnemonic: '', operands: [] }

/** ES, CS, SS and DS have no meaning as overrides in 64-bit code. */
const segmentName = (name: string, bits: Bits): string => (bits === 64 && !/^[fg]s$/.test(name) ? 'ds' : name)

const wrap = (value: bigint, size: number): string => BigInt.asUintN(size, value).toString(16)

function ourMemory(memory: MemoryOperand, length: number, bits: Bits): string {
  const { base, index, scale, addressSize, displacement, segment } = memory
  const names = GPR_NAMES[addressSize]
  const registers = [
    typeof base === 'number' && base >= 0 ? names[base] : '',
    index >= 0 ? `${names[index]}*${scale}` : '',
  ].filter(text => text !== '')
  const distance = base === 'rip' ? displacement + BigInt(length) : displacement
  return `[${segmentName(SEGMENT_NAMES[segment]!, bits)}:${registers.join('+')}+${wrap(distance, addressSize)}]`
}

function ourOperand(operand: Operand, instruction: Instruction): string {
  const { length } = instruction
  switch (operand.kind) {
    case 'register':
      return operand.high ? HIGH_BYTE_NAMES[operand.index]! : GPR_NAMES[operand.size][operand.index]!
    case 'memory':
      return ourMemory(operand, length, instruction.bits)
    case 'immediate':
      return wrap(operand.value, 64)
    case 'relative':
      return `to ${wrap(operand.value + BigInt(length), operand.size === 16 ? 16 : instruction.bits === 64 ? 64 : 32)}`
    case 'far':
      return `${operand.selector.toString(16)}:${wrap(operand.offset, 32)}`
    case 'segment':
      return SEGMENT_NAMES[operand.index]!
    case 'none':
      return ''
    default:
      return `${{ control: 'cr', debug: 'dr', xmm: 'xmm', ymm: 'ymm' }[operand.kind]}${operand.index}`
  }
}

export function readWithOurs(bytes: Uint8Array, bits: Bits): Reading & { readonly instruction: Instruction | null } {
  const instruction = decode(index => bytes[index] ?? 0, { bits, stackSize: bits })
  if (typeof instruction === 'string') return { ...INVALID, instruction: null }
  const { form, dst, src, third, row } = instruction
  if (isString(row.mnemonic, form.operands.length)) return { valid: true, length: instruction.length, mnemonic: row.mnemonic, operands: [`a${instruction.addressSize}`], instruction }
  const operands = [dst, src, third].slice(0, form.operands.length).map(operand => ourOperand(operand, instruction))
  return { valid: true, length: instruction.length, mnemonic: instruction.row.mnemonic, operands, instruction }
}

/** String instructions and XLAT have operands that no ModRM byte names: their address size says it all. */
const isString = (mnemonic: string, operands: number): boolean => operands === 0 && /^((MOVS|CMPS|STOS|LODS|SCAS|INS|OUTS)[BWDQ]|XLATB)$/.test(mnemonic)

const registerName = (register: Register): string => Register[register].toLowerCase().replace(/^r(\d+)l$/, 'r$1b')

function icedMemory(instruction: IcedInstruction, bits: Bits): string {
  const { memoryBase, memoryIndex, memoryIndexScale, memoryDisplacement, memorySegment } = instruction
  const base = memoryBase === Register.None ? '' : registerName(memoryBase)
  const index = memoryIndex === Register.None ? '' : registerName(memoryIndex)
  const named = base !== '' ? base : index !== '' ? index : ''
  const isRelative = base === 'rip' || base === 'eip'
  const size = isRelative ? (base === 'rip' ? 64 : 32) : named === '' ? addressSizeWithout(instruction, bits) : /^e|d$/.test(named) ? 32 : /^r/.test(named) ? 64 : 16
  const registers = [isRelative ? '' : base, index === '' ? '' : `${index}*${memoryIndexScale}`].filter(text => text !== '')
  return `[${segmentName(registerName(memorySegment), bits)}:${registers.join('+')}+${wrap(memoryDisplacement, size)}]`
}

/** An address of a displacement only is as wide as the displacement, and in 64-bit code extended unless a prefix says 32. */
function addressSizeWithout(instruction: IcedInstruction, bits: Bits): number {
  if (bits !== 64) return instruction.memoryDisplSize === 2 ? 16 : 32
  return instruction.memoryDisplSize === 4 ? 32 : 64
}

/** Immediates that are sign-extended, by the size that our decoder wraps them to. */
const EXTENDED_TO: Readonly<Record<string, number>> = { Immediate8to16: 16, Immediate8to32: 32 }

function icedOperand(instruction: IcedInstruction, position: number, bits: Bits): string {
  const kind = instruction.opKind(position)
  switch (kind) {
    case OpKind.Register:
      return registerName(instruction.opRegister(position))
    case OpKind.NearBranch16:
      return `to ${instruction.nearBranch16.toString(16)}`
    case OpKind.NearBranch32:
      return `to ${instruction.nearBranch32.toString(16)}`
    case OpKind.NearBranch64:
      return `to ${instruction.nearBranch64.toString(16)}`
    case OpKind.FarBranch16:
      return `${instruction.farBranchSelector.toString(16)}:${instruction.farBranch16.toString(16)}`
    case OpKind.FarBranch32:
      return `${instruction.farBranchSelector.toString(16)}:${instruction.farBranch32.toString(16)}`
    case OpKind.Memory:
      return icedMemory(instruction, bits)
    default:
      return OpKind[kind].startsWith('Immediate') ? wrap(instruction.immediate(position), EXTENDED_TO[OpKind[kind]] ?? 64) : `implicit ${OpKind[kind]}`
  }
}

export class IcedReader {
  readonly #bits: Bits
  readonly #instruction = new IcedInstruction()
  constructor(bits: Bits) {
    this.#bits = bits
  }
  read(bytes: Uint8Array): Reading & { readonly code: string } {
    const decoder = new Decoder(this.#bits, bytes, DecoderOptions.None)
    decoder.decodeOut(this.#instruction)
    decoder.free()
    const instruction = this.#instruction
    if (instruction.code === Code.INVALID) return { ...INVALID, code: 'INVALID' }
    const mnemonic = Mnemonic[instruction.mnemonic].toUpperCase()
    const kinds = Array.from({ length: instruction.opCount }, (_, position) => OpKind[instruction.opKind(position)]).join()
    const isImplicit = /MemorySeg|MemoryES/.test(kinds) || mnemonic === 'XLATB'
    if (isImplicit) {
      const size = mnemonic === 'XLATB' ? { BX: 16, EBX: 32, RBX: 64 }[Register[instruction.memoryBase]] : /[SD]I/.exec(kinds) && (/Seg?R[SD]I|ESRDI/.test(kinds) ? 64 : /SegE[SD]I|ESEDI/.test(kinds) ? 32 : 16)
      return { valid: true, length: instruction.length, mnemonic, operands: [`a${size}`], code: Code[instruction.code] }
    }
    // Of a reserved NOP the register operand is of no interest.
    const count = mnemonic === 'RESERVEDNOP' ? 1 : instruction.opCount
    const operands = Array.from({ length: count }, (_, position) => icedOperand(instruction, position, this.#bits))
    return { valid: true, length: instruction.length, mnemonic, operands, code: Code[instruction.code] }
  }
}

export const isInTable = (mnemonic: string): boolean => rowsByMnemonic.has(mnemonic)
