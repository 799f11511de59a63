/** The rules of the 8259A data sheet, on the pair as a PC wires it; lines are driven by the test device. */

import { describe, expect, test } from 'vitest'
import { acknowledgePic, picRequestsInterrupt } from '../../src/devices/pic.ts'
import { openPics, type Rig, rig } from './rig.ts'

const LINES = 0x2000
const line = ({ out }: Rig, number: number, level: 0 | 1): void => out(LINES + number, level)

function opened(): Rig {
  const r = rig()
  openPics(r)
  return r
}

describe('the 8259 pair', () => {
  test('gives the vector of a line from the base that ICW2 set', () => {
    const r = opened()
    line(r, 5, 1)
    expect(picRequestsInterrupt(r.bus.pics)).toBe(true)
    expect(acknowledgePic(r.bus.pics)).toBe(0x25)
    expect(picRequestsInterrupt(r.bus.pics)).toBe(false)
  })

  test('a line of the second controller comes through line 2 of the first', () => {
    const r = opened()
    line(r, 10, 1)
    expect(acknowledgePic(r.bus.pics)).toBe(0x2a)
    r.out(0x20, 0x0b)
    r.out(0xa0, 0x0b)
    expect([r.in(0x20), r.in(0xa0)]).toEqual([1 << 2, 1 << 2])
  })

  test('a lower line goes first, and a higher one waits for its EOI', () => {
    const r = opened()
    line(r, 6, 1)
    line(r, 3, 1)
    expect(acknowledgePic(r.bus.pics)).toBe(0x23)
    expect(picRequestsInterrupt(r.bus.pics)).toBe(false)
    r.out(0x20, 0x20)
    expect(acknowledgePic(r.bus.pics)).toBe(0x26)
  })

  test('masks a line in its mask register, and remembers the request', () => {
    const r = opened()
    r.out(0x21, 0xff)
    line(r, 4, 1)
    expect(picRequestsInterrupt(r.bus.pics)).toBe(false)
    expect(r.in(0x20)).toBe(1 << 4)
    r.out(0x21, 0xef)
    expect(acknowledgePic(r.bus.pics)).toBe(0x24)
  })

  test('a request that goes away before its acknowledgement gives line 7, with nothing in service', () => {
    const r = opened()
    line(r, 1, 1)
    line(r, 1, 0)
    expect(acknowledgePic(r.bus.pics)).toBe(0x27)
    r.out(0x20, 0x0b)
    expect(r.in(0x20)).toBe(0)
  })

  test('an edge-triggered line interrupts once, a level-triggered one until it falls', () => {
    for (const [elcr, again] of [
      [0x00, false],
      [0x20, true],
    ] as const) {
      const r = opened()
      r.out(0x4d0, elcr)
      line(r, 5, 1)
      acknowledgePic(r.bus.pics)
      r.out(0x20, 0x20)
      expect(picRequestsInterrupt(r.bus.pics)).toBe(again)
    }
  })

  test('lines 0, 1, 2, 8 and 13 cannot be level-triggered', () => {
    const r = opened()
    r.out(0x4d0, 0xff)
    r.out(0x4d1, 0xff)
    expect([r.in(0x4d0), r.in(0x4d1)]).toEqual([0xf8, 0xde])
  })

  test('with automatic EOI nothing stays in service', () => {
    const r = opened()
    r.out(0x20, 0x11)
    for (const word of [0x20, 4, 0x03]) r.out(0x21, word)
    line(r, 5, 1)
    acknowledgePic(r.bus.pics)
    r.out(0x20, 0x0b)
    expect(r.in(0x20)).toBe(0)
  })

  test('a rotating EOI gives the line just served the lowest priority', () => {
    const r = opened()
    line(r, 0, 1)
    acknowledgePic(r.bus.pics)
    r.out(0x20, 0xa0)
    line(r, 0, 0)
    line(r, 0, 1)
    line(r, 1, 1)
    expect(acknowledgePic(r.bus.pics)).toBe(0x21)
  })

  test('special mask mode lets lower lines through past the one in service', () => {
    const r = opened()
    line(r, 3, 1)
    acknowledgePic(r.bus.pics)
    r.out(0x21, 1 << 3)
    r.out(0x20, 0x68)
    line(r, 6, 1)
    expect(acknowledgePic(r.bus.pics)).toBe(0x26)
  })

  test('a poll acknowledges by reading', () => {
    const r = opened()
    line(r, 6, 1)
    r.out(0x20, 0x0c)
    expect(r.in(0x20)).toBe(0x86)
    expect(picRequestsInterrupt(r.bus.pics)).toBe(false)
  })
})
