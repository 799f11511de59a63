import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { assembleProgram, ORACLE, type Oracle, programNames, sha256 } from './programs.ts'

const oracle = JSON.parse(readFileSync(ORACLE, 'utf8')) as Oracle

test('the oracle knows every program, thirty at least', () => {
  expect(Object.keys(oracle.programs)).toEqual(programNames())
  expect(programNames().length).toBeGreaterThanOrEqual(30)
})

test.each(programNames())('%s assembles to the bytes that NASM made of it', name => {
  const { image, diagnostics } = assembleProgram(name)
  expect(diagnostics.filter(entry => entry.severity === 'error')).toEqual([])
  expect({ bytes: image!.bytes.length, sha256: sha256(image!.bytes) }).toEqual(oracle.programs[name])
})
