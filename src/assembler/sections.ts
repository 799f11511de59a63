/**
 * Sections of a flat binary, as NASM's `bin` format lays them out: `.text` first, then the others with bytes in the order in
 * which they appear, each at its alignment, then those without bytes.
 */

import { alignUp } from '../base/bits.ts'
import type { DirectiveNode } from './ast.ts'
import { countOf } from './data.ts'
import type { Scope } from './evaluate.ts'
import { type Assembly, MAX_IMAGE_BYTES, type Section } from './state.ts'
import { report } from './symbols.ts'
import type { Token } from './tokens.ts'

export const DEFAULT_SECTION = '.text'

export function makeSection(name: string, index: number): Section {
  return {
    name,
    index,
    align: name === DEFAULT_SECTION ? 1 : 4,
    nobits: name === '.bss',
    offset: 0,
    size: 0,
    base: 0,
    bytes: new Uint8Array(0),
  }
}

/** Attributes that say what is so anyway. */
const WITHOUT_EFFECT: ReadonlySet<string> = new Set(['progbits', 'alloc', 'exec', 'noexec', 'write', 'nowrite', 'code', 'data', 'rdata'])

export function sectionDirective(node: DirectiveNode, tokens: readonly Token[], assembly: Assembly, scope: Scope): void {
  const [first, ...attributes] = node.attributes
  const { text } = tokens[first!.name]!
  let section = assembly.sections.find(known => known.name === text)
  if (section === undefined) {
    section = makeSection(text, assembly.sections.length)
    assembly.sections.push(section)
  }
  assembly.section = section
  for (const attribute of attributes) {
    const name = tokens[attribute.name]!
    const word = name.text.toLowerCase()
    if (word === 'nobits') section.nobits = true
    else if (word === 'align' && attribute.value !== null) {
      const align = countOf(attribute.value, tokens, assembly, scope, 'the alignment', MAX_IMAGE_BYTES)
      if (align > 0 && (align & (align - 1)) === 0) section.align = align
      else report(assembly, 'E0502', 'an alignment is a power of two', name)
    } else if (!WITHOUT_EFFECT.has(word))
      report(assembly, 'E0114', `the section attribute \`${name.text}\` is not supported in a flat binary`, name)
  }
}

/** Gives every section its address, from the sizes of the pass that ended. */
export function layOut(assembly: Assembly): void {
  let address = assembly.origin ?? 0
  for (const section of inFileOrder(assembly)) {
    address = section.index === 0 ? address : alignUp(address, section.align)
    section.base = address
    address += section.size
  }
}

export function inFileOrder({ sections }: Assembly): Section[] {
  return [...sections.filter(section => !section.nobits), ...sections.filter(section => section.nobits)]
}
