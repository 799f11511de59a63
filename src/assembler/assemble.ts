/**
 * Source text to image: preprocess and parse each line once, run passes until no label moves, emit.
 *
 *     text -> tokens -> lines -> trees -> passes (labels, sizes) -> bytes
 */

import type { LineNode } from './ast.ts'
import type { Diagnostic } from './diagnostics.ts'
import { sorted } from './diagnostics.ts'
import type { Image, ImageLine, ImageSource, ImageSymbol } from './image.ts'
import { renderListing } from './listing.ts'
import { resolve } from './operands.ts'
import { parseLine } from './parse.ts'
import { runItem } from './pass.ts'
import { constantOf } from './preprocessor/definitions.ts'
import type { LogicalLine } from './preprocessor/lines.ts'
import { createPreprocessor, nextLine } from './preprocessor/preprocessor.ts'
import type { Preprocessor } from './preprocessor/state.ts'
import { DEFAULT_SECTION, inFileOrder, layOut, makeSection } from './sections.ts'
import type { Assembly, Item } from './state.ts'
import { reportOpenStructures } from './structures.ts'
import { hereValue, makeScope, qualified, report, symbolValue } from './symbols.ts'
import { syntaxProblem } from './syntax-errors.ts'
import type { Token, TokenLine } from './tokens.ts'
import { inSection, isScalar, scalar } from './value.ts'

export interface AssembleOptions {
  /** The name of the source, as the user gave it. */
  readonly file: string
  /** The text of an included file and the name to show for it; undefined when there is none. `from` is the file that asks. */
  readonly include?: (name: string, from: string) => ImageSource | undefined
  /** The bytes of an INCBIN file. */
  readonly readBinary?: (name: string, from: string) => Uint8Array | undefined
  /** As by %define, before the first line. */
  readonly defines?: Readonly<Record<string, string>>
}

export interface AssembleResult {
  /** Undefined when there are errors. */
  readonly image: Image | undefined
  /** Errors and warnings in the order of the sources. */
  readonly diagnostics: readonly Diagnostic[]
  /** All texts that were read: what the diagnostics' spans point into. */
  readonly sources: readonly ImageSource[]
  readonly listing: () => string
}

/** Long chains of jumps take dozens of passes to settle, which are cheap; a source that still moves after this many never will. */
const MAX_PASSES = 400

export function assemble(source: string, options: AssembleOptions): AssembleResult {
  const assembly = newAssembly(source, options)
  const lexed = new Map<number, readonly TokenLine[]>()
  let reading = readingPass(assembly, options, lexed)
  while (assembly.moved && assembly.pass < MAX_PASSES) reading = nextPass(assembly, options, lexed, reading)
  const settled = !assembly.moved
  assembly.final = true
  reading = nextPass(assembly, options, lexed, reading)
  assembly.diagnostics.push(...reading.diagnostics)
  if (!settled) reportUnsettled(assembly, reading)
  const diagnostics = sorted(assembly.diagnostics)
  const failed = diagnostics.some(entry => entry.severity === 'error')
  return {
    image: failed ? undefined : makeImage(assembly),
    diagnostics,
    sources: assembly.sources,
    listing: () => renderListing(reading.lines, assembly),
  }
}

/** What one reading of the source gave. */
interface Reading {
  readonly preprocessor: Preprocessor
  readonly lines: readonly LogicalLine[]
  readonly items: readonly Item[]
  /** What the preprocessor and the grammar complained about. */
  readonly diagnostics: readonly Diagnostic[]
}

function newAssembly(source: string, options: AssembleOptions): Assembly {
  const sources: ImageSource[] = [{ file: options.file, text: source }]
  return {
    sources,
    diagnostics: [],
    symbols: new Map(),
    sections: [makeSection(DEFAULT_SECTION, 0)],
    placements: [],
    origin: null,
    originSpan: null,
    pass: 0,
    final: false,
    moved: true,
    touched: false,
    stable: true,
    volatile: false,
    critical: false,
    bits: 16,
    bitsStated: false,
    firstBits: null,
    relative: false,
    tookAbsolute: false,
    scope: '',
    section: null,
    absolute: 0,
    item: null,
    reports: 0,
    repetitions: 0,
    here: 0,
    structures: [],
    knownNames: () => [],
    macroNames: () => [],
    constantOf: () => undefined,
    readBinary: (name, from) => options.readBinary?.(name, sources[from]?.file ?? ''),
  }
}

function beginPass(assembly: Assembly): void {
  layOut(assembly)
  assembly.pass++
  assembly.moved = false
  assembly.bits = 16
  assembly.bitsStated = false
  assembly.firstBits = null
  assembly.scope = ''
  assembly.section = assembly.sections[0]!
  assembly.absolute = 0
  assembly.structures.length = 0
  assembly.repetitions = 0
  for (const section of assembly.sections) section.offset = 0
}

function endPass(assembly: Assembly): void {
  reportOpenStructures(assembly)
  for (const section of assembly.sections) {
    if (section.size !== section.offset) assembly.moved = true
    section.size = section.offset
  }
  const before = assembly.sections.map(section => section.base).join()
  layOut(assembly)
  if (assembly.sections.map(section => section.base).join() !== before) assembly.moved = true
}

