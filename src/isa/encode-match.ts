/** Whether a form of the instruction table takes some operands, and at which operand sizes (Intel SDM, "Operand-Size Attribute"). */

import type { EncodeContext, EncodeImmediate, EncodeOperand } from './encode.ts'
import type { EncodeMemory } from './encode-address.ts'
import { type Form, followsOperandSize, type OperandSpec } from './notation.ts'

export interface Match {
  readonly form: Form
  readonly operandSize: 16 | 32 | 64
  readonly addressSize: 16 | 32 | 64
  /** Whether the prefix 66 is needed, whether REX.W. */
  readonly toggleSize: boolean
  readonly wide: boolean
  /** Size of the destination that an immediate is extended to. */
  readonly immediateSize: number
  /** The immediate is a byte that the processor extends to a larger size. */
  readonly signedByte: boolean
  /** Size that the form gives to a memory operand which the source left without one; 0 when there is none. */
  readonly openSize: number
}

type Bits = 16 | 32 | 64

const isBits = (size: number): size is Bits => size === 16 || size === 32 || size === 64

/** A form without an operand size of its own still has the mode's. */
const defaultSize = (form: Form, bits: Bits): Bits => (bits === 64 ? (form.default64 || form.force64 ? 64 : 32) : bits)

const follows = new WeakMap<Form, boolean>()

function followsSize(form: Form): boolean {
  let answer = follows.get(form)
  if (answer === undefined) {
    // PUSH imm8 pushes as much as the operand size, though its byte does not show it.
    const extended =
      form.operands.length === 1 && form.operands[0]!.kind === 'immediate' && form.operands[0]!.signed && form.immediates[0] === 'ib'
    answer = followsOperandSize(form) || extended
    follows.set(form, answer)
  }
  return answer
}

/** Every operand size at which the form takes the operands, in this mode. */
export function matchForm(form: Form, operands: readonly EncodeOperand[], context: EncodeContext): readonly Match[] {
  const { bits } = context
  if (form.decodeOnly || (bits === 64 ? form.not64 : form.only64)) return []
  if (!kindsMatch(form, operands)) return []
  const matches: Match[] = []
  for (const size of sizesOf(form, operands, context)) {
    const match = matchAt(form, size, operands, context)
    if (match !== undefined) matches.push(match)
  }
  return matches
}

/** Operand sizes worth trying: what the operands say; where they say nothing, the mode's own or, for memory, all. */
function sizesOf(form: Form, operands: readonly EncodeOperand[], { bits, prefixes }: EncodeContext): readonly Bits[] {
  if (!followsSize(form)) return [defaultSize(form, bits)]
  if (form.operandSize !== null) return [form.operandSize]
  let open = false
  for (let position = 0; position < operands.length; position++) {
    if (form.operands[position]!.size !== 'operand') continue
    const operand = operands[position]!
    if (operand.size !== 0 && operand.kind !== 'immediate') return isBits(operand.size) ? [operand.size] : []
    if (operand.kind === 'memory') open = true
  }
  // The size written before an immediate is the operation's; a byte may be one that is sign-extended.
  const value = operands.find(operand => operand.kind === 'immediate')
  if (value !== undefined && isBits(value.size)) return [bits === 64 && form.default64 && value.size === 32 ? 64 : value.size]
  if (prefixes.operandSize !== 0) return [prefixes.operandSize]
  return open && !form.force64 ? [16, 32, 64] : [defaultSize(form, bits)]
}

