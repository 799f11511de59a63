/** What to stop at: which texts ask events and which the state, what they say of a state given by hand, and what is refused. */

import { describe, expect, test } from 'vitest'
import { FilterError } from '../../src/query/filter.ts'
import { formatLocation, type Location } from '../../src/query/location.ts'
import type { Ask, MomentWord } from '../../src/query/operand.ts'
import { countReadings } from '../../src/query/parse.ts'
import { parseStopExpression } from '../../src/query/stop-expression.ts'
import { sampleImage } from '../trace/samples.ts'

const LOCATIONS: Readonly<Record<string, bigint>> = {
  rax: 5n,
  rbx: 5n,
  al: 5n,
  rsp: 0x8000n,
  rip: 0x100004n, // the label `start`
  'vmcs.GUEST_RIP': 0x100004n,
  'vmcs12.VM_EXIT_REASON': 12n,
  'msr:0x6e0': 0xffff_ffff_ffff_ffffn,
  'apic.APIC_TMICT': 9n,
  'irq:0xec': 1n,
  exit: 12n, // HLT
  '[0x9000]:4': 77n,
}
const WORDS: Readonly<Record<MomentWord, bigint>> = { cpu: 1n, level: 2n, cpl: 3n, tick: 1000n, tsc: 2000n, instructions: 40n }

/** Below the stack pointer's 0x8000 every byte holds the low byte of its address. */
function memory(address: bigint, bytes: number): bigint | undefined {
  if (address > 0x8000n) return undefined
  return Array.from({ length: bytes }, (_, i) => (address + BigInt(i)) & 0xffn).reduceRight((value, byte) => (value << 8n) | byte, 0n)
}

const here: Ask = {
  location: (location: Location) => LOCATIONS[formatLocation(location)],
  memory,
  moment: word => WORDS[word],
  happens: () => true,
}

function holds(text: string, ask: Ask = here): boolean {
  const expression = parseStopExpression(text, sampleImage)
  if (expression.kind !== 'state') throw new Error(`${text} is ${expression.kind}`)
  return expression.holds(ask)
}

test.each([
  ['rax == 5', true],
  ['rax == 6', false],
  ['rax != 5 or rbx == rax', true],
  ['rip == 0x100004', true],
  ['rip == start', true],
  ['rip == start+4', false],
  ['rip - 4 == start - 4', true],
  ['[rsp]:4 == 0x03020100', true], // bytes 00 01 02 03 from 0x8000 on
  ['[rsp-1]:2 == 0x00ff', true],
  ['[rsp+8]:4 == 0', false], // not mapped: nothing holds of it
  ['not [rsp+8]:4 == 0', true],
  ['[0x9000]:4 in 70..77', true],
  ['[0x9000]:4 in 78..80', false],
  ['vmcs.GUEST_RIP == rip', true],
  ['vmcs12.VM_EXIT_REASON == HLT', true],
  ['exit == MSR_WRITE', false],
  ['msr:0x6e0 == 0xffff_ffff_ffff_ffff', true],
  ['msr.IA32_TSC_DEADLINE > 0xffffffff', true],
  ['apic.TMICT <= 9', true],
  ['irq:0xec == 1', true],
  ['level == 2 and cpu == 1 && cpl == 3', true],
  ['tick in 1000..1000 and tsc > tick', true],
  ['instructions < 40', false],
  ['at(start) and rax == 5', true],
  ['line(2)', true], // the line of `start`
  ['!(rax == 5 and rbx == 6)', true],
  ['start and rax == 5', true],
] satisfies [string, boolean][])('%s holds: %s', (text, wanted) => {
  expect(holds(text)).toBe(wanted)
  expect(countReadings(text)).toBe(1)
})

describe('what a text asks about', () => {
  test.each([
    ['start', 'address'],
    ['0x1000', 'address'],
    ['start + 4', 'address'],
    ['rax', 'change'],
    ['[start]:4', 'change'],
    ['[rsp+8]:4', 'change'],
    ['msr:0x6e0', 'change'],
    ['irq:0xec', 'change'],
    ['level', 'change'],
    ['exit', 'event'],
    ['kvm_*', 'event'],
    ['exit(HLT)', 'event'],
    ['exit and rip == start', 'event'], // the event's
    ['exit and level == 2', 'event'],
    ['level == 2', 'state'],
    ['exit(HLT) and rax == 5', 'state'],
  ] as const)('%s: %s', (text, kind) => {
    expect(parseStopExpression(text, sampleImage).kind).toBe(kind)
  })

  test('events beside terms about the state hold only where one comes about', () => {
    const quiet: Ask = { ...here, happens: () => false }
    expect([holds('exit(HLT) and rax == 5'), holds('exit(HLT) and rax == 5', quiet)]).toEqual([true, false])
    expect([holds('not exit and rax == 5'), holds('not exit and rax == 5', quiet)]).toEqual([false, true])
  })
})

test.each([
  ['rxa == 5', 0, '`rxa` is no register and no field of an event', 'did you mean `rax`?'],
  ['  rax == strat', 9, '`strat` is no label and no register', 'did you mean `start`?'],
  ['rax == [strat]:4', 8, '`strat` is no label and no register', 'did you mean `start`?'],
  ['rax == ["x"]', 8, '"x" is text, and the state holds numbers', 'write a number, a label or a register'],
  ['[rsp]:0 == 1', 0, '0 bytes are no size', 'write 1 to 4096, as in [0x9000]:8'],
  ['start == 5', 0, '`start` is an address', 'for what stands there write `[start]:8`'],
  ['rax ~ "5"', 0, '`rax` is a number', 'compare it with == != < <= > >='],
  ['rax == "5"', 7, '"5" is text, and the state holds numbers', 'write a number, a label or a register'],
  ['rax and rbx == 5', 0, '`rax` alone says nothing beside other terms', 'compare it, as in `rax != 0`'],
  ['vmcs.GUEST_RIPP == 5', 0, 'a VMCS has no field `GUEST_RIPP`', 'did you mean `GUEST_RIP`?'],
  ['vmcs.VM_EXIT_REASON == HTL', 23, '`HTL` is no value of `reason`', 'did you mean `HLT`?'],
  ['rax = 5', 4, '`=` does not fit here', 'to compare, write `==`'],
  ['rax == 5 and', 12, 'the expression ends too early', 'as in `irq(0xec)`'],
  ['rax == 0x1_0000_0000_0000_0000', 7, '`0x1_0000_0000_0000_0000` has more than 64 bits', 'write a smaller number'],
])('%j is refused at column %i', (text, column, message, help) => {
  const refused = (): unknown => parseStopExpression(text, sampleImage)
  expect(refused).toThrow(FilterError)
  expect(refused).toThrow(expect.objectContaining({ column, message, help }))
})
