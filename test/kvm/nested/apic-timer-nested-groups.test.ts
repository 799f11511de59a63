/**
 * Deadlines of an L2 whose TSC L1 scales and shifts, while KVM scales and shifts that of L1 (the matrix of the series' functional test,
 * nested): each frequency at both levels, with the TSC offset as it is and with minus the host's TSC at both. The guest judges itself.
 */

import { describe, expect, test } from 'vitest'
import { slice } from '../../slice.ts'
import { hostTscOf, idleVcpu, run, started } from '../rig.ts'

const GUEST = 'asm/apic-timer-nested-groups.asm'
const HOST_KHZ = 2_000_000n
const ONE = 1n << 48n
const MAX_KHZ = 0x7fff_ffffn

const halves = Array.from({ length: 21 }, (_, power) => HOST_KHZ >> BigInt(power)).filter(khz => khz > 0n)
const doubles = Array.from({ length: 10 }, (_, power) => HOST_KHZ << BigInt(power + 1)).filter(khz => khz < MAX_KHZ)

/** What L1 asks for at this frequency of its own: the same share, but no product with its own that leaves 63 + 48 bits; L2 has at least 1 kHz. */
function scalingOf(khz: bigint): { multiplier: bigint; l2Khz: bigint } {
  const own = (khz * ONE) / HOST_KHZ
  const most = (1n << 111n) / own
  const multiplier = own < most ? own : most
  const l2Khz = (khz * multiplier) / ONE
  return l2Khz === 0n ? { multiplier: ONE, l2Khz: khz } : { multiplier, l2Khz }
}

const cells = [null, ...halves, ...doubles, MAX_KHZ].flatMap(khz =>
  [false, true].map(negative => ({ khz, negative, title: khz === null ? 'without scaling' : `at ${khz} kHz of L1, scaled as much again` })),
)

describe('deadlines of L2 that are far, past, or awaited in HLT', () => {
  const minusTsc = BigInt.asUintN(64, -hostTscOf(idleVcpu()))
  test.each(slice(cells, 7))('$title, offsets -TSC: $negative', ({ khz, negative }) => {
    const scaling = khz === null ? null : scalingOf(khz)
    const defines = {
      KHZ: String(scaling?.l2Khz ?? HOST_KHZ),
      OFFSET: `0x${(negative ? minusTsc : 0n).toString(16)}`,
      ...(scaling === null ? {} : { MULTIPLIER: `0x${scaling.multiplier.toString(16)}` }),
    }
    const { console } = run(started(GUEST, { defines }), vcpu => {
      if (khz !== null) vcpu.setTscKhz(Number(khz))
      if (negative) vcpu.setTscOffset(minusTsc)
    })
    expect(console).toBe(
      'PASS: a deadline that is far or 0 stays and interrupts nobody\n' +
        'PASS: a past deadline interrupts at once and reads 0\n' +
        'PASS: HLT ends at the deadline\n' +
        'PASS: L2 leaves for HLT and VMCALL alone\n' +
        'SUMMARY: 4 tests\n',
    )
  })
})
