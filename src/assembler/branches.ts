/**
 * Jumps to labels, the commonest lines whose bytes change from pass to pass: their two encodings are made once for each
 * instruction and mode, and a pass only chooses between them and puts the distance in.
 */

import { encode, NO_PREFIXES } from '../isa/encode.ts'
import type { InstructionRow } from '../isa/instruction.ts'
import { rowsByMnemonic } from '../isa/table.ts'
import type { InstructionNode } from './ast.ts'
import { emit } from './emit.ts'
import { placeOf } from './evaluate.ts'
import type { Assembly, Branch, Item, Section } from './state.ts'
import { qualified } from './symbols.ts'
import type { Token } from './tokens.ts'

type Encodings = Pick<Branch, 'short' | 'near'>

const kept = new Map<string, Encodings | null>()

/** Both encodings of an instruction that has a short and a near form. */
function encodingsOf(name: string, bits: 16 | 32 | 64): Encodings | null {
  const key = `${name} ${bits}`
  let answer = kept.get(key)
  if (answer === undefined) {
    const row = rowsByMnemonic.get(name.toUpperCase())
    answer = row === undefined || !hasBoth(row) ? null : encodings(row, bits)
    // Names in strange cases cannot fill the memory.
    if (kept.size < 1000) kept.set(key, answer)
  }
  return answer
}

const hasBoth = ({ forms }: InstructionRow): boolean =>
  forms.some(({ immediates: [token] }) => token === 'cb') && forms.some(({ immediates: [token] }) => token === 'cz')

function encodings(row: InstructionRow, bits: 16 | 32 | 64): Encodings | null {
  const target = { kind: 'immediate', value: 0n, size: 0, strict: false, symbolic: false, reach: 'measured' } as const
  const [short, near] = (['short', 'near'] as const).map(distance =>
    encode(row, [{ ...target, distance }], { bits, address: 0n, prefixes: NO_PREFIXES }),
  )
  return short?.kind === 'encoded' && near?.kind === 'encoded' ? { short: short.bytes, near: near.bytes } : null
}

/** The name that a line jumps to, when it is nothing but a jump to a name. */
function targetName(node: InstructionNode, tokens: readonly Token[]): Token | undefined {
  const [operand, second] = node.operands
  if (operand === undefined || second !== undefined || node.prefixes.length > 0 || operand.words.length > 0) return undefined
  return operand.value.kind === 'plain' && operand.value.value.kind === 'name' ? tokens[operand.value.value.at] : undefined
}

/** Runs a line that jumps to a label of some section; false when it is anything else. */
export function runBranch(item: Item, node: InstructionNode, assembly: Assembly): boolean {
  const { section } = assembly
  const { tokens } = item.line
  const name = targetName(node, tokens)
  if (name === undefined || section === null || section.nobits) return false
  const both = encodingsOf(tokens[node.mnemonic!]!.text, assembly.bits)
  if (both === null) return false
  const target = assembly.symbols.get(qualified(name.text, assembly.scope))
  if (target === undefined && !assembly.final) {
    // Hoped to be near, until a pass knows better.
    assembly.firstBits ??= assembly.bits
    emit(assembly, both.short, tokens[0]!)
    return true
  }
  if (target?.kind !== 'label' || target.section !== section.index) return false
  assembly.firstBits ??= assembly.bits
  item.branch ??= { target, ...both }
  const bytes = chooseBranch(item.branch, section)
  if (!assembly.final) item.size = bytes.length
  emitBranch(item.branch, bytes, node, tokens, assembly)
  return true
}

const distanceFrom = ({ target }: Branch, bytes: readonly number[], section: Section): number =>
  target.offset - section.offset - bytes.length

/** The encoding that reaches the target from where the section stands now. */
export function chooseBranch(branch: Branch, section: Section): readonly number[] {
  const distance = distanceFrom(branch, branch.short, section)
  return branch.target.section === section.index && distance >= -128 && distance <= 127 ? branch.short : branch.near
}

function emitBranch(
  branch: Branch,
  template: readonly number[],
  node: InstructionNode,
  tokens: readonly Token[],
  assembly: Assembly,
): void {
  if (!assembly.final) {
    emit(assembly, template, tokens[0]!)
    return
  }
  const distance = distanceFrom(branch, template, assembly.section!)
  const count = template === branch.short ? 1 : assembly.bits === 16 ? 2 : 4
  const bytes = [...template]
  const at = bytes.length - count
  for (let position = 0; position < count; position++) bytes[at + position] = (distance >> (8 * position)) & 0xff
  emit(assembly, bytes, placeOf(node, tokens), {
    fixups: [{ at, bytes: count, operand: 0, relative: true, section: branch.target.section, value: 0n, signed: true }],
  })
}
