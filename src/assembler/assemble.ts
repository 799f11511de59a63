/**
 * Source text to image: preprocess and parse each line once, run passes until no label moves, emit.
 *
 *     text -> tokens -> lines -> trees -> passes (labels, sizes) -> bytes
 */

import type { LineNode } from './ast.ts'
import { type CodePlace, codePlaces } from './code-places.ts'
import type { Diagnostic } from './diagnostics.ts'
import { sorted } from './diagnostics.ts'
import { writeExecutable } from './elf/executable.ts'
import { placedLines } from './elf/lines.ts'
import { writeObject } from './elf/object.ts'
import { renderExpanded } from './expanded.ts'
import type { Image, ImageLine, ImageSource, ImageSymbol } from './image.ts'
import { checkGlobals } from './linkage.ts'
import { renderListing } from './listing.ts'
import { resolve } from './operands.ts'
import { parseLine } from './parse.ts'
import { runItem } from './pass.ts'
import { constantOf } from './preprocessor/definitions.ts'
import type { LogicalLine } from './preprocessor/lines.ts'
import { createPreprocessor, nextLine } from './preprocessor/preprocessor.ts'
import type { Preprocessor } from './preprocessor/state.ts'
import { DEFAULT_SECTION, inFileOrder, layOut, makeSection } from './sections.ts'
import { type Assembly, type Item, isObject, type OutputFormat } from './state.ts'
import { reportOpenStructures } from './structures.ts'
import { hereValue, makeScope, qualified, report, symbolValue } from './symbols.ts'
import { syntaxProblem } from './syntax-errors.ts'
import { type Token, type TokenLine, withoutDollars } from './tokens.ts'
import { inSection, isKnown, isScalar, scalar } from './value.ts'

export interface AssembleOptions {
  /** The name of the source, as the user gave it. */
  readonly file: string
  /** The text of an included file and the name to show for it; undefined when there is none. `from` is the file that asks. */
  readonly include?: (name: string, from: string) => ImageSource | undefined
  /** The bytes of an INCBIN file. */
  readonly readBinary?: (name: string, from: string) => Uint8Array | undefined
  /** As by %define, before the first line. */
  readonly defines?: Readonly<Record<string, string>>
  /** A flat binary if absent. */
  readonly format?: OutputFormat
  /** Whether an ELF file tells debuggers which line its bytes came from. */
  readonly debug?: boolean
}

export interface AssembleResult {
  /** Undefined when there are errors. */
  readonly image: Image | undefined
  /** Errors and warnings in the order of the sources. */
  readonly diagnostics: readonly Diagnostic[]
  /** All texts that were read: what the diagnostics' spans point into. */
  readonly sources: readonly ImageSource[]
  readonly listing: () => string
  /** The instructions of a flat binary, in address order. */
  readonly code: () => readonly CodePlace[]
  /** The source as the preprocessor left it. */
  readonly expanded: () => string
  /** The file in the format that was asked for; undefined when there are errors. */
  readonly output: () => Uint8Array | undefined
}

/** Long chains of jumps take dozens of passes to settle, which are cheap; a source that still moves after this many never will. */
const MAX_PASSES = 400

export function assemble(source: string, options: AssembleOptions): AssembleResult {
  const assembly = newAssembly(source, options)
  const lexed = new Map<number, readonly TokenLine[]>()
  let reading = readingPass(assembly, options, lexed)
  // What %fatal or a limit cut off would only make names unknown.
  if (!reading.preprocessor.stopped) {
    while (assembly.moved && assembly.pass < MAX_PASSES) reading = nextPass(assembly, options, lexed, reading)
    const settled = !assembly.moved
    assembly.final = true
    reading = nextPass(assembly, options, lexed, reading)
    if (!settled) reportUnsettled(assembly, reading)
  }
  assembly.diagnostics.push(...reading.diagnostics)
  const diagnostics = sorted(assembly.diagnostics)
  const failed = diagnostics.some(entry => entry.severity === 'error')
  const image = failed ? undefined : makeImage(assembly)
  return {
    image,
    output: () => image && outputOf(assembly, image, options.debug ?? false),
    diagnostics,
    sources: assembly.sources,
    listing: () => renderListing(reading.lines, assembly),
    code: () => codePlaces(assembly),
    expanded: () => renderExpanded(reading.lines, assembly.sources),
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
  const format = options.format ?? 'bin'
  return {
    sources,
    diagnostics: [],
    symbols: new Map(),
    sections: [makeSection(DEFAULT_SECTION, 0, format)],
    format,
    globals: new Map(),
    externs: [],
    relocations: [],
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
  if (assembly.final) checkGlobals(assembly)
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
    // A flat image in an ELF file is laid out, and so should read its source, as a flat binary.
    { __OUTPUT_FORMAT__: formatName(assembly), '__?OUTPUT_FORMAT?__': formatName(assembly), ...options.defines },
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

const formatName = ({ format }: Assembly): string => (isObject(format) ? format : 'bin')

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
  return entry?.pass === assembly.pass && isKnown(symbolValue(entry)) ? symbolValue(entry) : undefined
}

const NOTHING: LineNode = { label: null, colon: false, statement: null }

/** A line that does not parse still defines its label, so that one mistake gives one error. */
function itemOf(read: LogicalLine, preprocessor: Preprocessor, assembly: Assembly): Item {
  const tokens = withoutDollars(read.tokens)
  const line = tokens === read.tokens ? read : { ...read, tokens }
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
  if (isObject(assembly.format)) return objectImage(assembly)
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

/** An object has no image of its own: that of its first section stands for it. */
const objectImage = (assembly: Assembly): Image => ({
  origin: 0,
  entry: 0,
  bytes: assembly.sections[0]!.bytes.slice(0, assembly.sections[0]!.size),
  bits: assembly.firstBits ?? assembly.bits,
  bitsStated: assembly.bitsStated,
  symbols: symbolsOf(assembly),
  lines: [],
  sources: assembly.sources,
})

function symbolsOf(assembly: Assembly): ImageSymbol[] {
  const symbols: ImageSymbol[] = []
  for (const entry of assembly.symbols.values()) {
    if (entry.kind === 'extern') continue
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

const linesOf = (assembly: Assembly): ImageLine[] =>
  placedLines(assembly)
    .map(({ section, offset, length, source, line }) => ({ address: assembly.sections[section]!.base + offset, length, source, line }))
    .toSorted((a, b) => a.address - b.address)

function outputOf(assembly: Assembly, image: Image, debug: boolean): Uint8Array {
  if (assembly.format === 'bin') return image.bytes
  return assembly.format === 'exec' ? writeExecutable(assembly, image, debug) : writeObject(assembly, debug)
}
