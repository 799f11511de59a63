/** Expressions to values, with NASM's operators (NASM manual, "Expressions"). Errors are reported and give `undefined`. */

import type { Binary, Choice, Expression, Leaf, Unary } from './ast.ts'
import type { DiagnosticCode } from './diagnostic-codes.ts'
import type { DiagnosticNotes } from './diagnostics.ts'
import { characterConstant, parseNumber, stringBytes } from './literals.ts'
import { registerNamed } from './registers.ts'
import { type Span, spanOf, type Token } from './tokens.ts'
import { add, isKnown, isScalar, ofRegister, scalar, scale, subtract, UNKNOWN, type Value } from './value.ts'

/** What an expression may ask the assembly around it. */
export interface Scope {
  /** The value of a name; `undefined` when there is none (reported by the scope itself). */
  lookup(name: Token): Value | undefined
  here(at: Token): Value | undefined
  sectionStart(at: Token): Value | undefined
  report(code: DiagnosticCode, message: string, span: Span, notes?: DiagnosticNotes): void
}

/** NASM's guess at which register was meant as base: the first one, unless it is multiplied. */
export interface BaseHint {
  kind: 'none' | 'base' | 'not-base' | 'summed'
  register: string
}

export interface Evaluation {
  readonly tokens: readonly Token[]
  readonly scope: Scope
  readonly hint: BaseHint | null
}

export function evaluate(expression: Expression, evaluation: Evaluation): Value | undefined {
  switch (expression.kind) {
    case 'number':
      return numberValue(expression, evaluation)
    case 'string':
      return stringValue(expression, evaluation)
    case 'name':
      return evaluation.scope.lookup(evaluation.tokens[expression.at]!)
    case 'register':
      return registerValue(expression, evaluation)
    case 'here':
      return evaluation.scope.here(evaluation.tokens[expression.at]!)
    case 'start':
      return evaluation.scope.sectionStart(evaluation.tokens[expression.at]!)
    case 'float':
      return fail(evaluation, expression, 'E0301', 'a floating-point number cannot stand in an expression', {
        help: ['floating-point numbers are written alone, after dd or dq'],
      })
    case 'unary':
      return unaryValue(expression, evaluation)
    case 'binary':
      return binaryChain(expression, evaluation)
    case 'choice':
      return choiceValue(expression, evaluation)
  }
}

/** The span of a piece of the tree. */
export function placeOf({ first, last }: { first: number; last: number }, tokens: readonly Token[]): Span {
  return spanOf(tokens[first]!, tokens[last]!)
}

function fail(evaluation: Evaluation, at: Expression, code: DiagnosticCode, message: string, notes: DiagnosticNotes = {}): undefined {
  evaluation.scope.report(code, message, placeOf(at, evaluation.tokens), notes)
  return undefined
}

function numberValue(leaf: Leaf, evaluation: Evaluation): Value | undefined {
  const { text } = evaluation.tokens[leaf.at]!
  const value = parseNumber(text)
  if (value === undefined) {
    return fail(evaluation, leaf, 'E0104', `\`${text}\` is not a number`, {
      help: ['hexadecimal is 0x1F, 1Fh or $1F, binary 0b101 or 101b, octal 0o17 or 17o'],
    })
  }
  if (value >= 1n << 64n) evaluation.scope.report('W0206', 'the number does not fit into 64 bits', placeOf(leaf, evaluation.tokens))
  return scalar(value)
}

function stringValue(leaf: Leaf, evaluation: Evaluation): Value {
  const bytes = stringBytes(evaluation.tokens[leaf.at]!.text)
  if (bytes.length > 8)
    evaluation.scope.report('W0301', 'only the first 8 bytes of the string count in an expression', placeOf(leaf, evaluation.tokens))
  return scalar(characterConstant(bytes))
}

function registerValue(leaf: Leaf, evaluation: Evaluation): Value | undefined {
  const { text } = evaluation.tokens[leaf.at]!
  const register = registerNamed(text)!
  if (register.kind === 'unsupported') return fail(evaluation, leaf, 'E0115', `the register \`${text}\` is not supported`)
  const { hint } = evaluation
  if (hint?.kind === 'none') {
    hint.kind = 'base'
    hint.register = register.name
  }
  return ofRegister(register)
}

function unaryValue(node: Unary, evaluation: Evaluation): Value | undefined {
  const operand = evaluate(node.operand, evaluation)
  if (operand === undefined) return undefined
  switch (node.operator) {
    case '+':
      return operand
    case '-':
      return scale(operand, -1n)
    case 'seg':
      return fail(evaluation, node, 'E0304', '`seg` is outside the dialect that vtick reads: flat binaries and ELF have no segment bases')
  }
  if (!isKnown(operand)) return UNKNOWN
  if (!isScalar(operand)) return notScalar(evaluation, node.operator, node.operand, operand)
  return scalar(node.operator === '~' ? ~operand.constant : operand.constant === 0n ? 1n : 0n)
}

/** Only the side that is chosen must have a value. */
function choiceValue({ condition, yes, no }: Choice, evaluation: Evaluation): Value | undefined {
  const decision = evaluate(condition, evaluation)
  if (decision === undefined) return undefined
  if (!isKnown(decision)) return UNKNOWN
  if (!isScalar(decision)) return notScalar(evaluation, '?', condition, decision)
  return evaluate(decision.constant === 0n ? no : yes, evaluation)
}