function matchAt(form: Form, size: Bits, operands: readonly EncodeOperand[], context: EncodeContext): Match | undefined {
  const { bits } = context
  if (bits === 64 ? (form.force64 && size !== 64) || (form.default64 && size === 32) : size === 64) return undefined
  if (!isWritten(form, size)) return undefined
  if (context.prefixes.operandSize !== 0 && context.prefixes.operandSize !== size && followsSize(form)) return undefined
  if (isNop(form, size, operands, bits)) return undefined
  let openSize = 0
  let signedByte = false
  let immediateSize: number = size
  let token = 0
  for (let position = 0; position < operands.length; position++) {
    const spec = form.operands[position]!
    const operand = operands[position]!
    const specSize = spec.size === 'operand' ? size : spec.size === 'native' ? (bits === 64 ? 64 : 32) : spec.size
    if (spec.kind === 'immediate' || spec.kind === 'relative') {
      const bytes = form.immediates[token++]!
      const width = position === 0 ? size : destinationSize(form, size)
      immediateSize = width
      if (!valueMatches(spec, bytes, operand as EncodeImmediate, width, context, form)) return undefined
      if (signsByte(spec, bytes, width) && (operand as EncodeImmediate).size === 8 && isUnsizedMemory(operands[0]!)) return undefined
      if (bytes === 'iz' && size === 64 && operands[0]!.kind === 'register' && isMove(form) && !fitsMove(operand as EncodeImmediate))
        return undefined
      if (signsByte(spec, bytes, width)) signedByte = true
    } else if (operand.kind === 'memory') {
      if (spec.kind === 'moffs') token++
      if (specSize === 0) {
        if (operand.size !== 0 && form.mnemonic !== 'LEA') return undefined
        continue
      }
      if (operand.size !== 0 && (operand.size !== specSize || WITHOUT_SIZE_WORD.has(form.mnemonic))) return undefined
      // The manual leaves the size of a far pointer to the mode; NASM takes the longest.
      if (operand.size === 0 && spec.kind === 'far-memory' && size !== bits) return undefined
      if (operand.size === 0 && spec.kind !== 'far-memory') openSize = specSize
    } else if (operand.kind === 'far') {
      if (operand.size !== 0 && operand.size !== size) return undefined
    } else if (operand.kind === 'register' && operand.size !== specSize) return undefined
  }
  if (openSize !== 0 && !sizeIsOpen(form, operands)) openSize = 0
  const addressSize = memoryAmong(operands)?.addressSize ?? bits
  const sized = followsSize(form) && !ignoresSize(form)
  return {
    form,
    operandSize: size,
    addressSize,
    toggleSize: sized && !form.only32or64 && (bits === 16 ? size === 32 : size === 16),
    wide: form.wide || (sized && size === 64 && !form.default64 && !form.force64 && !narrowSuffices(form)),
    immediateSize,
    signedByte,
    openSize,
  }
}

/** The memory operand, of which there is one at most. */
export function memoryAmong(operands: readonly EncodeOperand[]): EncodeMemory | undefined {
  for (const operand of operands) if (operand.kind === 'memory') return operand
  return undefined
}

/** NASM writes MOVZX, MOVSX and MOVSXD only where they widen, and no BSWAP of 16 bits, whose result is undefined. */
const isWritten = (form: Form, size: Bits): boolean =>
  form.only32or64 || form.mnemonic === 'BSWAP'
    ? size !== 16
    : form.mnemonic === 'MOVSXD'
      ? size === 64
      : form.mnemonic === 'MOVZX' || form.mnemonic === 'MOVSX'
        ? form.operands[1]!.size !== size
        : true

/** XCHG EAX, EAX clears the upper half of RAX; its one-byte encoding would be NOP, which does not. */
const isNop = (form: Form, size: Bits, operands: readonly EncodeOperand[], bits: Bits): boolean =>
  bits === 64 &&
  size === 32 &&
  form.mnemonic === 'XCHG' &&
  form.plusRegister &&
  operands.every(operand => operand.kind === 'register' && operand.index === 0)

/** NASM takes no size word before the 64-bit VMCS pointer of these. */
export const WITHOUT_SIZE_WORD: ReadonlySet<string> = new Set(['VMXON', 'VMCLEAR', 'VMPTRLD', 'VMPTRST'])

/** Where the table numbers the first operand (r/m8, AL), an immediate is as wide as that. */
function destinationSize(form: Form, size: Bits): number {
  const first = form.operands[0]!.size
  return first === 'operand' || first === 'native' || first === 0 ? size : first
}

/** A selector does not change with the operand size: NASM loads segment registers without a prefix ... */
const ignoresSize = (form: Form): boolean => form.mnemonic === 'MOV' && form.map === 0 && form.opcode === 0x8e
/** ... and stores selectors into 64-bit registers as into 32-bit ones, which clears the rest alike. */
const narrowSuffices = (form: Form): boolean =>
  (form.mnemonic === 'MOV' && form.map === 0 && form.opcode === 0x8c) || (form.mnemonic === 'SLDT' && form.opcode === 0x00)

/** Whether nothing beside the memory operand itself settles its size: no register of that size stands beside it. */
const sizeIsOpen = (form: Form, operands: readonly EncodeOperand[]): boolean =>
  !form.operands.some((spec, position) => {
    const { kind } = operands[position]!
    return (
      kind === 'register' &&
      (spec.size === 'operand' || spec.kind === 'fixed-register') &&
      form.operands.some(other => other !== spec && other.size === spec.size)
    )
  })

/** A byte that the processor extends to a wider operation. */
const signsByte = (spec: OperandSpec, token: string, width: number): boolean =>
  token === 'ib' && spec.kind === 'immediate' && spec.signed && width > 8

