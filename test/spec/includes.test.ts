/** The include files for guest programs against the tables that they come from. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { generateIncludes } from '../../scripts/includes.ts'

const directory = join(import.meta.dirname, '../../asm/include')
const includes = Object.entries(generateIncludes())

test.each(includes)('asm/include/%s is fresh', (file, text) => {
  expect(readFileSync(join(directory, file), 'utf8'), 'npm run includes').toBe(text)
})

test('no constant is defined twice, so a program may include all files', () => {
  const names = includes.flatMap(([, text]) => [...text.matchAll(/^(\w+) +equ /gm)].map(match => match[1]!))
  expect(names.length).toBeGreaterThan(600)
  expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([])
})

test.each([
  ['msr.inc', 'MSR_IA32_TSC_DEADLINE', 0x6e0],
  ['vmcs.inc', 'GUEST_DEADLINE_VIR_HIGH', 0x204f],
  ['vmx-controls.inc', 'CPU_BASED_ACTIVATE_SECONDARY_CONTROLS', 0x8000_0000],
  ['cr.inc', 'X86_CR4_FRED', 0x1_0000_0000],
  ['rflags.inc', 'X86_EFLAGS_IOPL', 0x3000],
])('%s defines %s', (file, name, value) => {
  const line = generateIncludes()
    [file]!.split('\n')
    .find(text => text.startsWith(`${name} `))
  expect(line).toMatch(new RegExp(`equ 0x${value.toString(16)}( |$)`))
})
