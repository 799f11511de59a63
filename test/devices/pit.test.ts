/** The 8254 data sheet's modes, at 1,193,182 Hz beside a 2 GHz tick. */

import { describe, expect, test } from 'vitest'
import { acknowledgePic, picRequestsInterrupt } from '../../src/devices/pic.ts'
import { HERTZ, ms, openPics, type Rig, rig } from './rig.ts'

/** A tick at which so many cycles of the 8254 have certainly passed. */
const cycles = (count: number): number => Math.ceil((count * HERTZ) / 1_193_182) + 1

function load(r: Rig, counter: number, mode: number, count: number): void {
  r.out(0x43, (counter << 6) | 0x30 | (mode << 1))
  r.out(0x40 + counter, count & 0xff)
  r.out(0x40 + counter, count >> 8)
}

const read = (r: Rig, counter: number): number => {
  r.out(0x43, counter << 6)
  return r.in(0x40 + counter) | (r.in(0x40 + counter) << 8)
}

/** Interrupts of line 0 within a time, each acknowledged and ended at once. */
function interruptsIn(r: Rig, milliseconds: number): number {
  const end = ms(milliseconds)
  let count = 0
  for (let passed = 0; passed < end; passed += ms(0.05)) {
    r.wait(ms(0.05))
    if (!picRequestsInterrupt(r.bus.pics)) continue
    expect(acknowledgePic(r.bus.pics)).toBe(0x20)
    r.out(0x20, 0x20)
    count++
  }
  return count
}

describe('the 8254', () => {
  test('mode 2 with a count of 11932 interrupts a hundred times a second', () => {
    const r = rig()
    openPics(r)
    load(r, 0, 2, 11932)
    expect(interruptsIn(r, 505)).toBe(50)
  })

  test('mode 3 interrupts once in a period too', () => {
    const r = rig()
    openPics(r)
    load(r, 0, 3, 11932)
    expect(interruptsIn(r, 500)).toBeGreaterThanOrEqual(49)
    expect(interruptsIn(r, 1000)).toBe(100)
  })

  test('mode 0 interrupts once, when the count is over', () => {
    const r = rig()
    openPics(r)
    load(r, 0, 0, 1000)
    r.wait(cycles(998))
    expect(picRequestsInterrupt(r.bus.pics)).toBe(false)
    r.wait(cycles(2))
    expect(picRequestsInterrupt(r.bus.pics)).toBe(true)
    expect(r.due()).toBe(Number.MAX_SAFE_INTEGER)
  })

  test('a count of 0 is 65536', () => {
    const r = rig()
    openPics(r)
    load(r, 0, 2, 0)
    expect(interruptsIn(r, 1000)).toBe(18)
  })

  test('a latched count stands still until both bytes are read', () => {
    const r = rig()
    load(r, 0, 2, 0x8000)
    r.wait(cycles(100))
    r.out(0x43, 0)
    r.wait(cycles(5000))
    expect(r.in(0x40) | (r.in(0x40) << 8)).toBe(0x8000 - 100)
    expect(read(r, 0)).toBeLessThan(0x8000 - 5000)
  })

  test('the read-back command gives the status first: output, null count, access and mode', () => {
    const r = rig()
    r.out(0x43, 0xb0)
    r.out(0x43, 0xe8)
    expect(r.in(0x42)).toBe(0x40 | 0x30)
    load(r, 0, 3, 1000)
    r.out(0x43, 0xe2)
    expect(r.in(0x40)).toBe(0x80 | 0x36)
  })

  test("counter 2 counts while port 0x61's gate is open, and its output is bit 5: how software calibrates the TSC", () => {
    const r = rig()
    r.out(0x61, 0x00)
    load(r, 2, 0, 59659) // 50 ms
    r.wait(ms(100))
    expect(r.in(0x61) & 0x20).toBe(0)
    r.out(0x61, 0x01)
    r.wait(ms(49.9))
    expect(r.in(0x61) & 0x20).toBe(0)
    r.wait(ms(0.2))
    expect(r.in(0x61) & 0x20).toBe(0x20)
  })

  test('a closed gate holds the count of mode 0, and opening it goes on', () => {
    const r = rig()
    r.out(0x61, 0x01)
    load(r, 2, 0, 10000)
    r.wait(cycles(4000))
    r.out(0x61, 0x00)
    r.wait(cycles(50000))
    expect(read(r, 2)).toBe(6000)
    r.out(0x61, 0x01)
    r.wait(cycles(1000))
    expect(Math.abs(read(r, 2) - 5000)).toBeLessThanOrEqual(1)
  })

  test('mode 1 waits for the gate to rise', () => {
    const r = rig()
    r.out(0x61, 0x00)
    load(r, 2, 1, 1000)
    expect(r.in(0x61) & 0x20).toBe(0x20)
    r.out(0x61, 0x01)
    expect(r.in(0x61) & 0x20).toBe(0)
    r.wait(cycles(1000))
    expect(r.in(0x61) & 0x20).toBe(0x20)
  })
})
