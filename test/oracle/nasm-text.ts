/** An instruction as NASM reads it. Addresses and branch targets are written relative to `$`, so that lines do not depend on their place. */

import type { EncodeImmediate, EncodeMemory, EncodeOperand, EncodeRegister } from '../../src/isa/encode.ts'
import { GPR_NAMES, HIGH_BYTE_NAMES, SEGMENT_NAMES } from '../../src/spec/registers.ts'
import type { Sample } from './instructions.ts'

const WORDS: Readonly<Record<number, string>> = { 8: 'byte ', 16: 'word ', 32: 'dword ', 64: 'qword ', 80: 'tword ', 128: 'oword ', 256: 'yword ' }

const sum = (value: bigint): string => (value < 0n ? `-${-value}` : `+${value}`)

function registerText({ kind, size, index, high }: EncodeRegister): string {
  if (kind === 'register') return high ? HIGH_BYTE_NAMES[index]! : GPR_NAMES[size as 8][index]!
  if (kind === 'segment') return SEGMENT_NAMES[index]!
  return `${{ control: 'cr', debug: 'dr', xmm: 'xmm', ymm: 'ymm' }[kind]}${index}`
}

function memoryText(memory: EncodeMemory, bits: number): string {
  const { size, far, segment, addressSize, base, index, scale, displacement, displacementBytes } = memory
  const words = `${far ? 'far ' : ''}${WORDS[size] ?? ''}`
  const override = segment === -1 ? '' : `${SEGMENT_NAMES[segment]}:`
  if (base === 'rip') return `${words}[rel ${override}$${sum(displacement)}]`
  if (base === -1 && index === -1)
    return `${words}[${bits === 64 && displacementBytes !== 8 ? 'abs ' : ''}${displacementBytes === 8 ? 'qword ' : ''}${override}${displacement}]`
  const names = GPR_NAMES[addressSize]
  const parts = [base === -1 ? '' : names[base]!, index === -1 ? '' : scale === 1 ? names[index]! : `${names[index]}*${scale}`]
  const registers = parts.filter(part => part !== '').join('+')
  return `${words}[${override}${registers}${displacement === 0n ? '' : sum(displacement)}]`
}

const immediateText = ({ value, size, symbolic, distance }: EncodeImmediate): string =>
  `${distance === null ? '' : `${distance} `}${WORDS[size] ?? ''}${symbolic ? `$${sum(value)}` : value}`

function operandText(operand: EncodeOperand, bits: number): string {
  switch (operand.kind) {
    case 'memory':
      return memoryText(operand, bits)
    case 'immediate':
      return immediateText(operand)
    case 'far':
      return `${WORDS[operand.size] ?? ''}${operand.selector}:${operand.offset}`
    default:
      return registerText(operand)
  }
}

export function nasmText({ bits, name, row, operands, prefixes }: Sample): string {
  const words = [
    prefixes.lock ? 'lock' : '',
    prefixes.repeat === 0 ? '' : prefixes.repeat === 0xf2 ? 'repne' : row.prefixes.includes('repe') ? 'repe' : 'rep',
    prefixes.segment === -1 ? '' : SEGMENT_NAMES[prefixes.segment],
    prefixes.operandSize === 0 ? '' : `o${prefixes.operandSize}`,
    prefixes.addressSize === 0 ? '' : `a${prefixes.addressSize}`,
    name.toLowerCase(),
  ]
  const list = operands.map(operand => operandText(operand, bits)).join(', ')
  return `${words.filter(word => word !== '').join(' ')}${list === '' ? '' : ` ${list}`}`
}
