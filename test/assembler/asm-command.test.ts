import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import type { DiagnosticsJson } from '../../src/assembler/diagnostics-json.ts'
import { Directory } from '../cli/vtick.ts'

const WARNS = '        bits 64\n%include "part.inc"\nstart:  two 5\n        db 300\n'

const place = new Directory({
  'warns.asm': WARNS,
  'part.inc': '%macro two 1\n        mov eax, %1\n        incbin "raw.dat"\n%endmacro\n',
  'raw.dat': 'raw',
  'wrong.asm': 'bits 64\n%macro m 1\nmov %1, rbx\n%endmacro\n        m eax\n        jmp nowhere\n',
})
afterAll(() => place.remove())

const file = (name: string) => readFileSync(join(place.path, name))

describe('vtick asm', () => {
  test('-f chooses the format and, without -o, the name of the output', async () => {
    expect((await place.vtick('asm warns.asm -f elf64 -g')).code).toBe(0)
    expect((await place.vtick('asm warns.asm -f exec')).code).toBe(0)
    expect([file('warns.o').readUInt16LE(16), file('warns.elf').readUInt16LE(16)]).toEqual([1, 2])
  })

  test('-E prints what is left after macros and includes, which assembles to the same bytes', async () => {
    const { out, code } = await place.vtick('asm -E warns.asm')
    expect(code).toBe(0)
    expect(out).toContain('%line 2+1 part.inc\n        mov eax, 5\n')
    place.write('expanded.asm', out)
    await place.vtick('asm expanded.asm -o expanded.bin')
    await place.vtick('asm warns.asm -o warns.bin')
    expect(file('expanded.bin')).toEqual(file('warns.bin'))
  })

  test('-M prints a rule with everything that was read, -MD writes it beside the output', async () => {
    expect((await place.vtick('asm -M warns.asm')).out).toBe('warns.bin: warns.asm part.inc raw.dat\n')
    expect((await place.vtick('asm -MD warns.asm -o made.bin')).code).toBe(0)
    expect(file('made.d').toString()).toBe('made.bin: warns.asm part.inc raw.dat\n')
  })

  test('-w switches classes of warnings, -Werror makes errors of them', async () => {
    expect((await place.vtick('asm warns.asm')).err).toContain('warning[W0206]')
    expect((await place.vtick('asm -w -number-overflow -Werror warns.asm')).code).toBe(0)
    const strict = await place.vtick('asm -Werror warns.asm -o strict.bin')
    expect(strict.code).toBe(3)
    expect(strict.err).toContain('warns.asm:4:12: error[W0206]')
    expect(existsSync(join(place.path, 'strict.bin'))).toBe(false)
    const unknown = await place.vtick('asm -w number-overlow warns.asm')
    expect([unknown.code, unknown.err]).toEqual([2, expect.stringContaining('did you mean `number-overflow`?')])
  })

  test('--json gives the diagnostics with positions and macro calls', async () => {
    const { out, code } = await place.vtick('asm --json wrong.asm')
    expect(code).toBe(3)
    const report = JSON.parse(out) as DiagnosticsJson
    expect(report).toMatchObject({ version: 1, errors: 2, warnings: 0 })
    expect(report.diagnostics.map(({ code, line, column }) => [code, line, column])).toEqual([
      ['E0203', 5, 11],
      ['E0110', 6, 13],
    ])
    expect(report.diagnostics[0]!.calls).toMatchObject([{ name: 'm', arguments: ['eax'], expansion: 'mov eax, rbx' }])
  })

  test('without a source it says so', async () => {
    expect(await place.vtick('asm')).toMatchObject({ code: 2, err: expect.stringContaining('no source is named') })
  })
})

describe('vtick explain', () => {
  test.each([
    ['E0203', 'operand sizes differ'],
    ['exit 52', 'EXIT_REASON_PREEMPTION_TIMER'],
    ['exit hlt', 'CPU_BASED_HLT_EXITING'],
    ['msr 0x6e0', 'MSR_IA32_TSC_DEADLINE'],
    ['vmcs guest_rip', '0x681e'],
    ['instruction hlt', 'EXIT_REASON_HLT'],
  ])('%s has a page', async (topic, text) => {
    expect(await place.vtick(`explain ${topic}`)).toMatchObject({ code: 0, out: expect.stringContaining(text) })
  })

  test('an unknown topic gets the nearest one', async () => {
    expect(await place.vtick('explain vmcs gest_rip')).toMatchObject({ code: 2, err: expect.stringContaining('did you mean `GUEST_RIP`?') })
  })
})
