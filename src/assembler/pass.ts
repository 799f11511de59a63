/** One pass over the lines: labels get their offsets, instructions their sizes and, in the last pass, bytes go out. */

import type { EquNode, Expression, InstructionNode, LineNode, Statement, TimesNode } from './ast.ts'
import { chooseBranch, runBranch } from './branches.ts'
import { countOf, dataBytes, includeBinary, reserveSpace } from './data.ts'
import { refuseOutside, runDirective } from './directives.ts'
import { emit, offsetOf } from './emit.ts'
import { evaluate, placeOf, type Scope } from './evaluate.ts'
import { emitInstruction, emitPrefixes, encodeInstruction, isBranch, prepare } from './instructions.ts'
import { OUTSIDE_DIRECTIVES } from './outside.ts'
import { type Assembly, type Item, MAX_IMAGE_BYTES, type Section } from './state.ts'
import { defineConstant, defineLabel, didYouMean, moveLabel, opensScope, report } from './symbols.ts'
import type { Token } from './tokens.ts'
import { UNKNOWN } from './value.ts'
import { wordsOfType } from './words.ts'

/** More repetitions than an image has bytes make none that fits; of what cannot be copied, fewer are patient enough. */
const MAX_TIMES = MAX_IMAGE_BYTES
const MAX_REPETITIONS = 1_000_000

export function runItem(item: Item, assembly: Assembly, scope: Scope): void {
  if (!assembly.final && item.size >= 0 && assembly.section !== null) {
    skipItem(item, assembly.section, assembly)
    return
  }
  assembly.item = item
  assembly.here = offsetOf(assembly)
  const { node } = item
  const { tokens } = item.line
  const { statement } = node
  if (node.label !== null && statement?.kind !== 'equ') runLabel(item, assembly)
  if (statement === null) {
    item.size = 0
    return
  }
  if (item.bytes !== null) {
    assembly.firstBits ??= assembly.bits
    emit(assembly, item.bytes, tokens[0]!)
  } else if (statement.kind === 'equ') runEqu(node, statement, tokens, assembly, scope)
  else if (statement.kind === 'instruction' && statement.mnemonic !== null) runInstruction(item, statement, assembly, scope)
  else {
    const before = offsetOf(assembly)
    runStatement(statement, tokens, assembly, scope)
    // A count of copies may depend on labels.
    if (statement.kind === 'data' && !statement.values.some(value => value?.kind === 'dup')) item.size = offsetOf(assembly) - before
  }
}

/** A line whose size is known only moves what follows; its label moves with it. */
function skipItem(item: Item, section: Section, assembly: Assembly): void {
  const { symbol, branch } = item
  if (symbol !== null) {
    if (symbol.pass === assembly.pass) assembly.reports++
    symbol.pass = assembly.pass
    if (opensScope(item.line.tokens[item.node.label!]!.text)) assembly.scope = symbol.name
    moveLabel(assembly, symbol, section.index, section.offset)
  }
  if (branch !== null) item.size = chooseBranch(branch, section).length
  section.offset += item.size
}

function runInstruction(item: Item, node: InstructionNode, assembly: Assembly, scope: Scope): void {
  if (runBranch(item, node, assembly)) return
  const { tokens } = item.line
  assembly.stable = true
  assembly.volatile = false
  const { reports } = assembly
  const prepared = prepare(node, tokens, assembly, scope)
  if (prepared === undefined) return
  const bytes = emitInstruction(prepared, node, tokens, assembly)
  if (bytes === undefined || assembly.final || isBranch(prepared.row)) return
  if (!assembly.volatile) item.size = bytes.length
  if (assembly.stable && assembly.reports === reports) item.bytes = bytes
}

function runStatement(statement: Statement, tokens: readonly Token[], assembly: Assembly, scope: Scope): void {
  switch (statement.kind) {
    case 'instruction': {
      if (statement.mnemonic === null) emitPrefixes(statement, tokens, assembly)
      else {
        const prepared = prepare(statement, tokens, assembly, scope)
        if (prepared) emitInstruction(prepared, statement, tokens, assembly)
      }
      return
    }
    case 'data': {
      const { bytes, fixups } = dataBytes(statement, tokens, assembly, scope)
      emit(assembly, bytes, placeOf(statement, tokens), { fixups })
      return
    }
    case 'reserve':
      reserveSpace(statement, tokens, assembly, scope)
      return
    case 'incbin':
      includeBinary(statement, tokens, assembly, scope)
      return
    case 'times':
      runTimes(statement, tokens, assembly, scope)
      return
    case 'directive':
      runDirective(statement, tokens, assembly, scope, (inner, times) =>
        repeatStatement(times, statement.values[0]!, inner, tokens, assembly, scope),
      )
      return
    case 'unknown':
      if (tokens[statement.name]!.text.toLowerCase() in OUTSIDE_DIRECTIVES) refuseOutside(tokens[statement.name]!, assembly)
      else unknownInstruction(tokens[statement.name]!, assembly)
      return
    case 'equ':
      report(assembly, 'E0502', '`equ` needs a name in front', placeOf(statement, tokens))
  }
}

