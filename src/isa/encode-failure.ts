/** Why no form of an instruction takes some operands: the first reason that a person would want to hear. */

import type { EncodeContext, EncodeFailure, EncodeOperand } from './encode.ts'
import { kindMatches, matchForm } from './encode-match.ts'
import type { InstructionRow } from './instruction.ts'
import type { Form, OperandSpec } from './notation.ts'

export function explainFailure(row: InstructionRow, operands: readonly EncodeOperand[], context: EncodeContext): EncodeFailure {
  const counted = row.forms.filter(form => form.operands.length === operands.length)
  if (counted.length === 0)
    return { kind: 'operand-count', takes: [...new Set(row.forms.map(form => form.operands.length))].toSorted((a, b) => a - b) }
  return (
    otherMode(counted, operands, context) ??
    wrongKind(counted, operands) ??
    wrongSize(counted, operands, context) ?? { kind: 'combination', operand: -1 }
  )
}

/** Registers that the mode does not have, and forms that fit in another mode. */
function otherMode(forms: readonly Form[], operands: readonly EncodeOperand[], context: EncodeContext): EncodeFailure | undefined {
  if (context.bits !== 64) {
    const operand = operands.findIndex(needs64)
    if (operand !== -1) return { kind: 'mode', needs64: true, operand }
  }
  const bits = context.bits === 64 ? 32 : 64
  const fits = forms.some(form => matchForm(form, operands, { ...context, bits }).length > 0)
  return fits ? { kind: 'mode', needs64: bits === 64, operand: -1 } : undefined
}

const needs64 = (operand: EncodeOperand): boolean =>
  operand.kind === 'register' && (operand.size === 64 || operand.index >= 8 || (operand.size === 8 && operand.index >= 4 && !operand.high))

/** The operand whose kind no form takes there, the others being right. */
function wrongKind(forms: readonly Form[], operands: readonly EncodeOperand[]): EncodeFailure | undefined {
  if (forms.some(form => form.operands.every((spec, position) => kindMatches(spec, operands[position]!)))) return undefined
  const operand = operands.findIndex((value, position) => !forms.some(form => kindMatches(form.operands[position]!, value)))
  return { kind: 'combination', operand }
}

const isSized = (operand: EncodeOperand): boolean =>
  operand.kind !== 'control' && operand.kind !== 'debug' && operand.kind !== 'segment' && operand.size !== 0

function wrongSize(forms: readonly Form[], operands: readonly EncodeOperand[], context: EncodeContext): EncodeFailure | undefined {
  const fitting = forms.filter(form => form.operands.every((spec, position) => kindMatches(spec, operands[position]!)))
  const free = (spec: OperandSpec) => spec.size === 'operand'
  // Two operands that must be of one size and are not.
  const pairs = operands.flatMap((_, first) => operands.slice(first + 1).map((__, second) => [first, first + 1 + second] as const))
  for (const [first, second] of pairs) {
    const [a, b] = [operands[first]!, operands[second]!]
    if (!isSized(a) || !isSized(b) || a.size === b.size) continue
    if (fitting.some(form => free(form.operands[first]!) && (free(form.operands[second]!) || form.operands[second]!.signed)))
      return { kind: 'size-mismatch', operands: [first, second], sizes: [a.size, b.size] }
  }
  for (const [position, operand] of operands.entries()) {
    if (!isSized(operand)) continue
    const allowed = new Set(fitting.flatMap(form => sizesAllowed(form, position, context)))
    if (allowed.size > 0 && !allowed.has(operand.size))
      return { kind: 'size-wrong', operand: position, size: operand.size, allowed: [...allowed].toSorted((a, b) => a - b) }
  }
  const [first, second] = [operands.findIndex(isSized), operands.findLastIndex(isSized)]
  if (first !== second) return { kind: 'size-mismatch', operands: [first, second], sizes: [operands[first]!.size, operands[second]!.size] }
  return undefined
}

function sizesAllowed(form: Form, position: number, { bits }: EncodeContext): readonly number[] {
  if (bits === 64 ? form.not64 : form.only64) return []
  const { size, kind, signed } = form.operands[position]!
  if (size === 'native') return [bits === 64 ? 64 : 32]
  if (size !== 'operand') return size === 0 ? [] : kind === 'immediate' && signed ? [size, 16, 32, 64] : [size]
  if (form.operandSize !== null) return [form.operandSize]
  if (bits !== 64) return [16, 32]
  return form.force64 ? [64] : form.default64 ? [16, 64] : [16, 32, 64]
}
