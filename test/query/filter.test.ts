import fc from 'fast-check'
import { expect, test } from 'vitest'
import { compileFilter, FilterError } from '../../src/query/filter.ts'
import { countReadings } from '../../src/query/parse.ts'
import { selectEvents } from '../../src/query/select.ts'
import { EXIT_REASONS } from '../../src/spec/exit-reasons.ts'
import type { TraceEvent } from '../../src/spec/trace-events.ts'
import { arbitraryEvent, event, sampleImage, traceOf } from '../trace/samples.ts'

const exitOf = (reason: number, fields: object = {}, stamp: object = {}): TraceEvent =>
  event('kvm_exit', { reason, rip: 0x100004n, info1: 0n, info2: 0n, intr_info: 0, error_code: 0, ...fields }, stamp)
const msrWrite = (index: number, stamp: object = {}): TraceEvent => event('kvm_msr', { write: 1, index, value: 5n, exception: 0 }, stamp)

const { EXIT_REASON_MSR_WRITE, EXIT_REASON_HLT } = EXIT_REASONS

/** By number: 0 and 2 exits for WRMSR, of 0x6e0 and 0x80b; 4 an exit for HLT; the rest as they say. */
const EVENTS: readonly TraceEvent[] = [
  exitOf(EXIT_REASON_MSR_WRITE, {}, { tick: 10 }),
  msrWrite(0x6e0, { tick: 11 }),
  exitOf(EXIT_REASON_MSR_WRITE, { rip: 0x100000n }, { tick: 20, level: 2 }),
  msrWrite(0x80b, { tick: 21, level: 2 }),
  exitOf(EXIT_REASON_HLT, { rip: 0xffff_ffff_ffff_fff0n }, { tick: 30, cpu: 1 }),
  event('interrupt', { vector: 0xec, source: 'apic timer', rip: 0x100004n }, { tick: 40 }),
  event('exception', { vector: 13, error_code: 0, rip: 1n, cr2: 0n }, { tick: 50 }),
  event('kvm_userspace_exit', { reason: 'KVM_EXIT_IO' }, { tick: 60 }),
  event('input', { device: 'console', bytes: Uint8Array.of(0x68, 0x69), instructions: 7 }, { tick: 70 }),
]

const select = (text: string, events: readonly TraceEvent[] = EVENTS): number[] => [
  ...selectEvents(traceOf(events), compileFilter(text, sampleImage)),
]

test.each([
  ['kvm_exit', [0, 2, 4]],
  ['exit', [0, 2, 4]],
  ['kvm_*', [0, 1, 2, 3, 4, 7]],
  ['k?m_msr', [1, 3]],
  ['exit and reason == MSR_WRITE', [0, 2]],
  ['exit && reason == EXIT_REASON_MSR_WRITE', [0, 2]],
  ['reason == 12', [4]],
  ['exit(MSR_WRITE)', [0, 2]],
  ['exit(MSR_WRITE, 0x6e0)', [0]],
  ['exit(MSR_WRITE, IA32_TSC_DEADLINE)', [0]],
  ['msr(0x80b)', [3]],
  ['irq(0xec)', [5]],
  ['vector == GP', [6]],
  ['vector == #GP', [6]],
  ['vector == 0xec or vector == 13', [5, 6]],
  ['level == 2', [2, 3]],
  ['cpu != 0', [4]],
  ['event >= 7', [7, 8]],
  ['tick in 20..30', [2, 3, 4]],
  ['rip >= 0x8000000000000000', [4]],
  ['rip == start', [0, 5]],
  ['rip != start', [2, 4, 6]],
  ['at(start)', [0, 5]],
  ['line(2)', [0, 5]],
  ['line("sample.asm", 2)', [0, 5]],
  ['reason ~ "KVM_*"', [7]],
  ['reason == "KVM_EXIT_IO"', [7]],
  ['bytes == "hi"', [8]],
  ['source ~ "*timer"', [5]],
  ['exit and not level == 2', [0, 4]],
  ['exit && !(level == 2 || cpu == 1)', [0]],
  ['irq or exit and cpu == 1', [4, 5]],
] satisfies [string, number[]][])('%s lets through what it says', (text, wanted) => {
  expect(select(text)).toEqual(wanted)
})

