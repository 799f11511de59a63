/** The values that an expression about the state compares: what they are read from, moment by moment. */

import { unreachable } from '../base/assert.ts'
import { nearest } from '../base/suggest.ts'
import type { ValueNode, Word } from './expression-nodes.ts'
import { FIELD_NAMES, FilterError, namedValue, type ProgramNames } from './filter-fields.ts'
import type { Matcher } from './filter-tests.ts'
import { addressOf, isProblem, type Location, locationOf, parseNumberText, REGISTER_NAMES, registerNamed, sizeProblem } from './location.ts'

/** What a moment is besides its locations: of the CPU that is asked about. */
export const MOMENT_WORDS = ['cpu', 'level', 'cpl', 'tick', 'tsc', 'instructions'] as const
export type MomentWord = (typeof MOMENT_WORDS)[number]

export type Operand =
  | { readonly kind: 'constant'; readonly value: bigint }
  | { readonly kind: 'location'; readonly location: Location }
  | { readonly kind: 'moment'; readonly word: MomentWord }
  /** At an address that depends on the moment: `[rsp+8]:4`. */
  | { readonly kind: 'memory'; readonly address: Operand; readonly bytes: number }
  | { readonly kind: 'sum'; readonly left: Operand; readonly sign: '+' | '-'; readonly right: Operand }

/** A moment that is asked. Undefined: it holds no such thing. */
export interface Ask {
  location(location: Location): bigint | undefined
  memory(address: bigint, bytes: number): bigint | undefined
  moment(word: MomentWord): bigint
  /** An event that matches came since the moment before. */
  happens(matcher: Matcher): boolean
}

export const RIP: Operand = { kind: 'location', location: { kind: 'system', name: 'rip' } }

const isMomentWord = (name: string): name is MomentWord => (MOMENT_WORDS as readonly string[]).includes(name)

export const isStateName = (name: string): boolean => isMomentWord(name) || registerNamed(name) !== undefined

export interface OperandUse {
  /** It stands first in a comparison: names of the state come before the program's. */
  readonly isSubject?: boolean
  /** What it is compared with: an exit reason is a number by its name. */
  readonly comparedWith?: Operand
}

/** Throws `FilterError`. */
export function operandOf(node: ValueNode, program: ProgramNames, use: OperandUse = {}): Operand {
  switch (node.kind) {
    case 'number':
      return numberOperand(node)
    case 'name':
      return namedOperand(node, program, use)
    case 'place':
      return locationOperand(node, program)
    case 'memory': {
      if (addressOf(node.address, program) !== undefined) return locationOperand(node, program)
      const wrong = sizeProblem(node.bytes)
      if (wrong !== undefined) throw new FilterError(node.column, wrong.problem, wrong.help)
      return { kind: 'memory', address: operandOf(node.address, program), bytes: node.bytes }
    }
    case 'sum':
      return { kind: 'sum', left: operandOf(node.left, program), sign: node.sign, right: operandOf(node.right, program) }
    case 'text':
      throw new FilterError(node.column, `"${node.text}" is text, and the state holds numbers`, 'write a number, a label or a register')
    default:
      return unreachable(node)
  }
}

function numberOperand({ text, column }: Word): Operand {
  const value = parseNumberText(text)
  if (value === undefined) throw new FilterError(column, `\`${text}\` has more than 64 bits`, 'write a smaller number')
  return { kind: 'constant', value }
}

function locationOperand(node: ValueNode, program: ProgramNames): Operand {
  const location = locationOf(node, program)
  if (isProblem(location)) throw new FilterError(node.column, location.problem, location.help)
  return { kind: 'location', location }
}

/** What is compared by the names of exit reasons. */
const isExitReason = (operand: Operand | undefined): boolean =>
  operand?.kind === 'location' &&
  (operand.location.kind === 'exit' || (operand.location.kind === 'vmcs' && operand.location.field === 'VM_EXIT_REASON'))

function namedOperand(node: Word, program: ProgramNames, { isSubject = false, comparedWith }: OperandUse): Operand {
  const { text, column } = node
  const ofProgram = program.get(text)
  const constant = (value: bigint): Operand => ({ kind: 'constant', value })
  if (ofProgram !== undefined && !(isSubject && isStateName(text))) return constant(ofProgram)
  if (isMomentWord(text)) return { kind: 'moment', word: text }
  const register = registerNamed(text)
  if (register !== undefined) return { kind: 'location', location: register }
  if (isSubject && text === 'exit') return { kind: 'location', location: { kind: 'exit' } }
  if (isExitReason(comparedWith)) return constant(namedValue('reason', text, column, program))
  const names = [...program.keys(), ...REGISTER_NAMES, ...MOMENT_WORDS, ...(isSubject ? FIELD_NAMES : [])]
  const near = nearest(text, names)
  throw new FilterError(
    column,
    isSubject ? `\`${text}\` is no register and no field of an event` : `\`${text}\` is no label and no register`,
    near ? `did you mean \`${near}\`?` : 'write a register, a label, a number, or memory as in `[rsp]:4`',
  )
}

export function valueAsked(operand: Operand, ask: Ask): bigint | undefined {
  switch (operand.kind) {
    case 'constant':
      return operand.value
    case 'location':
      return ask.location(operand.location)
    case 'moment':
      return ask.moment(operand.word)
    case 'memory': {
      const address = valueAsked(operand.address, ask)
      return address === undefined ? undefined : ask.memory(address, operand.bytes)
    }
    case 'sum': {
      const [left, right] = [valueAsked(operand.left, ask), valueAsked(operand.right, ask)]
      if (left === undefined || right === undefined) return undefined
      return BigInt.asUintN(64, operand.sign === '+' ? left + right : left - right)
    }
  }
}
