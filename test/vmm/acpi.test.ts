/** The machine's ACPI tables through `iasl`, ACPICA's compiler: each is disassembled and compiled again. */

import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { acpiTables } from '../../src/vmm/loaders/acpi.ts'

const hasCompiler = spawnSync('iasl', ['-v']).status === 0
/** All but the root pointer, which is no table. */
const tables = acpiTables(2)
  .map(({ bytes }) => ({ name: Buffer.from(bytes.subarray(0, 4)).toString('latin1'), bytes }))
  .filter(({ name }) => name !== 'RSD ')

describe.skipIf(!hasCompiler)('iasl (skipped where it is not installed)', () => {
  const folder = mkdtempSync(join(tmpdir(), 'vtick-acpi-'))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  test.each(tables)('reads $name without complaint, and compiles what it read', ({ name, bytes }) => {
    writeFileSync(join(folder, `${name}.dat`), bytes)
    const read = spawnSync('iasl', ['-d', `${name}.dat`], { cwd: folder, encoding: 'utf8' })
    expect(read.status).toBe(0)
    expect(`${read.stdout}${read.stderr}`).not.toMatch(/warning|error|invalid|incorrect/i)
    expect(spawnSync('iasl', [`${name}.dsl`], { cwd: folder, encoding: 'utf8' }).stdout).toContain('0 Errors, 0 Warnings')
  })
})
