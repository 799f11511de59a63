/** What an instruction says about places: memory in brackets, branch targets, and the numbers in both. */

import { GPR_NAMES, SEGMENT_NAMES } from '../spec/registers.ts'
import type { Instruction } from './instruction.ts'
import type { Form } from './notation.ts'
import { DS, type MemoryOperand, RBP, type RelativeOperand, RSP, SS } from './operands.ts'

export interface FormatOptions {
  /** Where the instruction stands. */
  readonly address?: bigint
  /** The name of an address, offset included (`wait+0x4`); undefined for none. */
  readonly symbol?: (address: bigint) => string | undefined
  /**
   * For an assembler rather than for people: the sizes of displacements, immediates and jumps are written where the shortest is not
   * meant, and what `symbol` does not know stays relative to `$`. Redundant prefixes and second encodings have no text.
   */
  readonly exact?: boolean
}

export const SIZE_WORDS: Readonly<Record<number, string>> = {
  8: 'byte',
  16: 'word',
  32: 'dword',
  64: 'qword',
  80: 'tword',
  128: 'oword',
  256: 'yword',
}

/** Digits below ten are the same in every base. */
export const number = (value: bigint): string => (value < 10n ? `${value}` : `0x${value.toString(16)}`)
export const signedNumber = (value: bigint): string => (value < 0n ? `-${number(-value)}` : number(value))
/** As the second part of a sum. */
const offset = (value: bigint): string => (value < 0n ? `-${number(-value)}` : `+${number(value)}`)

export function memoryText(instruction: Instruction, memory: MemoryOperand, options: FormatOptions): string {
  const { base, index, segment } = memory
  const isStackBase = base === RSP || base === RBP
  const override = segment === (isStackBase ? SS : DS) ? '' : `${SEGMENT_NAMES[segment]}:`
  if (base === 'rip') return `[rel ${override}${ripTarget(instruction, memory, options)}]`
  if (base === -1 && index === -1) return `[${override}${absoluteText(instruction, memory, options)}]`
  return `[${options.exact ? displacementWord(memory) : ''}${override}${sumText(memory)}]`
}

/** The size of a displacement that the shortest would not have. */
function displacementWord({ base, addressSize, displacement, displacementBytes }: MemoryOperand): string {
  if (base === -1) return ''
  const needsOne = addressSize === 16 ? base === RBP : typeof base === 'number' && (base & 7) === RBP
  const shortest = displacement === 0n && !needsOne ? 0 : displacement >= -128n && displacement <= 127n ? 1 : 4
  if (displacementBytes === shortest || (displacementBytes > 1 && shortest > 1)) return ''
  return `${SIZE_WORDS[displacementBytes * 8] ?? ''} `
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
  { symbol, exact }: FormatOptions,
): string {
  const address =
    addressSize === 64
      ? BigInt.asUintN(64, displacement)
      : addressSize === 32
        ? BigInt.asUintN(32, displacement)
        : BigInt.asUintN(16, displacement)
  const width = displacementBytes === 8 ? 'qword ' : ''
  const name = exact ? undefined : symbol?.(address)
  return `${bits === 64 ? 'abs ' : ''}${width}${name ?? number(address)}`
}

const ripTarget = ({ length }: Instruction, { displacement }: MemoryOperand, options: FormatOptions): string =>
  placeText(BigInt(length) + displacement, 64, options)

export function targetText({ form, length, bits }: Instruction, { value, size }: RelativeOperand, options: FormatOptions): string {
  const distance = BigInt(length) + value
  const word = options.exact && isLong(form) ? 'near ' : ''
  return word + placeText(distance, size === 16 ? 16 : bits === 64 ? 64 : 32, options)
}

/** The near form of what has a short one too: which of them reaches may change with the lines in between. */
const isLong = ({ mnemonic, immediates }: Form): boolean => immediates[0] === 'cz' && mnemonic !== 'CALL'

/** What lies so far from the start of the instruction. */
function placeText(distance: bigint, width: 16 | 32 | 64, { address, symbol, exact }: FormatOptions): string {
  const relative = `$${offset(distance)}`
  if (address === undefined) return relative
  const target =
    width === 16 ? BigInt.asUintN(16, address + distance) : width === 32 ? low(address + distance) : BigInt.asUintN(64, address + distance)
  return symbol?.(target) ?? (exact ? relative : number(target))
}

const low = (value: bigint): bigint => BigInt.asUintN(32, value)
