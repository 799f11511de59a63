/** The MC146818's registers; its date is the configuration's and moves with the machine's ticks alone. */

import { describe, expect, test } from 'vitest'
import { acknowledgePic, picRequestsInterrupt } from '../../src/devices/pic.ts'
import { HERTZ, openPics, type Rig, rig } from './rig.ts'

function cmos(r: Rig, register: number): number {
  r.out(0x70, register)
  return r.in(0x71)
}
function setCmos(r: Rig, register: number, value: number): void {
  r.out(0x70, register)
  r.out(0x71, value)
}
const clock = (r: Rig): readonly number[] => [0x32, 9, 8, 7, 4, 2, 0].map(register => cmos(r, register))

describe('the clock', () => {
  test('shows the date of the configuration in BCD, and goes on over midnight', () => {
    const r = rig()
    expect(clock(r)).toEqual([0x20, 0x26, 0x07, 0x09, 0x23, 0x59, 0x58])
    r.wait(3 * HERTZ)
    expect(clock(r)).toEqual([0x20, 0x26, 0x07, 0x10, 0x00, 0x00, 0x01])
  })

  test('shows it in binary and in twelve hours when status B says so', () => {
    const r = rig()
    setCmos(r, 11, 0x04)
    expect(clock(r)).toEqual([20, 26, 7, 9, 11 | 0x80, 59, 58])
  })

  test('shows the date that software sets', () => {
    const r = rig()
    setCmos(r, 11, 0x82)
    for (const [register, value] of [
      [9, 0x30],
      [8, 0x02],
      [7, 0x28],
      [4, 0x12],
      [2, 0x00],
      [0, 0x00],
    ] as const)
      setCmos(r, register, value)
    r.wait(5 * HERTZ)
    setCmos(r, 11, 0x02)
    r.wait(61 * HERTZ)
    expect(clock(r)).toEqual([0x20, 0x30, 0x02, 0x28, 0x12, 0x01, 0x01])
  })

  test('announces an update for the last 244 us of a second', () => {
    const r = rig()
    expect(cmos(r, 10) & 0x80).toBe(0)
    r.wait(HERTZ - HERTZ / 10_000)
    expect(cmos(r, 10) & 0x80).toBe(0x80)
    r.wait(HERTZ / 10_000)
    expect(cmos(r, 10) & 0x80).toBe(0)
  })

  test('interrupts at its periodic rate on line 8 until status C is read', () => {
    const r = rig()
    openPics(r)
    setCmos(r, 11, 0x42) // rate 6: 1024 Hz
    r.wait(Math.ceil(HERTZ / 1024))
    expect(acknowledgePic(r.bus.pics)).toBe(0x28)
    r.out(0xa0, 0x20)
    r.out(0x20, 0x20)
    r.wait(HERTZ / 100)
    expect(picRequestsInterrupt(r.bus.pics)).toBe(false)
    expect(cmos(r, 12)).toBe(0xc0)
    r.wait(Math.ceil(HERTZ / 1024))
    expect(picRequestsInterrupt(r.bus.pics)).toBe(true)
  })

  test('interrupts at the alarm', () => {
    const r = rig()
    openPics(r)
    setCmos(r, 1, 0x01)
    setCmos(r, 3, 0xc0)
    setCmos(r, 5, 0xc0)
    setCmos(r, 11, 0x22)
    r.wait(2.5 * HERTZ)
    expect(picRequestsInterrupt(r.bus.pics)).toBe(false)
    r.wait(HERTZ)
    expect(picRequestsInterrupt(r.bus.pics)).toBe(true)
    expect(cmos(r, 12)).toBe(0xb0)
  })

  test('the CMOS memory holds the sizes of memory that firmware puts there', () => {
    const r = rig()
    expect(cmos(r, 0x15) | (cmos(r, 0x16) << 8)).toBe(640)
    expect(cmos(r, 0x30) | (cmos(r, 0x31) << 8)).toBe(63 * 1024)
    expect(cmos(r, 0x34) | (cmos(r, 0x35) << 8)).toBe((48 * 2 ** 20) / 65536)
    expect(cmos(r, 0x5f)).toBe(1)
  })
})
