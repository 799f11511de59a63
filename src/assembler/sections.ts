/**
 * Sections of a flat binary, as NASM's `bin` format lays them out: `.text` first, then the others with bytes in the order in
 * which they appear, each at its alignment, then those without bytes; and of an object file, where a linker will lay them out.
 */

import { alignUp } from '../base/bits.ts'
import type { DirectiveNode } from './ast.ts'
import { countOf } from './data.ts'
import type { Scope } from './evaluate.ts'
import { type Assembly, isObject, MAX_IMAGE_BYTES, type OutputFormat, type Section } from './state.ts'
import { report } from './symbols.ts'
import type { Token } from './tokens.ts'

export const DEFAULT_SECTION = '.text'

interface SectionDefaults {
  readonly alloc?: boolean
  readonly write?: boolean
  readonly exec?: boolean
  readonly nobits?: boolean
  readonly align: number
}

/** Sections of an object file whose names say what they are, as NASM has them; any other is read-only data. */
const OBJECT_SECTIONS: Readonly<Record<string, SectionDefaults>> = {
  '.text': { exec: true, align: 16 },
  '.rodata': { align: 4 },
  '.data': { write: true, align: 4 },
  '.bss': { write: true, nobits: true, align: 4 },
  '.comment': { alloc: false, align: 1 },
}

export function makeSection(name: string, index: number, format: OutputFormat): Section {
  const flatAlign = name === DEFAULT_SECTION ? 1 : 4
  const defaults: SectionDefaults = isObject(format)
    ? (OBJECT_SECTIONS[name] ?? { align: 1 })
    : { exec: true, write: true, nobits: name === '.bss', align: flatAlign }
  const { alloc = true, write = false, exec = false, nobits = false, align } = defaults
  return { name, index, align, nobits, alloc, write, exec, opened: 0, offset: 0, size: 0, base: 0, bytes: new Uint8Array(0) }
}

/** Attributes that say what is so anyway in a flat binary. */
const WITHOUT_EFFECT: ReadonlySet<string> = new Set(['progbits', 'alloc', 'exec', 'noexec', 'write', 'nowrite', 'code', 'data', 'rdata'])

const OBJECT_ATTRIBUTES: Readonly<Record<string, Partial<Pick<Section, 'alloc' | 'write' | 'exec' | 'nobits'>>>> = {
  alloc: { alloc: true },
  noalloc: { alloc: false },
  exec: { exec: true },
  noexec: { exec: false },
  write: { write: true },
  nowrite: { write: false },
  progbits: { nobits: false },
  nobits: { nobits: true },
}

function setAttribute(section: Section, name: Token, assembly: Assembly): void {
  const word = name.text.toLowerCase()
  const object = isObject(assembly.format) ? OBJECT_ATTRIBUTES[word] : undefined
  if (object) Object.assign(section, object)
  else if (word === 'nobits') section.nobits = true
  else if (isObject(assembly.format) || !WITHOUT_EFFECT.has(word)) {
    const where = isObject(assembly.format) ? 'in an object file' : 'in a flat binary'
    report(assembly, 'E0114', `the section attribute \`${name.text}\` is not supported ${where}`, name)
  }
}

export function sectionDirective(node: DirectiveNode, tokens: readonly Token[], assembly: Assembly, scope: Scope): void {
  const [first, ...attributes] = node.attributes
  const { text } = tokens[first!.name]!
  let section = assembly.sections.find(known => known.name === text)
  if (section === undefined) {
    section = makeSection(text, assembly.sections.length, assembly.format)
    assembly.sections.push(section)
  }
  if (assembly.section !== null && assembly.section.offset > 0) open(assembly.section, assembly)
  open(section, assembly)
  assembly.section = section
  for (const attribute of attributes) {
    const name = tokens[attribute.name]!
    if (name.text.toLowerCase() === 'align' && attribute.value !== null) {
      const align = countOf(attribute.value, tokens, assembly, scope, 'the alignment', MAX_IMAGE_BYTES)
      if (align > 0 && (align & (align - 1)) === 0) section.align = align
      else report(assembly, 'E0502', 'an alignment is a power of two', name)
    } else setAttribute(section, name, assembly)
  }
}

function open(section: Section, { sections }: Assembly): void {
  if (section.opened === 0) section.opened = 1 + Math.max(...sections.map(({ opened }) => opened))
}

/** The sections of an object, in the order in which the source went to them; the first one also when it is all there is. */
export function inObjectOrder(assembly: Assembly): Section[] {
  const [first] = assembly.sections
  const used = (section: Section) => [...assembly.symbols.values()].some(entry => entry.section === section.index)
  if (first!.offset > 0 || assembly.sections.length === 1 || used(first!)) open(first!, assembly)
  return assembly.sections.filter(section => section.opened > 0).toSorted((a, b) => a.opened - b.opened)
}

/** Gives every section its address, from the sizes of the pass that ended. */
export function layOut(assembly: Assembly): void {
  // The linker decides where the sections of an object go: in it each begins at zero.
  if (isObject(assembly.format)) return
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
