/** One instruction of the source: prefixes, operands, encoding. */

import { type Encoded, type EncodeOperand, type EncodePrefixes, encode, NO_PREFIXES } from '../isa/encode.ts'
import type { InstructionRow } from '../isa/instruction.ts'
import type { Form } from '../isa/notation.ts'
import type { SegmentIndex } from '../isa/operands.ts'
import { rowsByMnemonic } from '../isa/table.ts'
import type { InstructionNode } from './ast.ts'
import { addressOf, emit } from './emit.ts'
import { placeOf, type Scope } from './evaluate.ts'
import { overflowWarning, reportFailure } from './instruction-errors.ts'
import { operandOf } from './operands.ts'
import { registerNamed } from './registers.ts'
import type { Assembly } from './state.ts'
import { report } from './symbols.ts'
import type { Token } from './tokens.ts'

const PREFIX_BYTES: Readonly<Record<string, number>> = { lock: 0xf0, rep: 0xf3, repe: 0xf3, repz: 0xf3, repne: 0xf2, repnz: 0xf2 }
const SEGMENT_BYTES = [0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65]

export interface Prepared {
  readonly row: InstructionRow
  readonly operands: readonly EncodeOperand[]
  readonly prefixes: EncodePrefixes
}

/** Operands and prefixes with their present values; undefined when they are wrong, which has been said. */
export function prepare(node: InstructionNode, tokens: readonly Token[], assembly: Assembly, scope: Scope): Prepared | undefined {
  const name = tokens[node.mnemonic!]!
  const row = rowsByMnemonic.get(name.text.toUpperCase())
  if (row === undefined) {
    report(assembly, 'E0113', `\`${name.text}\` is a known instruction that is not supported yet`, name)
    return undefined
  }
  const prefixes = node.prefixes.length === 0 ? NO_PREFIXES : prefixesOf(node, tokens)
  const operands: EncodeOperand[] = []
  let good = true
  for (const operand of node.operands) {
    const value = operandOf(operand, tokens, assembly, scope, prefixes.addressSize)
    if (value === undefined) good = false
    else operands.push(value)
  }
  if (!good) return undefined
  checkPrefixes(node, tokens, row, operands, prefixes, assembly)
  return { row: wideningRow(row, operands), operands, prefixes }
}

/** NASM lets MOVSX widen a dword too, which the SDM calls MOVSXD. */
function wideningRow(row: InstructionRow, [to, from]: readonly EncodeOperand[]): InstructionRow {
  return row.mnemonic === 'MOVSX' && to?.size === 64 && from?.size === 32 ? rowsByMnemonic.get('MOVSXD')! : row
}

/** Prefixes that go with nothing the operands say. */
function checkPrefixes(
  node: InstructionNode,
  tokens: readonly Token[],
  row: InstructionRow,
  operands: readonly EncodeOperand[],
  prefixes: EncodePrefixes,
  assembly: Assembly,
): void {
  if (node.prefixes.length === 0) return
  const named = (text: string) => tokens[node.prefixes.find(at => tokens[at]!.text.toLowerCase() === text) ?? node.first]!
  const memory = operands.find(operand => operand.kind === 'memory')
  if (prefixes.lock && !(row.prefixes.includes('lock') && operands[0]?.kind === 'memory') && !(row.mnemonic === 'XCHG' && memory)) {
    report(assembly, 'W0504', `this \`${row.mnemonic.toLowerCase()}\` cannot be locked: the processor raises #UD`, named('lock'), {
      help: ['LOCK goes with read-modify-write instructions whose destination is memory'],
    })
  }
  if (prefixes.segment !== -1 && memory !== undefined && memory.segment !== -1 && memory.segment !== prefixes.segment)
    report(
      assembly,
      'E0208',
      'the prefix and the operand name different segments',
      named(tokens[node.prefixes.at(-1)!]!.text.toLowerCase()),
    )
}

