import { readdirSync, readFileSync } from 'node:fs'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { renderDiagnostics } from '../../src/assembler/render-diagnostics.ts'
import { isFull } from '../slice.ts'
import { assembleText, complaints } from './assembling.ts'

const PROGRAMS = new URL('./programs/', import.meta.url)
const programs = readdirSync(PROGRAMS)
  .filter(name => name.endsWith('.asm'))
  .map(name => readFileSync(new URL(name, PROGRAMS), 'utf8').split('\n'))
const words = [...new Set(programs.flat().flatMap(line => line.split(/\b|\s+/)))].filter(word => word !== '')

/** Never throws, and always either an image or an error. */
function survives(source: string): void {
  const { image, diagnostics, sources, listing } = assembleText(source)
  expect(image !== undefined).toBe(!diagnostics.some(entry => entry.severity === 'error'))
  renderDiagnostics(diagnostics, sources)
  listing()
}

/** The full run has 10,000 of each property. */
const RUNS = { numRuns: isFull ? 10_000 : 150, seed: 20_260_101 }
const TIMEOUT = isFull ? 1_200_000 : 60_000

/** ASCII, or any unit of UTF-16, lone halves of pairs among them. fast-check's own `binary` strings take seconds to set up. */
const unit = fc.oneof(fc.integer({ min: 0, max: 0x7f }), fc.integer({ min: 0, max: 0xffff }))
const anyText = fc.array(unit, { maxLength: 200 }).map(units => String.fromCharCode(...units))

test('any text is assembled or refused, seed 20260101', { timeout: TIMEOUT }, () => {
  fc.assert(fc.property(anyText, survives), RUNS)
})

test('any soup of tokens is assembled or refused, seed 20260101', { timeout: TIMEOUT }, () => {
  const line = fc.array(fc.constantFrom(...words), { maxLength: 8 }).map(tokens => tokens.join(' '))
  fc.assert(
    fc.property(
      fc.array(line, { maxLength: 20 }).map(lines => lines.join('\n')),
      survives,
    ),
    RUNS,
  )
})

test('programs with lines lost, doubled and exchanged are assembled or refused, seed 20260101', { timeout: TIMEOUT }, () => {
  const mutated = fc
    .tuple(fc.constantFrom(...programs), fc.array(fc.tuple(fc.nat(), fc.nat(), fc.nat(3)), { maxLength: 6 }))
    .map(([lines, edits]) => {
      const copy = [...lines]
      for (const [a, b, kind] of edits) {
        const [from, to] = [a % copy.length, b % copy.length]
        if (kind === 0) copy[from] = ''
        else if (kind === 1) copy.splice(from, 0, copy[to]!)
        else if (kind === 2) copy[from] = copy[from]!.slice(0, b % (copy[from]!.length + 1))
        else [copy[from], copy[to]] = [copy[to]!, copy[from]!]
      }
      return copy.join('\n')
    })
  fc.assert(fc.property(mutated, survives), isFull ? RUNS : { ...RUNS, numRuns: 40 })
})

const doubling = Array.from({ length: 40 }, (_, level) => `%define d${level + 1} d${level} d${level}`).join('\n')
const doublingMacros = Array.from({ length: 40 }, (_, level) => `%macro m${level + 1} 0\nm${level}\nm${level}\n%endmacro`).join('\n')

test.each([
  ['a macro that calls itself', '%macro x 0\nx\n%endmacro\nx', 'E0408'],
  ['a repetition of 10^9', '%rep 1000000000\nnop\n%endrep', 'E0602'],
  ['times 10^9', 'times 1000000000 nop', 'E0602'],
  ['more data than an image has', 'times 60000000 dq 0', 'E0604'],
  ['times within times', 'times 60000 times 60000 times 0 nop', 'E0502'],
  ['more space than an image has', 'resb 0x30000000', 'E0604'],
  ['single-line macros that double', `%define d0 1\n${doubling}\ndb d40`, 'E0606'],
  ['copies of a value beyond measure', 'db 1000000000 dup (0)', 'E0602'],
  ['copies of copies of copies', 'db 1000 dup (1000 dup (1000 dup (0)))', 'E0602'],
  ['choices beyond measure', `db ${'1 ? 2 : '.repeat(1500)}3`, 'E0601'],
  ['a line of more parts than a line has', `db ${'1 ? 2 : '.repeat(5000)}3`, 'E0606'],
  ['parentheses beyond measure', `db ${'('.repeat(5000)}1${')'.repeat(5000)}`, 'E0601'],
  ['minus signs beyond measure', `db ${'- '.repeat(5000)}1`, 'E0601'],
  ['a size that depends on itself', 'x: jmp short $+2\ntimes (y - x) % 3 nop\ny:', 'E0303'],
])('%s is a clear error', (_, source, code) => {
  expect(complaints(source)[0]).toContain(code)
})

test('a name defined twice is that error alone: the second one, made anew in each pass, keeps no pass from being the last', () => {
  expect(complaints('x: times x - $$ + 2 nop\nx: times x - $$ + 1 nop').map(line => line.slice(0, 5))).toEqual(['E0112'])
  expect(complaints('y equ 1\ny equ z\nz:').map(line => line.slice(0, 5))).toEqual(['E0112'])
})

test('multi-line macros that double are stopped', { timeout: 60_000 }, () => {
  expect(complaints(`%macro m0 0\n%endmacro\n${doublingMacros}\nm40`).map(line => line.slice(0, 5))).toContain('E0606')
})

test('files that include each other are stopped', () => {
  const include = (name: string) => ({ file: name, text: `%include "${name}"` })
  expect(complaints('%include "a.inc"', { include })).toEqual([expect.stringContaining('E0603')])
})

test('a sum of ten thousand terms is a sum', () => {
  const { image } = assembleText(`dd ${Array(9999).fill('1').join(' + ')}`)
  expect(Buffer.from(image!.bytes).readUInt32LE()).toBe(9999)
})
