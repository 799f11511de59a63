/** Names: defining them, looking them up, and what to say when there is no such name. */

import { nearest } from '../base/suggest.ts'
import type { DiagnosticCode } from './diagnostic-codes.ts'
import { type DiagnosticNotes, diagnostic, type MacroCall } from './diagnostics.ts'
import type { Scope } from './evaluate.ts'
import type { Assembly, SymbolEntry } from './state.ts'
import { type Span, type Token, textOf } from './tokens.ts'
import { inSection, scalar, UNKNOWN, type Value } from './value.ts'
import { wordsOfType } from './words.ts'

/** `.name` belongs to the last label that was not local; `..name` to nobody. */
export const qualified = (name: string, scope: string): string => (name.startsWith('.') && !name.startsWith('..') ? scope + name : name)

/** Whether the label opens a scope for local ones. */
export const opensScope = (name: string): boolean => !name.startsWith('.')

export const hereValue = (assembly: Assembly, offset = assembly.here): Value =>
  assembly.section === null ? scalar(BigInt(offset)) : inSection(assembly.section.index, BigInt(offset))

export function report(assembly: Assembly, code: DiagnosticCode, message: string, span: Span, notes: DiagnosticNotes = {}): void {
  assembly.reports++
  if (!assembly.final) return
  assembly.diagnostics.push(diagnostic(code, message, span, { ...notes, calls: notes.calls ?? callsOf(assembly) }))
}

/** The hint of a report: sought only in the pass that makes it. */
export function didYouMean(assembly: Assembly, word: string, names: () => readonly string[]): string {
  const suggestion = assembly.final ? nearest(word, names()) : undefined
  return suggestion === undefined ? '' : `did you mean \`${suggestion}\`?`
}

/** The macro calls around the present line, deepest first. */
function callsOf({ item }: Assembly): MacroCall[] {
  const calls: MacroCall[] = []
  let text = item ? textOf(item.line.tokens) : ''
  for (let call = item?.line.expansion ?? null; call !== null; call = call.parent) {
    const { name, definition } = call
    calls.push({ name, arguments: call.arguments, definition, call: call.call, expansion: text })
    text = ''
  }
  return calls
}

export function makeScope(assembly: Assembly): Scope {
  return {
    lookup: token => lookup(assembly, token),
    here() {
      assembly.touched = true
      return hereValue(assembly)
    },
    sectionStart() {
      assembly.touched = true
      return assembly.section === null ? scalar(0n) : inSection(assembly.section.index, 0n)
    },
    report: (code, message, span, notes) => report(assembly, code, message, span, notes),
  }
}

function lookup(assembly: Assembly, token: Token): Value | undefined {
  const name = qualified(token.text, assembly.scope)
  const entry = assembly.symbols.get(name)
  if (entry !== undefined && (entry.pass === assembly.pass || !assembly.critical)) {
    if (!entry.fixed || entry.pass !== assembly.pass) assembly.touched = true
    entry.used = true
    return symbolValue(entry)
  }
  assembly.touched = true
  if (!assembly.final) return UNKNOWN
  if (entry !== undefined) {
    report(assembly, 'E0303', `\`${token.text}\` is defined further down, and its value is needed here`, token, {
      related: [{ span: entry.span, text: 'defined' }],
      help: ['what decides how many bytes stand here can only use names from above'],
    })
    return undefined
  }
  unknownName(assembly, token, name)
  return undefined
}

function unknownName(assembly: Assembly, token: Token, name: string): void {
  const candidates = [...assembly.symbols.keys(), ...assembly.knownNames()].map(candidate =>
    candidate.startsWith(`${assembly.scope}.`) && token.text.startsWith('.') ? candidate.slice(assembly.scope.length) : candidate,
  )
  const suggestion = nearest(token.text, candidates) ?? nearest(token.text, wordsOfType('register', 'segment'))
  const related = token.via?.definition ? [{ span: token.via.definition, text: `\`${token.via.name}\` is defined` }] : []
  const same = candidates.find(candidate => candidate.toLowerCase() === token.text.toLowerCase())
  const hint = same
    ? `names distinguish case: \`${same}\`?`
    : suggestion
      ? `did you mean \`${suggestion}\`${valueHint(assembly, suggestion)}?`
      : ''
  const help =
    hint === ''
      ? [isLocal(name) ? 'a local label belongs to the label above it: see which one that is here' : 'is its %include missing?']
      : []
  report(assembly, 'E0110', `unknown name \`${token.text}\``, token, { hint, related, help })
}