function runLabel(item: Item, assembly: Assembly): void {
  const { label, colon, statement } = item.node
  const token = item.line.tokens[label!]!
  item.symbol = defineLabel(assembly, token)
  if (colon || statement !== null) return
  report(assembly, 'W0502', `\`${token.text}\` alone on its line is a label`, token, {
    hint: didYouMean(assembly, token.text, () => [...wordsOfType('mnemonic'), ...assembly.macroNames()]),
    help: ['a colon says that it is meant'],
  })
}

function runEqu(node: LineNode, { value }: EquNode, tokens: readonly Token[], assembly: Assembly, scope: Scope): void {
  if (node.label === null) {
    report(assembly, 'E0502', '`equ` needs a name in front', placeOf(value, tokens))
    return
  }
  assembly.touched = false
  const worth = evaluate(value, { tokens, scope, hint: null }) ?? UNKNOWN
  if (worth.terms.some(term => term.register !== null)) {
    report(assembly, 'E0301', 'a name cannot stand for a register through `equ`', placeOf(value, tokens), {
      help: ['%define can: `%define name rax`'],
    })
    defineConstant(assembly, tokens[node.label]!, UNKNOWN)
    return
  }
  defineConstant(assembly, tokens[node.label]!, worth)
}

/** The statement is read once, so `$` means the start of the line in every repetition; branches count from where they stand. */
function runTimes({ count, statement }: TimesNode, tokens: readonly Token[], assembly: Assembly, scope: Scope): void {
  if (statement.kind === 'times') {
    report(assembly, 'E0502', '`times` cannot repeat `times`', placeOf(statement, tokens), {
      help: ['multiply the two counts (NASM would count the inner one alone)'],
    })
    return
  }
  repeatStatement(countOf(count, tokens, assembly, scope, 'the count of times', MAX_TIMES), count, statement, tokens, assembly, scope)
}

/** `count` is what complaints about the number of repetitions point at. */
function repeatStatement(
  times: number,
  count: Expression,
  statement: Statement,
  tokens: readonly Token[],
  assembly: Assembly,
  scope: Scope,
): void {
  if (times === 0) return
  if (statement.kind === 'data') {
    const { bytes, fixups } = dataBytes(statement, tokens, assembly, scope)
    if (bytes.length * times > MAX_IMAGE_BYTES) tooLarge(count, tokens, assembly)
    else emit(assembly, repeated(bytes, times), placeOf(statement, tokens), { fixups, repeated: bytes.length })
    return
  }
  if (statement.kind === 'instruction' && statement.mnemonic !== null) timesInstruction(times, count, statement, tokens, assembly, scope)
  else repeat(times, count, tokens, assembly, () => runStatement(statement, tokens, assembly, scope))
}

function timesInstruction(
  times: number,
  count: Expression,
  node: InstructionNode,
  tokens: readonly Token[],
  assembly: Assembly,
  scope: Scope,
): void {
  assembly.stable = true
  const prepared = prepare(node, tokens, assembly, scope)
  if (prepared === undefined) return
  if (!assembly.stable || isBranch(prepared.row)) {
    repeat(times, count, tokens, assembly, () => emitInstruction(prepared, node, tokens, assembly))
    return
  }
  const encoded = encodeInstruction(prepared, node, tokens, assembly)
  if (encoded === undefined) return
  const { bytes, fixups } = encoded
  if (bytes.length * times > MAX_IMAGE_BYTES) tooLarge(count, tokens, assembly)
  else emit(assembly, repeated(bytes, times), placeOf(node, tokens), { fixups, repeated: bytes.length })
}

/** Runs it `times` times, or until it has something to complain about. */
function repeat(times: number, count: Expression, tokens: readonly Token[], assembly: Assembly, run: () => void): void {
  for (let index = 0; index < times; index++) {
    if (++assembly.repetitions > MAX_REPETITIONS) {
      report(assembly, 'E0602', `\`times\` repeats more than ${MAX_REPETITIONS} lines`, placeOf(count, tokens), {
        help: ['data and instructions that do not depend on where they stand can be repeated more often'],
      })
      return
    }
    const { reports } = assembly
    run()
    if (assembly.reports > reports) return
  }
}

function tooLarge(count: Expression, tokens: readonly Token[], assembly: Assembly): void {
  report(assembly, 'E0604', `the image would be larger than ${MAX_IMAGE_BYTES / 1024 / 1024} MiB`, placeOf(count, tokens))
}

function repeated(bytes: readonly number[], times: number): Uint8Array {
  const all = new Uint8Array(bytes.length * times)
  if (bytes.every(byte => byte === bytes[0])) return all.fill(bytes[0] ?? 0)
  for (let index = 0; index < times; index++) all.set(bytes, index * bytes.length)
  return all
}

function unknownInstruction(name: Token, assembly: Assembly): void {
  const hint = didYouMean(assembly, name.text, () => [
    ...assembly.macroNames(),
    ...wordsOfType('mnemonic', 'data', 'reserve', 'times', 'bits', 'align', 'section'),
  ])
  report(assembly, 'E0111', `unknown instruction \`${name.text}\``, name, {
    hint,
    help: hint !== '' ? [] : ['neither an instruction nor a macro has this name: is its %include missing?'],
  })
}
