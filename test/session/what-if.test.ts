import { describe, expect, test } from 'vitest'
import { assemble } from '../../src/assembler/assemble.ts'
import type { Image } from '../../src/assembler/image.ts'
import { resolveRunConfig } from '../../src/session/config.ts'
import { type Edit, editText, parseEdit } from '../../src/session/edit.ts'
import { locate } from '../../src/session/locate.ts'
import { record } from '../../src/session/record.ts'
import { replay } from '../../src/session/replay.ts'
import { finished, openTimeline, type Place } from '../../src/session/timeline.ts'
import { guestMsr } from '../../src/session/timeline-msrs.ts'
import type { Cursor } from '../../src/session/travel.ts'
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

/** Behind so many instructions. */
const after = (instructions: number): Place => ({ instructions, events: 0 })

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
    const statusWith = (text: string, at: number): number | undefined =>
      asked(reader, { edits: [edit(text, cell)], at: after(at) }).end?.status
    expect(statusWith('rax=40', 1)).toBe(42)
    expect(statusWith('rax=40', 0)).toBe(3) // the first instruction writes it again
    expect(statusWith('al=5', 1)).toBe(7)
    expect(statusWith('rip=0x100006', 0)).toBe(2) // over the first two: EAX is 0 at the start
    expect(statusWith('[cell]:1=9', 1)).toBe(10)
    expect(statusWith('[cell]:1=9', 3)).toBe(3) // it was read before
  })

  test.each([{ bare: true }, { bare: false }])('makes a trace that replays, and that can be travelled in, %o', options => {
    const changed = asked(recordedOf(image, options), { edits: [edit('rax=40')], at: after(1) })
    expect(replay(changed).kind).toBe('same')
    const timeline = openTimeline(changed)
    timeline.atEvent(changed.count - 1)
    expect(timeline.divergedAt).toBe(-1)
  })
})

/** Reads IA32_TSC_AUX and the page-attribute table; ends with the status of their low bytes' sum. */
const msrImage = assemble(
  [
    ...['bits 64', 'org 0x100000', 'mov ecx, 0xc0000103', 'rdmsr', 'mov ebx, eax', 'mov ecx, 0x277', 'rdmsr', 'and eax, 0xff'],
    ...['add eax, ebx', 'push rax', 'pop rax', 'out 0xf4, eax', 'hlt'],
  ].join('\n'),
  { file: 'msrs.asm' },
).image!

/** Arms its deadline a million cycles from here and waits; the handler ends the run. What stands at `armed` has been retired then. */
const timerImage = guestImage('test/session/one-deadline.asm')

describe('what if an MSR', () => {
  test.each([{ bare: true }, { bare: false }])('held another value, %o', options => {
    const reader = recordedOf(msrImage, options)
    expect(reader.end?.status).toBe(6) // TSC_AUX is 0 at first, and the PAT's first entry is write-back, 6
    const changed = (text: string, at: number): TraceReader => asked(reader, { edits: [edit(text)], at: after(at) })
    expect(changed('msr:0xc0000103=40', 1).end?.status).toBe(46)
    expect(changed('msr.TSC_AUX=40', 0).end?.status).toBe(46)
    expect(changed('msr:IA32_CR_PAT=0x0007040600070404', 2).end?.status).toBe(4)
    expect(changed('msr:IA32_CR_PAT=0x0007040600070404', 6).end?.status).toBe(6) // it was read before
    const traveller = openTimeline(changed('msr:0xc0000103=40', 1))
    traveller.atEvent(traveller.reader.count - 1)
    expect(traveller.divergedAt).toBe(-1)
    expect(replay(changed('msr:0xc0000103=40', 1)).kind).toBe('same')
  })

  test.each([{ bare: true }, { bare: false }])('is given what WRMSR refuses: it stays as it was, and the asker is told, %o', options => {
    const reader = recordedOf(msrImage, options)
    const refused: string[] = []
    const changed = asked(reader, { edits: [edit('msr:IA32_CR_PAT=0x02')], at: after(1), refused: text => void refused.push(text) }) // type 2 is reserved
    expect(refused).toEqual(['msr:0x277=0x2'])
    expect(changed.end?.status).toBe(6)
  })

  const settings = [{ bare: true }, {}, { parameters: { apic_timer_virt: false } }, { level: 'L2' }] as const
  test.each(settings)('IA32_TSC_DEADLINE were sooner: the interrupt comes by it, %o', options => {
    const reader = recordedOf(timerImage, options)
    const interruptAt = (of: TraceReader): number =>
      [...of.events()].find(({ kind, ...event }) => kind === 'interrupt' && 'vector' in event && event.vector === 0xec)!.tick
    const timeline = openTimeline(reader)
    const armed = finished(locate(timeline, 'armed')) as Cursor
    const { tick } = timeline.atMoment(armed)
    const deadline = guestMsr(timeline.atMoment(armed), 0x6e0)!
    const sooner = asked(reader, { edits: [edit(`msr.IA32_TSC_DEADLINE=0x${(deadline - 900_000n).toString(16)}`)], at: armed })
    // 1,000,000 cycles away, and 100,000: the rest is the way of the interrupt through host, KVM and guest.
    expect(interruptAt(reader) - tick).toBeGreaterThan(990_000)
    expect(interruptAt(sooner) - tick).toBeGreaterThan(90_000)
    expect(interruptAt(sooner) - tick).toBeLessThan(200_000)
    expect(replay(sooner).kind).toBe('same')
    const disarmed = asked(reader, { edits: [edit('msr.IA32_TSC_DEADLINE=0')], at: armed, maxInstructions: 100_000 })
    expect(disarmed.end?.reason).toBe('halted') // nothing is left that could wake it
  })
})

describe('an edit', () => {
  test('is kept in words without labels', () => {
    for (const [text, kept] of [
      ['RAX = 0x5', 'rax=0x5'],
      ['ah=255', 'ah=0xff'],
      ['msr.IA32_TSC_DEADLINE=5', 'msr:0x6e0=0x5'],
      ['rip=0x100000', 'rip=0x100000'],
      ['[cell+1]:2=7', `[0x${(cell.get('cell')! + 1n).toString(16)}]:2=0x7`],
    ] as const)
      expect(editText(edit(text, cell))).toBe(kept)
  })

  test('of something that cannot be set says what can', () => {
    for (const text of ['rax', 'rax=', 'al=256', 'vmcs.GUEST_RIP=5', 'cr3=0x1000', 'msr:nothing=1', '[0x9000]:16=1', 'raxx=5'])
      expect(parseEdit(text)).toHaveProperty('help')
  })
})
