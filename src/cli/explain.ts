/**
 * `vtick explain TOPIC`: a short page about a diagnostic's code, an exit reason, an MSR, a VMCS field or an instruction. The facts are
 * the tables that the emulator itself runs on.
 */

import { DIAGNOSTIC_CODES, type DiagnosticCode } from '../assembler/diagnostic-codes.ts'
import { renderPage } from '../assembler/explain/pages.ts'
import { parseNumber } from '../assembler/literals.ts'
import { nearest } from '../base/suggest.ts'
import { INSTRUCTIONS, rowsByMnemonic } from '../isa/table.ts'
import { DEFECTS } from '../kvm/defects.ts'
import { EXIT_REASONS } from '../spec/exit-reasons.ts'
import { MSRS } from '../spec/msrs.ts'
import { groupOf, indexOf, VMCS_FIELDS, widthOf } from '../spec/vmcs-fields.ts'
import { EXIT, type ExitCode, usageError } from './exit-codes.ts'
import type { Terminal } from './terminal.ts'

const hex = (value: number): string => `0x${value.toString(16)}`

/** The number that a word says, in any of the assembler's spellings. */
function numberIn(word: string): number | undefined {
  const value = /^\d/.test(word) ? parseNumber(word) : undefined
  return value === undefined ? undefined : Number(value)
}

/** The row whose name or number a word gives; a name may lack its prefix and its capitals. */
function rowNamed<Row>(rows: Readonly<Record<string, Row>>, prefix: string, word: string, numberOf: (row: Row) => number) {
  const number = numberIn(word)
  const name = word.toUpperCase()
  return Object.entries(rows).find(([key, row]) =>
    number === undefined ? key.toUpperCase() === name || key.toUpperCase() === prefix + name : numberOf(row) === number,
  )
}

function explainExit(word: string): string | undefined {
  const found = rowNamed(EXIT_REASONS, 'EXIT_REASON_', word, row => row)
  if (found === undefined) return undefined
  const [name, number] = found
  const causes = INSTRUCTIONS.filter(row => row.intercept?.[1] === name).map(row => {
    const [control] = row.intercept!
    return `  ${row.mnemonic.padEnd(12)} ${control === 'always' ? 'always' : `when ${control} is 1`}`
  })
  const rest = causes.length === 0 ? '' : `\n\nInstructions that exit with it:\n${causes.join('\n')}`
  return `${name}: basic exit reason ${number} (${hex(number)})${rest}`
}

function explainMsr(word: string): string | undefined {
  const found = rowNamed<{ readonly index: number; readonly sdm: string }>(MSRS, 'MSR_', word, row => row.index)
  if (found === undefined) return undefined
  const [name, { index, sdm }] = found
  return `${name}: MSR ${hex(index)}\n\n${sdm}\n\nmov ecx, ${name}, then RDMSR or WRMSR; %include "guest.inc" knows the name.`
}

function explainField(word: string): string | undefined {
  const found = rowNamed<{ readonly encoding: number; readonly sdm: string }>(VMCS_FIELDS, '', word, row => row.encoding)
  if (found === undefined) return undefined
  const [name, { encoding, sdm }] = found
  const width = widthOf(encoding)
  const bits = width === 'natural' ? 'natural-width' : `${width}-bit`
  return `${name}: VMCS field ${hex(encoding)}\n\n${sdm}\n\nA ${bits} field, number ${indexOf(encoding)} of its group: ${groupOf(encoding).replace('-', ' ')}.`
}

function explainInstruction(word: string): string | undefined {
  const row = rowsByMnemonic.get(word.toUpperCase())
  if (row === undefined) return undefined
  const forms = row.forms.map(form =>
    `  ${form.notation.split('|')[0]!.trim().padEnd(24)} ${form.operands.map(operand => operand.text).join(', ')}`.trimEnd(),
  )
  const intercept = row.intercept
  const exits =
    intercept === null
      ? ''
      : `\n\nIn VMX non-root operation: ${intercept[1]}, ${intercept[0] === 'always' ? 'always' : `when ${intercept[0]} is 1`}.`
  const writes = row.writes === '' ? '' : `\n\nFlags written: ${row.writes}`
  return `${row.mnemonic}\n\n${forms.join('\n')}${writes}${exits}`
}

const isCode = (word: string): word is DiagnosticCode => word in DIAGNOSTIC_CODES

const KINDS: Readonly<Record<string, { readonly explain: (word: string) => string | undefined; readonly names: () => readonly string[] }>> =
  {
    exit: { explain: explainExit, names: () => Object.keys(EXIT_REASONS) },
    msr: { explain: explainMsr, names: () => Object.keys(MSRS) },
    vmcs: { explain: explainField, names: () => Object.keys(VMCS_FIELDS) },
    instruction: { explain: explainInstruction, names: () => [...rowsByMnemonic.keys()] },
  }

export function explainCommand(terminal: Terminal, words: readonly string[]): ExitCode {
  terminal.print(pageAbout(words).trimEnd())
  return EXIT.fine
}

const defectsPage = (): string =>
  [
    'Mistakes of the series "KVM: VMX APIC timer virtualization support" as it was posted, by the patch that makes them. KVM here makes',
    'none of them, unless it is told to: `vtick run FILE --defect NAME`. A test is worth something if it fails then.',
    '',
    ...Object.entries(DEFECTS).map(([name, { patch, what }]) => `  ${name.padEnd(16)} patch ${String(patch).padEnd(3)} ${what}`),
  ].join('\n')

/** A topic with its kind in front, or a single word that is looked for everywhere. */
function pageAbout(words: readonly string[]): string {
  const [first = '', second] = words
  const kind = KINDS[first.toLowerCase()]
  if (kind !== undefined && second !== undefined) return kind.explain(second) ?? unknown(words.join(' '), second, kind.names())
  if (first.toLowerCase() === 'defects') return defectsPage()
  const code = first.toUpperCase()
  if (isCode(code)) return renderPage(code)
  for (const { explain } of Object.values(KINDS)) {
    const page = numberIn(first) === undefined ? explain(first) : undefined
    if (page !== undefined) return page
  }
  return unknown(first, first, ['defects', ...Object.keys(DIAGNOSTIC_CODES), ...Object.values(KINDS).flatMap(({ names }) => names())])
}

function unknown(topic: string, word: string, names: readonly string[]): never {
  const suggestion = nearest(word, names)
  const next = suggestion
    ? `did you mean \`${suggestion}\`?`
    : 'topics are codes (E0203), `exit 52`, `msr 0x6e0`, `vmcs guest_rip`, `instruction wrmsr`, defects'
  throw usageError(`there is no page about \`${topic}\``, next)
}