/** `add [rbx], byte 5`: the byte is the operation's size. */
const isUnsizedMemory = (operand: EncodeOperand): boolean => operand.kind === 'memory' && operand.size === 0

/** The value's written size, its range where that chooses between forms, and the reach of a branch. */
function valueMatches(
  spec: OperandSpec,
  token: string,
  operand: EncodeImmediate,
  width: number,
  context: EncodeContext,
  form: Form,
): boolean {
  if (spec.kind === 'relative') return reachMatches(token, operand, context, form)
  const { size, value, strict, symbolic } = operand
  if (operand.distance !== null) return false
  if (signsByte(spec, token, width)) {
    if (size === 8) return true
    if (symbolic || strict) return false
    return (
      (size === 0 || size === width || (width === 64 && size === 32 && form.mnemonic === 'PUSH')) &&
      BigInt.asUintN(width === 16 ? 16 : 32, value + 128n) <= 255n
    )
  }
  if (token === 'ib') return size === 0 || size === 8
  if (token === 'iw') return size === 0 || size === 16
  return size === 0 || size === width || (width === 64 && size === 32 && token !== 'iv' && TAKES_DWORD.has(form.mnemonic))
}

/** NASM lets `dword` stand before the sign-extended immediate of these 64-bit operations alone. */
const TAKES_DWORD: ReadonlySet<string> = new Set(['MOV', 'IMUL', 'PUSH'])

const isMove = (form: Form): boolean => form.mnemonic === 'MOV' && form.opcode === 0xc7

/** MOV of a sign-extended dword into a 64-bit register: asked for, or a known value that survives it. */
const fitsMove = ({ size, strict, symbolic, value }: EncodeImmediate): boolean =>
  size === 32 || (!strict && !symbolic && value >= -0x8000_0000n && value < 0x8000_0000n)

/** Which branch forms may be used: `short` and `near` decide; else the short form where the target is known to be close. */
function reachMatches(token: string, operand: EncodeImmediate, context: EncodeContext, form: Form): boolean {
  if (operand.distance === 'far' || operand.size === 8 || (operand.size !== 0 && form.mnemonic !== 'JMP' && form.mnemonic !== 'CALL'))
    return false
  if (operand.distance === 'short') return token === 'cb' && hasLongerForm(form)
  if (token === 'cz') return true
  if (!hasLongerForm(form)) return operand.distance === null
  if (operand.distance === 'near' || operand.strict || operand.size !== 0) return false
  if (operand.reach !== 'measured') return operand.reach === 'unknown'
  // Two bytes at least; a branch form is EB cb or 7x cb.
  const distance = operand.value - context.address - 2n
  return distance >= -128n && distance <= 127n
}

/** JMP and Jcc have a near form beside the short one; LOOP and JCXZ have not. */
const hasLongerForm = (form: Form): boolean => form.map === 0 && (form.opcode === 0xeb || (form.opcode >= 0x70 && form.opcode <= 0x7f))

function kindsMatch(form: Form, operands: readonly EncodeOperand[]): boolean {
  for (let position = 0; position < operands.length; position++) {
    if (!kindMatches(form.operands[position]!, operands[position]!)) return false
  }
  return true
}

/** Whether the operand is of the kind, sizes and ranges apart. */
export function kindMatches(spec: OperandSpec, operand: EncodeOperand): boolean {
  switch (spec.kind) {
    case 'register':
      return operand.kind === 'register'
    case 'memory':
      return operand.kind === 'memory' && !operand.far
    case 'far-memory':
      return operand.kind === 'memory' && operand.far
    case 'register-or-memory':
      return operand.kind === 'register' || (operand.kind === 'memory' && !operand.far)
    case 'immediate':
    case 'relative':
      return operand.kind === 'immediate'
    case 'moffs':
      return operand.kind === 'memory' && operand.base === -1 && operand.index === -1 && operand.displacementBytes !== 4
    case 'far':
      return operand.kind === 'far'
    case 'segment':
    case 'control':
    case 'debug':
    case 'xmm':
    case 'ymm':
      return operand.kind === spec.kind
    case 'xmm-or-memory':
      return operand.kind === 'xmm' || (operand.kind === 'memory' && !operand.far)
    case 'ymm-or-memory':
      return operand.kind === 'ymm' || (operand.kind === 'memory' && !operand.far)
    case 'fixed-register':
      return operand.kind === 'register' && operand.index === spec.fixed && !operand.high
    case 'fixed-segment':
      return operand.kind === 'segment' && operand.index === spec.fixed
    case 'fixed-value':
      return operand.kind === 'immediate' && operand.value === BigInt(spec.fixed) && operand.size === 0 && !operand.symbolic
  }
}