test.each([
  ['exit', 1],
  ['a* or b* and c*', 1],
  ['not not exit(HLT) && (irq || !msr(1)) or tick in 1..2', 1],
])('%s has one reading', (text, parses) => {
  expect(countReadings(text)).toBe(parses)
})

test.each([
  ['', 0, 'the expression is empty', 'as in `irq(0xec)`'],
  ['reason = 3', 7, '`=` does not fit here', 'to compare, write `==`'],
  ['exit and', 8, 'the expression ends too early', 'as in `irq(0xec)`'],
  ['exit exit', 5, '`exit` does not fit here', 'as in `exit and reason == MSR_WRITE`'],
  ['raeson == 3', 0, 'no event has a field `raeson`', 'did you mean `reason`?'],
  ['kvm_exti', 0, 'no event is called `kvm_exti`', 'did you mean `kvm_exit`?'],
  ['reason == MSR_WRIET', 10, '`MSR_WRIET` is no value of `reason`', 'did you mean `MSR_WRITE`?'],
  ['exti(HLT)', 0, '`exti(...)` is not known', 'did you mean `exit(MSR_WRITE, 0x6e0)`?'],
  ['irq(1, 2)', 0, '`irq` takes other values', 'as in `irq(0xec)`'],
  ['at(strat)', 3, 'the program has no label `strat`', 'did you mean `start`?'],
  ['line(9)', 5, 'no instruction comes from line 9 of sample.asm', ''],
  ['line("smaple.asm", 2)', 5, 'the program has no source `smaple.asm`', 'did you mean "sample.asm"?'],
  ['source > 3', 0, '`source` is text', 'compare it with ==, != or ~'],
  ['rip ~ "a"', 0, '`rip` is a number', 'compare it with == != < <= > >='],
  ['rip == "a"', 7, '`rip` is a number', 'compare it with a number or a name'],
  ['tick in 5..1', 8, 'the range ends before it begins', 'write `1..5`'],
])('%j is refused at column %i', (text, column, message, help) => {
  const refused = (): unknown => compileFilter(text, sampleImage)
  expect(refused).toThrow(FilterError)
  expect(refused).toThrow(expect.objectContaining({ column, message, help }))
})

test('any text gives a filter or a FilterError', () => {
  const word = fc.constantFrom(
    'exit',
    'and',
    'or',
    'not',
    'in',
    '(',
    ')',
    '==',
    '~',
    '..',
    ',',
    '0x10',
    '"a',
    '"b"',
    'tick',
    '#',
    '\n',
    'é',
  )
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(word, { maxLength: 12 }).map(words => words.join(' ')),
      ),
      text => {
        try {
          compileFilter(text, sampleImage)
        } catch (error) {
          expect(error).toBeInstanceOf(FilterError)
        }
      },
    ),
    { numRuns: 300 },
  )
  expect(() => compileFilter('('.repeat(4_000), sampleImage)).toThrow(FilterError)
})

test('a filter and its opposite share out the events, whatever they are', () => {
  const filters = ['exit', 'rip > 0x1000', 'level == 1 or tick > 1000', 'reason == 1', 'vector in 0..31']
  fc.assert(
    fc.property(fc.array(arbitraryEvent, { minLength: 1, maxLength: 40 }), fc.constantFrom(...filters), (events, text) => {
      const found = [...select(text, events), ...select(`not (${text})`, events)].sort((a, b) => a - b)
      expect(found).toEqual(events.map((_, index) => index))
    }),
    { numRuns: 50 },
  )
})
