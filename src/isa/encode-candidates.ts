/**
 * Which forms of an instruction are worth a look for operands of these kinds and sizes. A program repeats few such shapes, so the
 * answer is kept: MOV has some thirty forms, of which a register and a memory operand leave two.
 */

import type { EncodeOperand } from './encode.ts'
import type { InstructionRow } from './instruction.ts'
import type { Form, OperandSpec } from './notation.ts'

const KINDS = { register: 0, segment: 1, control: 2, debug: 3, xmm: 4, ymm: 5, immediate: 6, memory: 7, far: 8 } as const
const SIZES: Readonly<Record<number, number>> = { 0: 0, 8: 1, 16: 2, 32: 3, 64: 4, 80: 5, 128: 6, 256: 7 }

const kept = new WeakMap<InstructionRow, Map<number, readonly Form[]>>()

/** The forms with as many operands, in this mode, that kinds and sizes do not rule out, in the order of the table. */
export function candidateForms(row: InstructionRow, operands: readonly EncodeOperand[], bits: 16 | 32 | 64): readonly Form[] {
  let key = bits === 64 ? 2 : 1
  for (const operand of operands) key = key * 128 + 1 + KINDS[operand.kind] * 8 + (SIZES[operand.size] ?? 0)
  const answers = kept.get(row) ?? new Map<number, readonly Form[]>()
  if (answers.size === 0) kept.set(row, answers)
  let forms = answers.get(key)
  if (forms === undefined) {
    forms = row.forms.filter(form => mayTake(form, operands, bits))
    answers.set(key, forms)
  }
  return forms
}

function mayTake(form: Form, operands: readonly EncodeOperand[], bits: number): boolean {
  if (form.operands.length !== operands.length || (bits === 64 ? form.not64 : form.only64)) return false
  return form.operands.every((spec, position) => kindFits(spec, operands[position]!) && sizeFits(spec, operands[position]!))
}

/** By the kind alone: whether a fixed register or value is the right one differs between operands of one shape. */
function kindFits({ kind }: OperandSpec, operand: EncodeOperand): boolean {
  switch (kind) {
    case 'register':
    case 'fixed-register':
      return operand.kind === 'register'
    case 'memory':
    case 'moffs':
      return operand.kind === 'memory'
    case 'register-or-memory':
      return operand.kind === 'register' || operand.kind === 'memory'
    case 'immediate':
    case 'relative':
    case 'fixed-value':
      return operand.kind === 'immediate'
    case 'segment':
    case 'fixed-segment':
      return operand.kind === 'segment'
    default:
      // What is left has few forms: `matchForm` looks closer.
      return true
  }
}

function sizeFits({ size }: OperandSpec, operand: EncodeOperand): boolean {
  if (typeof size !== 'number') return true
  if (operand.kind === 'register') return operand.size === size
  return operand.kind !== 'memory' || operand.size === 0 || size === 0 || operand.size === size
}
