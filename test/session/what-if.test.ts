import { describe, expect, test } from 'vitest'
import { assemble } from '../../src/assembler/assemble.ts'
import type { Image } from '../../src/assembler/image.ts'
import { resolveRunConfig } from '../../src/session/config.ts'
import { type Edit, editText, parseEdit } from '../../src/session/edit.ts'
import { record } from '../../src/session/record.ts'
import { replay } from '../../src/session/replay.ts'
import { finished, openTimeline } from '../../src/session/timeline.ts'
import { type WhatIf, whatIf } from '../../src/session/what-if.ts'
import { memorySink, openTrace, type TraceReader } from '../../src/trace/file.ts'
import { guestImage } from '../recorded.ts'

function recordedOf(image: Image, options: Parameters<typeof resolveRunConfig>[0] = {}, input = ''): TraceReader {
  const sink = memorySink()
  record(resolveRunConfig(options), image, { sink, input: Buffer.from(input) })
  return openTrace(sink.bytes())
}

function asked(reader: TraceReader, question: WhatIf): TraceReader {
  const sink = memorySink()
  finished(whatIf(reader, question, sink) as Generator<unknown, unknown, void>)
  return openTrace(sink.bytes())
}

const edit = (text: string, names?: ReadonlyMap<string, bigint>): Edit => {
  const made = parseEdit(text, names)
  if ('problem' in made) throw new Error(made.problem)
  return made
}

/** Ends with the status eax + [cell]. */
const image = assemble(
  ['bits 64', 'org 0x100000', 'mov eax, 1', 'nop', 'add eax, [rel cell]', 'out 0xf4, eax', 'hlt', 'cell: dd 2'].join('\n'),
  { file: 'sum.asm' },
).image!
const cell = new Map([['cell', image.symbols.find(({ name }) => name === 'cell')!.value]])

describe('what if', () => {
  test('another parameter: the run is the one that was recorded with it, byte for byte', () => {
    const guest = guestImage('examples/echo.asm')
    const off = asked(recordedOf(guest, {}, 'hello.\n'), { parameters: { apic_timer_virt: false } })
    expect(off.identity).toBe(recordedOf(guest, { parameters: { apic_timer_virt: false } }, 'hello.\n').identity)
  })

  test.each([{ bare: true }, { bare: false }])('another value of a register or of memory, from its position on, %o', options => {
    const reader = recordedOf(image, options)
    expect(reader.end?.status).toBe(3)
    const statusWith = (text: string, at: number): number | undefined => asked(reader, { edits: [edit(text, cell)], at }).end?.status
    expect(statusWith('rax=40', 1)).toBe(42)
    expect(statusWith('rax=40', 0)).toBe(3) // the first instruction writes it again
    expect(statusWith('al=5', 1)).toBe(7)
    expect(statusWith('[cell]:1=9', 1)).toBe(10)
    expect(statusWith('[cell]:1=9', 3)).toBe(3) // it was read before
  })

  test.each([{ bare: true }, { bare: false }])('makes a trace that replays, and that can be travelled in, %o', options => {
    const changed = asked(recordedOf(image, options), { edits: [edit('rax=40')], at: 1 })
    expect(replay(changed).kind).toBe('same')
    const timeline = openTimeline(changed)
    timeline.atEvent(changed.count - 1)
    expect(timeline.divergedAt).toBe(-1)
  })
})

describe('an edit', () => {
  test('is kept in words without labels', () => {
    for (const [text, kept] of [
      ['RAX = 0x5', 'rax=0x5'],
      ['ah=255', 'ah=0xff'],
      ['[cell+1]:2=7', `[0x${(cell.get('cell')! + 1n).toString(16)}]:2=0x7`],
    ] as const)
      expect(editText(edit(text, cell))).toBe(kept)
  })

  test('of something that cannot be set says what can', () => {
    for (const text of ['rax', 'rax=', 'al=256', 'vmcs.GUEST_RIP=5', '[0x9000]:16=1', 'raxx=5'])
      expect(parseEdit(text)).toHaveProperty('help')
  })
})
