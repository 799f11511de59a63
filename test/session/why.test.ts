/** Chains of origins, checked by hand against the sources of the guests. */

import { describe, expect, it } from 'vitest'
import { type Location, parseLocation } from '../../src/query/location.ts'
import { isNowhere, locate } from '../../src/session/locate.ts'
import { finished, openTimeline } from '../../src/session/timeline.ts'
import type { Cursor } from '../../src/session/travel.ts'
import { why } from '../../src/session/why/why.ts'
import type { EventOf } from '../../src/spec/trace-events.ts'
import { recorded } from '../recorded.ts'

const nested = recorded('examples/deadline-busy.asm', { defines: { TICKS: '2' }, level: 'L2' })

function chain(position: string, location: string, timeline = openTimeline(nested.reader), depth?: number) {
  const program = new Map(timeline.reader.header.image.symbols.map(({ name, value }) => [name, value]))
  const cursor = finished(locate(timeline, position))
  expect(isNowhere(cursor)).toBe(false)
  return finished(why(timeline, cursor as Cursor, parseLocation(location, program) as Location, depth))
}

const indexOf = (kind: string, nth = 0): number => nested.events.flatMap((event, i) => (event.kind === kind ? [i] : []))[nth]!

describe('why', () => {
  it("leads from L2's interrupt over its timer, the copy of vmcs12 and L1's VMWRITE to the clock", () => {
    const fired = indexOf('apic_timer_fire', 1)
    const taken = nested.events.findIndex((event, i) => i > fired && event.kind === 'interrupt' && event.source === 'virtual')
    const { steps, end, operands } = chain(`#${taken}`, 'irq:0xec')
    // The guest: `read_tsc; lea r12, [rax + PERIOD]; write_msr64 MSR_IA32_TSC_DEADLINE, r12`, PERIOD = 20000 = 0x4e20.
    const armed = nested.events.findLastIndex((event, i) => i < fired && event.kind === 'apic_timer_arm')
    const { virtual_deadline: deadline } = nested.events[armed] as EventOf<'apic_timer_arm'>
    const hex = (value: bigint): string => `0x${value.toString(16)}`
    expect(steps.filter(({ depth }) => depth === 0).map(({ text }) => text)).toEqual([
      'vector 0xec delivered (virtual)',
      'virtual timer vector 0xec: deadline reached',
      `guest timer armed: guest_deadline ${hex(deadline)}`,
      `msr 6e0 <- ${hex(deadline)}  wrmsr`,
      'mov rax, rdx',
      'mov rdx, r12',
      `lea r12, [rax+0x4e20]  = ${hex(deadline)}`,
      `or rax, rdx  = rax(${hex(deadline - 20000n)}), rdx(0)`,
    ])
    expect(end).toBe('operands')
    expect(operands.map(each => (each.kind === 'register' ? each.index : -1))).toEqual([0, 2])
    const sides = steps.filter(({ depth }) => depth === 1)
    expect(sides.map(({ text }) => text)).toEqual([
      'vmcs02.GUEST_APIC_TIMER_VECTOR <- 0xec  copied from vmcs12 at the nested VM entry',
      expect.stringMatching(/^vmcs12.GUEST_APIC_TIMER_VECTOR <- 0xec {2}vmwrite /),
      'rax <- rdtsc',
      'rdx <- shl rdx, 0x20',
    ])
    // L1 wrote it with a VMWRITE that exits to L0 and comes back: the events say so themselves.
    const copied = nested.events[sides[0]!.event!]!
    expect(copied.kind).toBe('kvm_nested_vmenter')
    const exit = Number(/#(\d+)/.exec(sides[1]!.note!)![1])
    expect(nested.events[exit]).toMatchObject({ kind: 'kvm_exit', reason: 25, level: 1 }) // VMWRITE (SDM, "Basic Exit Reasons")
    const lines = nested.reader.header.image.sources[0]!.text.split('\n')
    const wrmsr = steps.find(({ text }) => text.includes('wrmsr'))!.source!
    expect(lines[wrmsr.line - 1]).toContain('write_msr64 MSR_IA32_TSC_DEADLINE, r12')
  })

  it('takes less than a second of the processor in a trace that is open', () => {
    const timeline = openTimeline(nested.reader)
    chain('@end', 'irq:0xec', timeline)
    const before = process.cpuUsage()
    chain('@end', 'irq:0xec', timeline)
    const { user, system } = process.cpuUsage(before)
    expect((user + system) / 1e6).toBeLessThan(1)
  })

  it('follows a register through the memory that L1 saved it in, over nested exits', () => {
    const { value, steps, end } = chain('@end', 'r13')
    expect(value).toBe(2n) // ticks asked for
    expect(steps[0]!.text).toMatch(/^inc r13 {2}= 2$/)
    expect(steps.at(-1)!.text).toBe('xor r13d, r13d')
    expect(end).toBe('constant')
  })
})

describe('why, of what the processor and KVM write', () => {
  const { reader, events } = recorded('test/session/origins.asm')
  const timeline = openTimeline(reader)
  const texts = (position: string, location: string): readonly string[] => chain(position, location, timeline).steps.map(({ text }) => text)
  const lastExit = events.findLastIndex(({ kind }) => kind === 'kvm_exit')

  it('RIP is where the last branch went, that is where its flags are from', () => {
    // ECX is 3, 2, 1 at `count`; the third time it becomes 0 and the code goes on: the branch of the second time was the last taken.
    const { steps, end } = chain('counted#1', 'rip', timeline)
    expect(steps.map(({ text }) => text)).toEqual(['jne count', 'dec ecx  = 1', 'dec ecx  = 2', 'mov ecx, 3'])
    expect(steps[0]!.note).toBe('taken')
    expect(end).toBe('constant')
    const back = reader.header.image.symbols.find(({ name }) => name === 'back')!.value
    expect(texts('back#1', 'rip')).toEqual([
      'jmp qword [rel target]',
      `[target] <- 0x${back.toString(16)}  mov [rel target], rdx`,
      'lea rdx, [rel back]',
    ])
  })

  it('RFLAGS are of the last instruction that wrote flags; a loop shows its newest and its oldest round', () => {
    const { steps } = chain('counted#1', 'rflags', timeline)
    expect(steps.map(({ text }) => text)).toEqual(['dec ecx  = 0', 'dec ecx  = 2', 'mov ecx, 3'])
    expect(steps[1]!.note).toBe('3 times, going back')
  })

  it('a control register leads to the MOV and through it, an APIC register to its WRMSR', () => {
    expect(texts('@end', 'cr3')).toEqual(['mov cr3, rax', 'mov rax, cr3', 'cr3 as the boot environment left it'])
    const lvt = chain('@end', 'apic.APIC_LVTT', timeline)
    expect(lvt.steps.map(({ text }) => text)).toEqual(['APIC_LVTT <- 0x100ec  wrmsr', 'mov eax, 0x100ec']) // SDM: masked is bit 16
    expect(lvt.end).toBe('constant')
  })

  it('the last of two stores of the same value counts, and a rewritten register', () => {
    const [step] = chain('@end', '[cell]:4', timeline).steps
    expect(reader.header.image.sources[0]!.text.split('\n')[step!.source!.line - 1]).toMatch(/^again:/)
  })

  it('at the end KVM has moved GUEST_RIP behind the OUT that exited, whose state the exit saved', () => {
    const { rip, reason } = events[lastExit] as EventOf<'kvm_exit'>
    expect(reason).toBe(30) // I/O instruction (SDM, "Basic Exit Reasons")
    const { value, steps } = chain('@end', 'vmcs.GUEST_RIP', timeline)
    expect(value).toBe(rip + 2n) // OUT imm8, EAX is E7 ib
    expect(steps[0]).toMatchObject({ event: lastExit, note: 'behind out 0xf4, eax' })
    expect(steps[0]!.text).toBe(`vmcs.GUEST_RIP <- 0x${(rip + 2n).toString(16)}  by KVM, at the exit IO_INSTRUCTION`)
    const atExit = chain(`#${lastExit}`, 'vmcs.GUEST_RIP', timeline)
    expect(atExit.value).toBe(rip)
    expect(atExit.steps[0]!.text).toBe(`vmcs.GUEST_RIP <- 0x${rip.toString(16)}  saved at the VM exit IO_INSTRUCTION`)
    expect(texts('@end', 'vmcs.VM_EXIT_REASON')).toEqual([
      'vmcs.VM_EXIT_REASON <- 0x1e  saved at the VM exit IO_INSTRUCTION',
      `exit IO_INSTRUCTION at rip 0x${rip.toString(16)}`,
      'out 0xf4, eax',
    ])
  })

  it('says that it is older when it is not to look back so far', () => {
    expect(chain('@end', 'cr3', timeline, 4)).toMatchObject({ end: 'older', depth: 4, steps: [] })
    expect(chain('@end', 'cr3', timeline, 1000).end).toBe('configuration')
  })
})

describe('why, of several CPUs', () => {
  it.each([2, 4])('memory leads to the CPU that wrote it, of %i', cpus => {
    const { reader } = recorded('test/hw/smp.asm', { cpus, defines: { CPUS: `${cpus}` } })
    const { value, steps } = chain('@end', '[counter]', openTimeline(reader))
    expect(value).toBe(BigInt((cpus - 1) * 1000)) // each of the others counts ROUNDS times
    // `mov rax, [counter]`, `inc rax`, `mov [counter], rax` under a lock that only the others take.
    expect(steps.slice(0, 3).map(({ text }) => text)).toEqual([
      `[counter] <- 0x${value!.toString(16)}  mov [rel counter], rax`,
      `inc rax  = 0x${value!.toString(16)}`,
      'mov rax, [rel counter]',
    ])
    expect(steps.every(({ cpu }) => cpu > 0)).toBe(true)
  })
})

describe('positions that take a run', () => {
  const timeline = openTimeline(nested.reader)
  const at = (text: string) => finished(locate(timeline, text))

  it('a visit of a label is a moment before its instruction, and visits grow', () => {
    const first = at('tick#1') as Cursor
    const second = at('tick#2') as Cursor
    expect(first.instructions).toBeLessThan(second.instructions)
    expect(at('tick#3')).toEqual({ problem: '`tick` runs 2 times', help: 'its last visit is tick#2' })
    expect(at('tik#2')).toMatchObject({ problem: 'the program has no label `tik`', help: 'did you mean `tick#2`?' })
  })

  it('an instruction is the moment before it, with all that came before: the instruction that was retired last counts', () => {
    const timeline = openTimeline(nested.reader)
    for (const count of [3, 20, 100]) {
      const { instructions, eventIndex } = timeline.atMoment({ instructions: count, events: 0 })
      expect(at(`i:${count}`)).toEqual({ instructions, events: eventIndex })
    }
  })

  it('a label alone is its first visit, a number alone an event, also with white space around', () => {
    expect(at('tick')).toEqual(at('tick#1'))
    expect(at(' 7 ')).toEqual(at('#7'))
    expect(at('tikc')).toEqual({ problem: '`tikc` is no position', help: 'did you mean `tick`?' })
  })

  it('a TSC value is the first moment that reads at least as much', () => {
    const armed = nested.events[indexOf('apic_timer_arm')] as EventOf<'apic_timer_arm'>
    const place = at(`tsc:0x${armed.virtual_deadline.toString(16)}`) as Cursor
    const before = at('tick#1') as Cursor
    const after = at('tick#2') as Cursor
    expect(place.instructions).toBeGreaterThan(before.instructions)
    expect(place.instructions).toBeLessThan(after.instructions)
    expect(at('tsc:0xffffffffffffffff')).toMatchObject({ problem: expect.stringContaining('never reads') })
  })

  it('without a failure there is no @fail, and what is no position says what one is', () => {
    expect(at('@fail')).toMatchObject({ problem: 'nothing failed in this trace' })
    expect(at('nonsense')).toMatchObject({ problem: '`nonsense` is no position' })
    expect(at("'q")).toMatchObject({ problem: "there is no mark 'q" })
  })
})
