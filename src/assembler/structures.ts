/** STRUC and ISTRUC: offsets of fields from zero, and data at those offsets (NASM manual, "STRUC and ENDSTRUC"). */

import type { DirectiveNode } from './ast.ts'
import { countOf } from './data.ts'
import type { RunStatement } from './directives.ts'
import { emit, offsetOf } from './emit.ts'
import { evaluate, placeOf, type Scope } from './evaluate.ts'
import { type Assembly, MAX_IMAGE_BYTES, type Structure } from './state.ts'
import { defineConstant, defineLabel, report } from './symbols.ts'
import type { Span, Token } from './tokens.ts'
import { isKnown, isScalar, scalar } from './value.ts'

export function beginStructure(node: DirectiveNode, tokens: readonly Token[], assembly: Assembly, scope: Scope): void {
  const name = tokens[node.attributes[0]!.name]!
  const start = node.values[0] ? countOf(node.values[0], tokens, assembly, scope, 'the offset', MAX_IMAGE_BYTES) : 0
  assembly.structures.push({
    kind: 'struc',
    name: name.text,
    before: assembly.section,
    absoluteBefore: assembly.absolute,
    start,
    span: name,
  })
  assembly.section = null
  assembly.absolute = start
  defineLabel(assembly, name)
}

/** The innermost open structure of the kind, taken off the stack. */
function close(kind: Structure['kind'], word: Token, assembly: Assembly): Structure | undefined {
  const open = assembly.structures.at(-1)
  if (open?.kind === kind) return assembly.structures.pop()
  report(assembly, 'E0404', `\`${word.text}\` without \`${kind}\``, word)
  return undefined
}

const named = (token: Token, text: string): Token => ({ ...token, type: 'name', text })

export function endStructure(node: DirectiveNode, tokens: readonly Token[], assembly: Assembly): void {
  const word = tokens[node.word]!
  const open = close('struc', word, assembly)
  if (!open) return
  assembly.touched = true
  defineConstant(assembly, named(word, `${open.name}_size`), scalar(BigInt(assembly.absolute - open.start)))
  assembly.section = open.before
  assembly.absolute = open.absoluteBefore
}

export function beginInstance(node: DirectiveNode, tokens: readonly Token[], assembly: Assembly): void {
  const name = tokens[node.attributes[0]!.name]!
  assembly.structures.push({ kind: 'istruc', name: name.text, before: null, absoluteBefore: 0, start: offsetOf(assembly), span: name })
}

/** The offset that a name of the structure stands for; 0 after an error. */
function offsetNamed(name: Token, assembly: Assembly, scope: Scope): number {
  assembly.critical = true
  const value = scope.lookup(name)
  assembly.critical = false
  return value !== undefined && isKnown(value) && isScalar(value) ? Number(value.constant) : 0
}

export function placeField(node: DirectiveNode, tokens: readonly Token[], assembly: Assembly, scope: Scope, run: RunStatement): void {
  const word = tokens[node.word]!
  const open = assembly.structures.at(-1)
  if (open?.kind !== 'istruc') {
    report(assembly, 'E0404', '`at` without `istruc`', word)
    return
  }
  assembly.critical = true
  const field = evaluate(node.values[0]!, { tokens, scope, hint: null })
  assembly.critical = false
  const base = offsetNamed(named(open.span as Token, open.name), assembly, scope)
  if (field === undefined || !isKnown(field) || !isScalar(field)) return
  pad(open, Number(field.constant) - base, placeOf(node.values[0]!, tokens), assembly)
  assembly.here = offsetOf(assembly)
  if (node.statement !== null) run(node.statement, 1)
}

export function endInstance(node: DirectiveNode, tokens: readonly Token[], assembly: Assembly, scope: Scope): void {
  const word = tokens[node.word]!
  const open = close('istruc', word, assembly)
  if (open) pad(open, offsetNamed(named(open.span as Token, `${open.name}_size`), assembly, scope), word, assembly)
}

function pad(open: Structure, to: number, span: Span, assembly: Assembly): void {
  const missing = to - (offsetOf(assembly) - open.start)
  if (missing < 0)
    report(assembly, 'E0502', `the fields before already take ${-missing} bytes more than there are`, span, {
      help: ['fields are filled in the order of the structure'],
    })
  else if (missing > 0 && missing <= MAX_IMAGE_BYTES) emit(assembly, new Uint8Array(missing), span)
}

/** A structure still open where the source ends. */
export function reportOpenStructures(assembly: Assembly): void {
  for (const open of assembly.structures)
    report(assembly, 'E0404', `\`${open.kind}\` is not closed`, open.span, {
      help: [open.kind === 'struc' ? '`endstruc` closes it' : '`iend` closes it'],
    })
  assembly.structures.length = 0
}
