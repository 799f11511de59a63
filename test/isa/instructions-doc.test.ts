/** The reference of the instructions against the table that it comes from, and what printing an operation proves. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { renderInstructions } from '../../scripts/instructions-doc.ts'
import { decode } from '../../src/isa/decode.ts'
import { pseudocode } from '../../src/isa/pseudocode.ts'

const operationOf = (hex: string): readonly string[] => {
  const bytes = Buffer.from(hex, 'hex')
  const instruction = decode(index => bytes[index] ?? 0, { bits: 64, stackSize: 64 })
  if (typeof instruction === 'string') throw new Error(`${hex} is ${instruction}`)
  return pseudocode(instruction)
}

test('docs/instructions.md is fresh', () => {
  expect(readFileSync(join(import.meta.dirname, '../../docs/instructions.md'), 'utf8') === renderInstructions(), 'npm run docs').toBe(true)
})

test('the operation of every form prints as text: no execute looks at a value', () => {
  // A peek would show as a thrown error or as a JavaScript value among the text.
  expect(renderInstructions()).not.toMatch(/\[object|undefined :|NaN|=> /)
})

test('an addition prints as its steps', () => {
  expect(operationOf('4801d8')).toEqual(['t1 := dst', 't2 := src', 'dst := t1 + t2', 'status flags := add (t1 + t2; from t1, t2)'])
})

test('a conditional move asks the machine, not TypeScript', () => {
  expect(operationOf('480f44c3')).toEqual(['t1 := condition E', 't2 := src', 't3 := dst', 't4 := if t1 then t2 else t3', 'dst := t4'])
})
