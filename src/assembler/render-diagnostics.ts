/**
 * Diagnostics as text, for people:
 *
 *     deadline.asm:42:13: error[E0203]: operand sizes differ
 *        42 |     mov     eax, rbx
 *           |             ~~~  ~~~  32-bit destination, 64-bit source
 *           = help: ...
 */

import stringWidth from 'string-width'
import type { Diagnostic, MacroCall } from './diagnostics.ts'
import type { ImageSource } from './image.ts'
import type { Span } from './tokens.ts'

const GUTTER = 5
const MARGIN = `${' '.repeat(GUTTER)} `
/** Longer source lines are shown in part. */
const EXCERPT = 160

export function renderDiagnostics(diagnostics: readonly Diagnostic[], sources: readonly ImageSource[]): string {
  if (diagnostics.length === 0) return ''
  const lines = new Map<number, string[]>()
  const lineOf = ({ source, line }: Span): string => {
    let all = lines.get(source)
    if (all === undefined) {
      all = (sources[source]?.text ?? '').split(/\r?\n/)
      lines.set(source, all)
    }
    return all[line - 1] ?? ''
  }
  const blocks = diagnostics.map(entry => renderOne(entry, sources, lineOf(entry.span)))
  return `${blocks.join('\n')}\n${summary(diagnostics)}\n`
}

function renderOne(entry: Diagnostic, sources: readonly ImageSource[], line: string): string {
  const { severity, code, message, span, hint } = entry
  const out = [`${placeOf(span, sources)}:${span.column + 1}: ${severity}[${code}]: ${message}`]
  const [text, underline] = excerpt(line, span, entry.also)
  out.push(
    `${String(span.line).padStart(GUTTER)} | ${text}`,
    `${MARGIN}| ${underline}${hint === '' ? '' : `${entry.also.length > 0 ? ' ' : ''} ${hint}`}`,
  )
  for (const help of entry.help) out.push(`${MARGIN}= help: ${help}`)
  for (const place of entry.related) out.push(`${MARGIN}= note: ${place.text} at ${placeOf(place.span, sources)}`)
  for (const call of entry.calls) out.push(`${MARGIN}${renderCall(call, sources)}`)
  return out.join('\n')
}

function renderCall(call: MacroCall, sources: readonly ImageSource[]): string {
  const values = call.arguments.map((argument, index) => `%${index + 1}=${argument}`)
  const expansion = call.expansion === '' ? '' : `, expands to: ${call.expansion}`
  return `in macro ${call.name}(${values.join(', ')}), defined at ${placeOf(call.definition, sources)}, called at ${placeOf(call.call, sources)}${expansion}`
}

const placeOf = (span: Span, sources: readonly ImageSource[]): string => `${sources[span.source]?.file ?? '?'}:${span.line}`

/** The line and the marks below it. Tabs stay tabs in both, wide characters get as many marks as columns. */
function excerpt(line: string, span: Span, also: readonly Span[]): [text: string, underline: string] {
  const from = line.length > EXCERPT ? Math.max(0, span.column - EXCERPT / 2) : 0
  const text = `${from > 0 ? '...' : ''}${line.slice(from, from + EXCERPT)}${from + EXCERPT < line.length ? '...' : ''}`
  const offset = from > 0 ? 3 - from : 0
  const marks = [span, ...also.filter(other => other.source === span.source && other.line === span.line)]
    .map(mark => ({ start: Math.max(0, mark.column + offset), length: Math.max(1, mark.length) }))
    .toSorted((a, b) => a.start - b.start)
  let underline = ''
  let position = 0
  for (const { start, length } of marks) {
    if (start < position) continue
    underline += blank(text.slice(position, start).padEnd(start - position))
    const width = Math.max(1, stringWidth(text.slice(start, start + length)))
    underline += marks.length > 1 ? '~'.repeat(width) : `^${'~'.repeat(width - 1)}`
    position = start + length
  }
  return [text, underline]
}

/** White space as wide as the text. */
const blank = (text: string): string =>
  text
    .split('\t')
    .map(part => ' '.repeat(stringWidth(part)))
    .join('\t')

function summary(diagnostics: readonly Diagnostic[]): string {
  const errors = diagnostics.filter(entry => entry.severity === 'error')
  const warnings = diagnostics.length - errors.length
  const counted = (count: number, noun: string) => `${count} ${noun}${count === 1 ? '' : 's'}`
  const more = errors[0] ? `  \`vtick explain ${errors[0].code}\` for more.` : ''
  return `${counted(errors.length, 'error')}, ${counted(warnings, 'warning')}.${more}`
}