const isLocal = (name: string): boolean => name.includes('.')

function valueHint(assembly: Assembly, name: string): string {
  const entry = assembly.symbols.get(name)
  const value = entry?.kind === 'constant' ? symbolValue(entry).constant : assembly.constantOf(name)
  return value === undefined ? '' : ` (0x${BigInt.asUintN(64, value).toString(16)})`
}

/** The value of a symbol; that of a label is made when it is first asked for after it moved. */
export function symbolValue(entry: SymbolEntry): Value {
  entry.value ??= inSection(entry.section, BigInt(entry.offset))
  return entry.value
}

/** Defines a label here, or in ABSOLUTE and STRUC the number that stands for here. */
export function defineLabel(assembly: Assembly, token: Token): SymbolEntry {
  const { section } = assembly
  const entry = claim(assembly, token, 'label')
  if (opensScope(token.text)) assembly.scope = entry.name
  if (section === null) setValue(assembly, entry, scalar(BigInt(assembly.absolute)))
  else moveLabel(assembly, entry, section.index, section.offset)
  return entry
}

/** The label stands at this offset now. */
export function moveLabel(assembly: Assembly, entry: SymbolEntry, section: number, offset: number): void {
  if (entry.offset === offset && entry.section === section) return
  entry.offset = offset
  entry.section = section
  entry.value = null
  if (!entry.stray) assembly.moved = true
}

export function defineConstant(assembly: Assembly, token: Token, value: Value): void {
  setValue(assembly, claim(assembly, token, 'constant'), value)
}

/** A name of another file; saying so twice does no harm. */
export function defineExtern(assembly: Assembly, token: Token): void {
  const known = assembly.symbols.get(token.text)
  if (known?.kind === 'extern' && known.pass === assembly.pass) return
  const number = assembly.externs.indexOf(token.text)
  const place = number === -1 ? assembly.externs.push(token.text) - 1 : number
  const entry = claim(assembly, token, 'extern')
  if (entry.value !== null) return
  entry.value = inSection(-2 - place, 0n)
  assembly.moved = true
}

function setValue(assembly: Assembly, entry: SymbolEntry, value: Value): void {
  if (entry.section === -1 && entry.value !== null && equal(entry.value, value)) return
  entry.section = -1
  entry.value = value
  if (!entry.stray) assembly.moved = true
}

/** The entry that the present definition of a name belongs to; one that is only a duplicate is not kept. */
function claim(assembly: Assembly, token: Token, kind: SymbolEntry['kind']): SymbolEntry {
  const name = qualified(token.text, assembly.scope)
  const known = assembly.symbols.get(name)
  if (known !== undefined && known.pass !== assembly.pass) {
    known.pass = assembly.pass
    known.span = token
    return known
  }
  const fixed = kind === 'constant' && !assembly.touched
  const { pass } = assembly
  const stray = known !== undefined
  const entry: SymbolEntry = { name, value: null, section: -1, offset: -1, kind, used: false, span: token, pass, fixed, stray }
  if (known === undefined) assembly.symbols.set(name, entry)
  else {
    report(assembly, 'E0112', `\`${token.text}\` is defined twice`, token, {
      related: [{ span: known.span, text: 'first defined' }],
      help: [
        token.text.startsWith('.')
          ? 'a local label must be new since the last label without a dot'
          : 'inside a macro, `%%name` is a new label in every call',
      ],
    })
  }
  return entry
}

const equal = (a: Value, b: Value): boolean =>
  a.constant === b.constant &&
  a.unknown === b.unknown &&
  a.terms.length === b.terms.length &&
  a.terms.every((term, index) => term.key === b.terms[index]!.key && term.factor === b.terms[index]!.factor)
