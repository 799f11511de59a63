/** Directives: mode, origin, alignment, sections, structures. */

import { nearest } from '../base/suggest.ts'
import type { DirectiveNode, Statement } from './ast.ts'
import { countOf } from './data.ts'
import { emit, offsetOf, reserve } from './emit.ts'
import { placeOf, type Scope } from './evaluate.ts'
import { externDirective, globalDirective } from './linkage.ts'
import { OUTSIDE_DIRECTIVES } from './outside.ts'
import { sectionDirective } from './sections.ts'
import { type Assembly, isObject, MAX_IMAGE_BYTES } from './state.ts'
import { beginInstance, beginStructure, endInstance, endStructure, placeField } from './structures.ts'
import { report } from './symbols.ts'
import type { Token } from './tokens.ts'

/** Runs a statement that stands inside another: what `align` fills with, what `at` places. */
export type RunStatement = (statement: Statement, times: number) => void

type Directive = (node: DirectiveNode, tokens: readonly Token[], assembly: Assembly, scope: Scope, run: RunStatement) => void

const DIRECTIVES: Readonly<Record<string, Directive>> = {
  bits: setBits,
  use16: node16,
  use32: node16,
  use64: node16,
  org: setOrigin,
  default: setDefault,
  align,
  alignb: align,
  section: sectionDirective,
  segment: sectionDirective,
  global: globalDirective,
  extern: externDirective,
  absolute: beginAbsolute,
  struc: beginStructure,
  endstruc: endStructure,
  istruc: beginInstance,
  at: placeField,
  iend: endInstance,
}

export function runDirective(node: DirectiveNode, tokens: readonly Token[], assembly: Assembly, scope: Scope, run: RunStatement): void {
  const word = tokens[node.word]!
  const directive = DIRECTIVES[word.text.toLowerCase()]
  if (directive) directive(node, tokens, assembly, scope, run)
  else refuseOutside(word, assembly)
}

/** By its name, with what to do instead. */
export function refuseOutside(word: Token, assembly: Assembly): void {
  const name = word.text.toLowerCase()
  const help = OUTSIDE_DIRECTIVES[name]
  report(assembly, 'E0114', `\`${name}\` is outside the dialect that vtick reads`, word, { help: help === undefined ? [] : [help] })
}

function switchTo(bits: number, assembly: Assembly): boolean {
  if (bits !== 16 && bits !== 32 && bits !== 64) return false
  assembly.bits = bits
  assembly.bitsStated = true
  return true
}

function node16(node: DirectiveNode, tokens: readonly Token[], assembly: Assembly): void {
  switchTo(Number(tokens[node.word]!.text.slice(3)), assembly)
}

function setBits(node: DirectiveNode, tokens: readonly Token[], assembly: Assembly, scope: Scope): void {
  const value = node.values[0]
  const bits = value === undefined ? 0 : countOf(value, tokens, assembly, scope, 'the mode', MAX_IMAGE_BYTES)
  if (!switchTo(bits, assembly)) report(assembly, 'E0502', '`bits` takes 16, 32 or 64', placeOf(value ?? node, tokens))
}

function setOrigin(node: DirectiveNode, tokens: readonly Token[], assembly: Assembly, scope: Scope): void {
  const span = placeOf(node, tokens)
  if (isObject(assembly.format)) {
    report(assembly, 'E0114', 'an object file has no origin: the linker places it', span, {
      help: ['`-f bin` and `-f exec` have one; `ld -Ttext=ADDRESS` gives one to an object'],
    })
    return
  }
  const origin = countOf(node.values[0]!, tokens, assembly, scope, 'the origin', Number.MAX_SAFE_INTEGER)
  if (
    assembly.origin !== null &&
    assembly.originSpan !== null &&
    assembly.final &&
    (assembly.originSpan.line !== span.line || assembly.originSpan.source !== span.source)
  ) {
    report(assembly, 'E0502', 'the origin is set twice', span, {
      related: [{ span: assembly.originSpan, text: 'set' }],
      help: ['`times n - ($ - $$) db 0` moves on inside the image'],
    })
    return
  }
  assembly.origin = origin
  assembly.originSpan = span
}

function setDefault(node: DirectiveNode, tokens: readonly Token[], assembly: Assembly): void {
  for (const { name } of node.attributes) {
    const word = tokens[name]!
    const text = word.text.toLowerCase()
    if (text === 'rel' || text === 'abs') assembly.relative = text === 'rel'
    else {
      if (text === 'bnd' || text === 'nobnd') {
        report(assembly, 'E0114', `\`default ${text}\` is outside the dialect that vtick reads`, word, {
          help: ['MPX is gone from processors'],
        })
        continue
      }
      const suggestion = nearest(text, ['rel', 'abs'])
      report(assembly, 'E0502', '`default` takes `rel` or `abs`', word, { hint: suggestion ? `did you mean \`${suggestion}\`?` : '' })
    }
  }
}

function align(node: DirectiveNode, tokens: readonly Token[], assembly: Assembly, scope: Scope, run: RunStatement): void {
  const to = countOf(node.values[0]!, tokens, assembly, scope, 'the alignment', MAX_IMAGE_BYTES)
  const span = placeOf(node, tokens)
  if (to === 0 || (to & (to - 1)) !== 0) {
    report(assembly, 'E0502', 'an alignment is a power of two', placeOf(node.values[0]!, tokens))
    return
  }
  const { section } = assembly
  if (section !== null) section.align = Math.max(section.align, to)
  const fill = (to - (offsetOf(assembly) % to)) % to
  if (fill === 0) return
  const isReserve = tokens[node.word]!.text.toLowerCase() === 'alignb'
  if (node.statement === null) {
    if (isReserve || section === null || section.nobits) reserve(assembly, fill, span)
    else emit(assembly, new Uint8Array(fill).fill(0x90), span, { repeated: 1 })
    return
  }
  run(node.statement, fill)
}

function beginAbsolute(node: DirectiveNode, tokens: readonly Token[], assembly: Assembly, scope: Scope): void {
  assembly.absolute = countOf(node.values[0]!, tokens, assembly, scope, 'the address', Number.MAX_SAFE_INTEGER)
  assembly.section = null
}