/** A pass that reads the source, so that the preprocessor sees what the lines before it defined. */
function readingPass(assembly: Assembly, options: AssembleOptions, lexed: Map<number, readonly TokenLine[]>): Reading {
  const diagnostics: Diagnostic[] = []
  const preprocessor = createPreprocessor(
    {
      sources: assembly.sources,
      include: (name, from) => options.include?.(name, from),
      report: entry => diagnostics.push(entry),
      symbol: name => symbolNow(assembly, name),
      here: () => hereValue(assembly, assembly.section?.offset ?? assembly.absolute),
      sectionStart: () => (assembly.section === null ? scalar(0n) : inSection(assembly.section.index, 0n)),
      bits: () => assembly.bits,
    },
    options.defines ?? {},
    lexed,
  )
  assembly.knownNames = () => [...preprocessor.defines.keys()]
  assembly.macroNames = () => [...preprocessor.macros.values()].flatMap(macros => macros.map(macro => macro.name))
  assembly.constantOf = name => constantOf(preprocessor, name)
  const lines: LogicalLine[] = []
  const items: Item[] = []
  const scope = makeScope(assembly)
  beginPass(assembly)
  for (let line = nextLine(preprocessor); line !== undefined; line = nextLine(preprocessor)) {
    lines.push(line)
    if (line.tokens.length === 0) continue
    const item = itemOf(line, preprocessor, assembly)
    items.push(item)
    runItem(item, assembly, scope)
  }
  endPass(assembly)
  if (assembly.relative && assembly.tookAbsolute) forgetSizes(assembly, items)
  return { preprocessor, lines, items, diagnostics }
}

/** A DEFAULT REL further down than the first memory operand changes the lines above it. */
function forgetSizes(assembly: Assembly, items: readonly Item[]): void {
  for (const item of items) {
    item.size = -1
    item.bytes = null
    item.branch = null
  }
  assembly.tookAbsolute = false
  assembly.moved = true
}

function nextPass(assembly: Assembly, options: AssembleOptions, lexed: Map<number, readonly TokenLine[]>, reading: Reading): Reading {
  if (reading.preprocessor.dependsOnLayout) return readingPass(assembly, options, lexed)
  const scope = makeScope(assembly)
  beginPass(assembly)
  for (const item of reading.items) runItem(item, assembly, scope)
  endPass(assembly)
  return reading
}

/** A name as the line before left it; only what this pass has defined already. */
function symbolNow(assembly: Assembly, name: Token) {
  const entry = assembly.symbols.get(qualified(name.text, assembly.scope))
  return entry?.pass === assembly.pass && !symbolValue(entry).unknown ? symbolValue(entry) : undefined
}

const NOTHING: LineNode = { label: null, colon: false, statement: null }

/** A line that does not parse still defines its label, so that one mistake gives one error. */
function itemOf(line: LogicalLine, preprocessor: Preprocessor, assembly: Assembly): Item {
  const parsed = parseLine(line.tokens)
  if (parsed.kind === 'tree') return newItem(line, parsed.tree)
  const { code, message, span, notes } = syntaxProblem(parsed, line.tokens, assembly.macroNames())
  preprocessor.report(code, message, span, notes)
  const [first, second] = line.tokens
  const labelled =
    first?.type === 'name' &&
    (second?.type === ':' || second?.type === 'equ' || second?.type === 'data' || second?.type === 'reserve' || second?.type === 'times')
  return newItem(line, labelled ? { label: 0, colon: true, statement: null } : NOTHING)
}

const newItem = (line: LogicalLine, node: LineNode): Item => ({ line, node, symbol: null, size: -1, bytes: null, branch: null })

function reportUnsettled(assembly: Assembly, { items }: Reading): void {
  const first = items[0]?.line.tokens[0]
  if (first)
    report(assembly, 'E0605', `the sizes do not settle after ${MAX_PASSES} passes`, first, {
      help: ['a size depends on itself: look for `times` or `align` whose count depends on the jumps around it'],
    })
}

function makeImage(assembly: Assembly): Image {
  const origin = assembly.origin ?? 0
  const withBytes = inFileOrder(assembly).filter(section => !section.nobits)
  const end = withBytes.reduce((last, section) => Math.max(last, section.base + section.size), origin)
  const bytes = new Uint8Array(end - origin)
  for (const section of withBytes) bytes.set(section.bytes.subarray(0, section.size), section.base - origin)
  return {
    origin,
    entry: origin,
    bytes,
    bits: assembly.firstBits ?? assembly.bits,
    bitsStated: assembly.bitsStated,
    symbols: symbolsOf(assembly),
    lines: linesOf(assembly),
    sources: assembly.sources,
  }
}

function symbolsOf(assembly: Assembly): ImageSymbol[] {
  const symbols: ImageSymbol[] = []
  for (const entry of assembly.symbols.values()) {
    const { name, kind, span } = entry
    const value = symbolValue(entry)
    const isAddress = !isScalar(value)
    symbols.push({
      name,
      value: resolve(value, assembly),
      kind: kind === 'label' && isAddress ? 'label' : 'constant',
      source: span.source,
      line: span.line,
    })
  }
  return symbols
}

/** A macro's bytes belong to the line that called it from outside all macros. */
function linesOf(assembly: Assembly): ImageLine[] {
  const lines: ImageLine[] = []
  for (const { item, section, offset, length } of assembly.placements) {
    const { base, nobits } = assembly.sections[section]!
    if (nobits) continue
    let { source, line } = item.line
    for (let call = item.line.expansion; call !== null; call = call.parent) ({ source, line } = call.call)
    lines.push({ address: base + offset, length, source, line })
  }
  return lines.toSorted((a, b) => a.address - b.address)
}