/** The encoding at the present address; undefined after a failure, which has been reported. */
export function encodeInstruction(
  prepared: Prepared,
  node: InstructionNode,
  tokens: readonly Token[],
  assembly: Assembly,
): Encoded | undefined {
  const { bits } = assembly
  assembly.firstBits ??= bits
  const answer = encode(prepared.row, prepared.operands, { bits, address: BigInt(addressOf(assembly)), prefixes: prepared.prefixes })
  if (answer.kind !== 'encoded') {
    assembly.reports++
    if (assembly.final) reportFailure(answer, prepared, node, tokens, assembly)
    return undefined
  }
  if (prepared.prefixes.repeat === 0xf2 && isNearBranch(answer.form)) {
    report(assembly, 'E0208', `\`repne\` cannot stand before \`${answer.form.mnemonic.toLowerCase()}\``, tokens[node.prefixes[0]!]!, {
      help: ['before a near branch its byte, F2, is the BND prefix: if the byte is meant, write `db 0xf2`'],
    })
    return undefined
  }
  for (const overflow of answer.overflows) overflowWarning(overflow, prepared, node, tokens, assembly)
  return answer
}

/** What NASM takes `bnd` before, and `repne` not. */
const isNearBranch = ({ mnemonic, operands: [target], immediates }: Form): boolean =>
  target?.kind === 'relative'
    ? immediates[0] === 'cz'
    : mnemonic === 'RET' || ((mnemonic === 'CALL' || mnemonic === 'JMP') && target?.kind === 'register-or-memory')

export function emitInstruction(
  prepared: Prepared,
  node: InstructionNode,
  tokens: readonly Token[],
  assembly: Assembly,
): readonly number[] | undefined {
  const answer = encodeInstruction(prepared, node, tokens, assembly)
  if (answer) emit(assembly, answer.bytes, placeOf(node, tokens), { fixups: answer.fixups })
  return answer?.bytes
}

const branches = new WeakMap<InstructionRow, boolean>()

/** Whether its bytes depend on where it stands even with a constant operand. */
export function isBranch(row: InstructionRow): boolean {
  let answer = branches.get(row)
  if (answer === undefined) {
    answer = row.forms.some(form => form.operands[0]?.kind === 'relative')
    branches.set(row, answer)
  }
  return answer
}

/** Prefixes on a line of their own: their bytes. */
export function emitPrefixes(node: InstructionNode, tokens: readonly Token[], assembly: Assembly): void {
  const bytes: number[] = []
  for (const at of node.prefixes) {
    const text = tokens[at]!.text.toLowerCase()
    const byte = PREFIX_BYTES[text]
    const segment = registerNamed(text)
    const { bits } = assembly
    if (byte !== undefined) bytes.push(byte)
    else if (segment) bytes.push(SEGMENT_BYTES[segment.index]!)
    else if (text === 'o64') bytes.push(0x48)
    else if (text.startsWith('o') && (bits === 16) === (text === 'o32')) bytes.push(0x66)
    else if (text.startsWith('a') && text !== `a${bits}`) bytes.push(0x67)
  }
  emit(assembly, bytes, placeOf(node, tokens))
}

function prefixesOf(node: InstructionNode, tokens: readonly Token[]): EncodePrefixes {
  let prefixes = NO_PREFIXES
  for (const at of node.prefixes) {
    const token = tokens[at]!
    const text = token.text.toLowerCase()
    const segment = registerNamed(text)
    if (segment) prefixes = { ...prefixes, segment: segment.index as SegmentIndex }
    else if (text === 'lock') prefixes = { ...prefixes, lock: true }
    else if (text.startsWith('rep')) prefixes = { ...prefixes, repeat: PREFIX_BYTES[text] as 0xf2 | 0xf3 }
    else {
      const size = Number(text.slice(1)) as 16 | 32 | 64
      prefixes = text.startsWith('a') ? { ...prefixes, addressSize: size } : { ...prefixes, operandSize: size }
    }
  }
  return prefixes
}
