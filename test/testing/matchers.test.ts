/** Guests run by tests in TypeScript: the runs, the matchers and what they say, the serializer, and the example of docs/testing.md. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { transformWithOxc } from 'vite'
import { describe, expect, test } from 'vitest'
import { cycles, type GuestOptions, guest, microseconds } from '../../src/testing/vitest.ts'
import '../../src/testing/vitest-setup.ts'

const DOCUMENT = readFileSync(join(import.meta.dirname, '../../docs/testing.md'), 'utf8')
const EXAMPLE = /^## In TypeScript.*?^```ts\n(.*?)^```$/ms.exec(DOCUMENT)![1]!
/** Without its imports, whose names it is given, and without types. */
const { code: BODY } = await transformWithOxc(EXAMPLE.replace(/^import .*$/gm, ''), 'example.ts')

describe('the example of docs/testing.md', () => {
  new Function('test', 'expect', 'guest', 'cycles', BODY)(test, expect, guest, cycles)
})

const deadline = (options: GuestOptions) => guest('examples/deadline.guest.asm').with(options).run()
const OFF = { params: { apic_timer_virt: 0 } } as const

/** Four moved into EAX, or another number, compared with four. */
const four = (value: number) =>
  guest`
        mov     eax, ${value}
        cmp     eax, 4
        report  "four", e
`.run()

/** What a matcher throws, with what vitest makes its diff of. */
function refusal(ask: () => void): { readonly message: string; readonly expected: unknown; readonly actual: unknown } {
  try {
    ask()
  } catch (error) {
    if (error instanceof Error && 'expected' in error && 'actual' in error)
      return { message: error.message, expected: error.expected, actual: error.actual }
    throw error
  }
  throw new Error('the matcher agrees')
}

describe('a run', () => {
  test('with a defect of KVM is another one', async () => {
    const defects = guest('asm/apic-timer-defects.asm')
    expect(await defects.run()).toPass()
    const { console } = await defects.with({ defects: ['stale-vector'] }).run()
    expect(console).toContain('FAIL: the timer interrupts at the vector that LVTT has now')
  })
  test('has what the guest printed, how it ended, and the interrupts that it took', async () => {
    const t = await deadline(OFF)
    expect(t.console).toBe('PASS: ten ticks were taken\nPASS: a deadline far off reads back\nPASS: writing 0 disarms\nSUMMARY: 3 tests\n')
    expect(t.end).toEqual({ reason: 'exit-port', status: 0, why: '' })
    expect(t.irq(0xec).ticks).toHaveLength(10)
    expect(t.irq(0xed).count).toBe(0)
    // Eleven deadlines that are not 0, and an EOI for each tick.
    expect(t.facts().marks.filter(({ kind }) => kind === 'arm')).toHaveLength(11)
    expect(t.facts().marks.filter(({ kind }) => kind === 'eoi')).toHaveLength(10)
  })

  test('takes definitions, features of the CPU and input', async () => {
    const t = await guest('examples/echo.asm').with({ input: 'ab\n', level: 'L0' }).run()
    expect(t.console).toContain('ab')
    const fallen = await deadline({ cpu: ['-apic-timer-virt'] })
    expect(fallen).toHaveExits({ 'MSR_WRITE, 0x6e0': 12, PREEMPTION_TIMER: 10 })
    const defined = await guest`
        mov     eax, WANTED
        cmp     eax, 7
        report  "seven", e`
      .with({ defines: { WANTED: 7 } })
      .run()
    expect(defined).toPass()
  })

  test('of a source that does not assemble is refused with the diagnostics of the assembler, at the lines of the template', async () => {
    await expect(
      guest`
        movv    eax, 5`.run(),
    ).rejects.toThrow(/^inline\.asm:2:9: error\[E\d+\]: unknown instruction `movv`/)
  })

  test.each([
    [() => guest('no-such.asm').run(), /^cannot read the guest .*no-such\.asm; a name is relative to the working directory/],
    [
      () => deadline({ cpu: ['+apic-timer-vir' as '+apic-timer-virt'] }),
      /`apic-timer-vir` is not a feature of this CPU \(did you mean `apic-timer-virt`\?\)/,
    ],
    [() => deadline({ params: { apic_timer: 1 } as object }), /`apic_timer` is not a module parameter/],
  ])('of a wrong option is refused by name %#', async (run, message) => {
    await expect(run()).rejects.toThrow(message)
  })
})

