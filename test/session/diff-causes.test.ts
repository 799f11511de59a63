/** What two runs differ in, and why: edited guests, other inputs, other controls of a guest hypervisor. */

import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { assemble } from '../../src/assembler/assemble.ts'
import { resolveRunConfig } from '../../src/session/config.ts'
import { causeText, diffCauses } from '../../src/session/diff-causes.ts'
import { diffMemory } from '../../src/session/memory-diff.ts'
import { record } from '../../src/session/record.ts'
import { diffTraces } from '../../src/trace/diff.ts'
import { memorySink, openTrace, type TraceReader } from '../../src/trace/file.ts'
import { firstDifference } from '../../src/trace/first-difference.ts'

const read = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')
const include = (name: string) => ({ file: name, text: read(`asm/include/${name}`) })

interface Choices {
  readonly bare?: boolean
  readonly input?: string
  readonly apicTimerVirt?: boolean
}

/** A guest of this source, recorded. */
function run(text: string, { bare = false, input = '', apicTimerVirt = true }: Choices = {}): TraceReader {
  const { image } = assemble(text, { file: 'guest.asm', include, defines: { TICKS: '3' } })
  const sink = memorySink()
  const config = resolveRunConfig({ bare, parameters: { apic_timer_virt: apicTimerVirt } })
  record(config, image!, { sink, input: Buffer.from(input), maxInstructions: 500_000 })
  return openTrace(sink.bytes())
}

const causes = (a: TraceReader, b: TraceReader, by: 'arch' | 'exits'): string[] => diffCauses(diffTraces(a, b, { by }), a, b).map(causeText)

const vmx = read('examples/bare-vmx.asm')
const timer = read('examples/deadline-busy.asm')
const echo = read('examples/echo.asm')
/** The line that chooses the controls. */
const controlsLine = vmx.split('\n').findIndex(line => line.includes('CPU_BASED_HLT_EXITING')) + 1

describe('the causes of a difference', () => {
  test.each([{ bare: true }, { bare: false }])('are the control of a guest hypervisor and the line that set it, %o', ({ bare }) => {
    const a = run(vmx, { bare })
    const b = run(vmx.replace('CPU_BASED_HLT_EXITING', '0'), { bare })
    const [program, control] = causes(a, b, 'exits')
    expect(program).toBe(`the programs differ, first at guest.asm:${controlsLine}`)
    expect(control).toMatch(/^A has primary control CPU_BASED_HLT_EXITING=1 \(set at (A#|i:)\d+, guest\.asm:\d+\); B has it 0$/)
    expect(control).toContain(`guest.asm:${controlsLine})`)
  })

  test('are the input that differs first', () => {
    const found = causes(run(echo, { input: 'ab.\n' }), run(echo, { input: 'xb.\n' }), 'arch')
    expect(found[0]).toMatch(/^another input: A#\d+, B#\d+$/)
  })

  test('are the module parameter', () => {
    expect(causes(run(timer), run(timer, { apicTimerVirt: false }), 'exits')).toEqual(['apic_timer_virt true -> false'])
  })
})

describe('an edited guest', () => {
  test('takes the same exits at the same lines, though none stands where it stood', () => {
    const edited = timer.replace('%include "lib.inc"', '        nop\n        nop\n        nop\n%include "lib.inc"')
    const [a, b] = [run(timer), run(edited)]
    expect(diffTraces(a, b, { by: 'exits' })).toMatchObject({ equal: true, sameExits: true })
    expect(firstDifference(a, b, 'exits')).toBeUndefined()
    const more = edited.replace('        load_idt', '        load_idt\n        cpuid')
    const diff = diffTraces(a, run(more), { by: 'exits' })
    expect(diff.hunks.map(hunk => [hunk.a.length, hunk.b.length])).toEqual([[0, 1]])
  })
})

describe('the memory of two runs', () => {
  const counting = (value: number): string =>
    [
      '%include "guest.inc"',
      `        mov dword [cell], ${value}`,
      '        mov byte [0x200000], 7',
      '%include "lib.inc"',
      'cell: dd 0',
    ].join('\n')

  test('differs at the end where they wrote different things', () => {
    const { ranges, differing } = diffMemory(run(counting(5)), run(counting(6)))
    const cells = ranges.filter(({ label }) => label === 'cell')
    expect(cells).toMatchObject([{ a: Uint8Array.of(5), b: Uint8Array.of(6) }])
    expect(differing).toBe(2) // the operand of the MOV too
  })

  test('is the same for the same run, with and without exits', () => {
    expect(diffMemory(run(counting(5)), run(counting(5), { apicTimerVirt: false }))).toMatchObject({ equal: true, rangeCount: 0 })
  })
})

describe('the first difference', () => {
  test('is where the full comparison has its first hunk', () => {
    const [a, b] = [run(timer), run(timer, { apicTimerVirt: false })]
    for (const by of ['arch', 'exits', 'all'] as const) {
      const [hunk] = diffTraces(a, b, { by, tolerance: Number.MAX_SAFE_INTEGER }).hunks
      const first = firstDifference(a, b, by)
      expect(first?.a).toBe(hunk && (hunk.a[0] ?? hunk.after[0]))
    }
  })
})