/** A left-leaning chain (a + b + c ...) is walked without recursion: it may be as long as a line. */
function binaryChain(node: Binary, evaluation: Evaluation): Value | undefined {
  const chain: Binary[] = []
  let leftmost: Expression = node
  while (leftmost.kind === 'binary') {
    chain.push(leftmost)
    leftmost = leftmost.left
  }
  let value = evaluate(leftmost, evaluation)
  for (const step of chain.reverse()) {
    // Its right side is often no name of the source's: `wrt ..plt`.
    if (step.operator === 'wrt')
      return fail(evaluation, step, 'E0304', '`wrt` is outside the dialect that vtick reads', {
        help: ['leave it out: the linker fills in the address itself, and objects for shared libraries are not made'],
      })
    const right = evaluate(step.right, evaluation)
    value = value === undefined || right === undefined ? undefined : binaryValue(step, value, right, evaluation)
  }
  return value
}

function binaryValue(node: Binary, left: Value, right: Value, evaluation: Evaluation): Value | undefined {
  const { operator } = node
  const { hint } = evaluation
  switch (operator) {
    case '+':
      return add(left, right, () => {
        if (hint) hint.kind = 'summed'
      })
    case '-':
      return subtract(left, right)
    case '*':
      return product(node, left, right, evaluation)
    case '<=>':
      return fail(evaluation, node, 'E0304', '`<=>` is not supported: NASM 2.16 does not compute what it documents', {
        help: ['`(a > b) - (a < b)` is the same'],
      })
  }
  if (!isKnown(left) || !isKnown(right)) return UNKNOWN
  if (operator in COMPARISONS) {
    const difference = subtract(left, right)
    if (isScalar(difference))
      return scalar(COMPARISONS[operator]!(isScalar(left) ? left.constant : difference.constant, isScalar(left) ? right.constant : 0n))
    if (operator === '=' || operator === '==') return scalar(0n)
    if (operator === '!=' || operator === '<>') return scalar(1n)
    return notScalar(evaluation, operator, node, difference)
  }
  if (!isScalar(left)) return notScalar(evaluation, operator, node.left, left)
  if (!isScalar(right)) return notScalar(evaluation, operator, node.right, right)
  if (right.constant === 0n && (operator === '/' || operator === '//' || operator === '%' || operator === '%%'))
    return fail(evaluation, node.right, 'E0302', 'division by zero')
  return scalar(SCALAR_OPERATIONS[operator]!(left.constant, right.constant))
}

function product(node: Binary, left: Value, right: Value, evaluation: Evaluation): Value | undefined {
  if (!isKnown(left) || !isKnown(right)) return UNKNOWN
  const [vector, factor] = isScalar(right) ? [left, right.constant] : [right, left.constant]
  if (!isScalar(left) && !isScalar(right)) return notScalar(evaluation, '*', node, left)
  const { hint } = evaluation
  if (hint?.kind === 'base' && vector.terms.some(term => term.key === hint.register)) hint.kind = 'not-base'
  return scale(vector, factor)
}

function notScalar(evaluation: Evaluation, operator: string, at: Expression, value: Value): undefined {
  const hasRegister = value.terms.some(term => term.register !== null)
  return fail(
    evaluation,
    at,
    'E0304',
    `\`${operator}\` works on plain numbers, and this is ${hasRegister ? 'made of registers' : 'an address'}`,
    {
      help: hasRegister ? [] : ['the distance from the start of the section is a plain number: write `(name - $$)`'],
    },
  )
}

const truth = (condition: boolean): bigint => (condition ? 1n : 0n)
const u64 = (value: bigint): bigint => BigInt.asUintN(64, value)

const COMPARISONS: Readonly<Record<string, (a: bigint, b: bigint) => bigint>> = {
  '=': (a, b) => truth(a === b),
  '==': (a, b) => truth(a === b),
  '!=': (a, b) => truth(a !== b),
  '<>': (a, b) => truth(a !== b),
  '<': (a, b) => truth(a < b),
  '<=': (a, b) => truth(a <= b),
  '>': (a, b) => truth(a > b),
  '>=': (a, b) => truth(a >= b),
}

/** Division by `/` and `%` and shift by `>>` are unsigned; `//`, `%%` and `>>>` signed. Shift counts are taken modulo 64. */
const SCALAR_OPERATIONS: Readonly<Record<string, (a: bigint, b: bigint) => bigint>> = {
  '||': (a, b) => truth(a !== 0n || b !== 0n),
  '^^': (a, b) => truth((a !== 0n) !== (b !== 0n)),
  '&&': (a, b) => truth(a !== 0n && b !== 0n),
  '|': (a, b) => a | b,
  '^': (a, b) => a ^ b,
  '&': (a, b) => a & b,
  '<<': (a, b) => a << (b & 63n),
  '<<<': (a, b) => a << (b & 63n),
  '>>': (a, b) => u64(a) >> (b & 63n),
  '>>>': (a, b) => a >> (b & 63n),
  '/': (a, b) => u64(a) / u64(b),
  '//': (a, b) => a / b,
  '%': (a, b) => u64(a) % u64(b),
  '%%': (a, b) => a % b,
}