describe('the matchers say what differs, line by line', () => {
  test('toPass: of a guest that reports a failure, and of one that dies', async () => {
    expect(await four(4)).toPass()
    const wrong = await four(5)
    expect(wrong).not.toPass()
    expect(refusal(() => expect(wrong).toPass())).toMatchObject({ expected: 'PASS: four', actual: 'FAIL: four' })
    const dead = await guest`
        ud2`.run() // no IDT: #UD becomes #DF becomes a triple fault
    expect(refusal(() => expect(dead).toPass())).toMatchObject({
      expected: 'the guest ends by itself, with a status to the exit port',
      actual: 'a triple fault',
    })
  })

  test('toHaveExits', async () => {
    const t = await deadline(OFF)
    expect(t).toHaveExits({ 'MSR_WRITE, IA32_TSC_DEADLINE': 12, PREEMPTION_TIMER: 10, HLT: 0 })
    const said = refusal(() => expect(t).toHaveExits({ 'MSR_WRITE, 0x6e0': 0, PREEMPTION_TIMER: 10 }))
    expect(said.expected).toBe('MSR_WRITE 6e0 (IA32_TSC_DEADLINE)   0\nPREEMPTION_TIMER                   10')
    expect(said.actual).toBe('MSR_WRITE 6e0 (IA32_TSC_DEADLINE)  12\nPREEMPTION_TIMER                   10')
    expect(said.message).toMatch(/^examples\/deadline\.guest\.asm: other counts of exits\n {2}because {3}KVM carries the deadline itself/)
    expect(said.message).toMatch(/open {6}vtick explore \.vtick\/examples-deadline-apic_timer_virt0\.vtrace --at '#\d+'$/)
    expect(() => expect(t).toHaveExits({ MSR_WRIT: 0 })).toThrow('`MSR_WRIT` is not an exit reason (did you mean `MSR_WRITE`?)')
    expect(() => expect(5).toHaveExits({})).toThrow('toHaveExits is about a run')
  })

  test('toFireWithin: from the deadline and from its write', async () => {
    const t = await guest('test/testing/deadline-moments.guest.asm').run()
    expect(t.irq(0xec)).toFireWithin(t.deadline, microseconds(10))
    expect(t.irq(0xec)).toFireWithin(t.arm, microseconds(110))
    const said = refusal(() => expect(t.irq(0xec)).toFireWithin(t.arm, microseconds(99)))
    expect(said.expected).toBe('irq 0xec in arm .. arm+99us')
    expect(said.actual).toMatch(/^delivered at #\d+, \d[ \d]* cycles after the write$/)
    expect(refusal(() => expect(t.irq(0x20)).toFireWithin(t.deadline, cycles(64)))).toMatchObject({ actual: 'it is never delivered' })
  })

  test('toMatchArch: the same whoever carries the deadline, and different where the guest sees something else', async () => {
    expect(await deadline({ params: { apic_timer_virt: 1 } })).toMatchArch(await deadline(OFF))
    const [right, wrong] = [await four(4), await four(5)]
    expect(wrong).not.toMatchArch(right)
    const said = refusal(() => expect(wrong).toMatchArch(right))
    // The first byte of PASS and of FAIL, to the port of the console.
    expect(said.expected).toContain(`pio w 0x3f8 = 0x${'P'.charCodeAt(0).toString(16)}`)
    expect(said.actual).toContain(`pio w 0x3f8 = 0x${'F'.charCodeAt(0).toString(16)}`)
    expect(said.message).toContain('because   there it has #')
  })
})

test('a snapshot shows 64-bit values in groups of four digits, and events, exits and runs in lines', async () => {
  expect({ value: 0x1234_5678_9abcn, minus: -1n, exits: [{ index: 3, level: 1, rip: 0x10_0000n, reason: 'HLT' }] }).toMatchInlineSnapshot(`
    {
      "exits": [
        exit HLT at #3, L1, rip 0x10_0000,
      ],
      "minus": 0xffff_ffff_ffff_ffff,
      "value": 0x1234_5678_9abc,
    }
  `)
  expect([{ kind: 'kvm_exit', tick: 1_234_567, cpu: 0, level: 1, reason: 12, rip: 0xffff_8000_0010_0000n }]).toMatchInlineSnapshot(`
    [
      1 234 567 L1 exit HLT 0xffff_8000_0010_0000,
    ]
  `)
  const bare = await guest`
        cmp     eax, eax
        report  "equal", e`
    .with({ level: 'L0' })
    .run()
  expect([bare]).toMatchInlineSnapshot(`
    [
      ended with status 0
      | PASS: equal
      | SUMMARY: 1 tests
      no VM exits,
    ]
  `)
})
