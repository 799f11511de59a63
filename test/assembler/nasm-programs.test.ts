import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { bytesOf, hex } from './assembling.ts'
import { hasNasm, nasm } from './nasm.ts'

const FOLDER = new URL('./programs/', import.meta.url)

describe.skipIf(!hasNasm)('whole programs', () => {
  test.each(readdirSync(FOLDER))('%s assembles to NASM’s bytes', name => {
    const source = readFileSync(new URL(name, FOLDER), 'utf8')
    expect(bytesOf(source)).toBe(hex(nasm(source).bytes))
  })
})
