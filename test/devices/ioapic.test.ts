/** The 82093AA's redirection entries; lines are driven by the test device. */

import { describe, expect, test } from 'vitest'
import { endIoApicInterrupt, type InterruptMessage } from '../../src/devices/ioapic.ts'
import { type Rig, rig } from './rig.ts'

const BASE = 0xfec0_0000
const LEVEL = 1 << 15
const MASKED = 1 << 16
const REMOTE_IRR = 1 << 14

function select(r: Rig, register: number): void {
  r.store(BASE, register)
}
function write(r: Rig, register: number, value: number): void {
  select(r, register)
  r.store(BASE + 0x10, value)
}
function read(r: Rig, register: number): number {
  select(r, register)
  return r.load(BASE + 0x10)
}
const entry = (pin: number): number => 0x10 + 2 * pin
const line = ({ out }: Rig, number: number, level: 0 | 1): void => out(0x2000 + number, level)

describe('the I/O APIC', () => {
  test('is version 0x20 with 24 entries, all masked', () => {
    const r = rig()
    expect(read(r, 1)).toBe(0x0017_0020)
    expect(Array.from({ length: 24 }, (_, pin) => read(r, entry(pin)))).toEqual(Array.from({ length: 24 }, () => MASKED))
  })

  test('sends an edge once, to the destination and with the mode of the entry', () => {
    const r = rig()
    write(r, entry(14) + 1, 0x0300_0000)
    write(r, entry(14), 0x0977)
    line(r, 14, 1)
    const message: InterruptMessage = { vector: 0x77, deliveryMode: 0x100, isLogical: true, isLevel: false, destination: 3 }
    expect(r.effects.filter(({ kind }) => kind === 'interrupt')).toEqual([{ kind: 'interrupt', message }])
    r.sent()
    line(r, 14, 1)
    expect(r.sent()).toEqual([])
    line(r, 14, 0)
    line(r, 14, 1)
    expect(r.sent()).toEqual([0x77])
  })

  test('forgets an edge that meets a masked entry', () => {
    const r = rig()
    write(r, entry(14), 0x77 | MASKED)
    line(r, 14, 1)
    write(r, entry(14), 0x77)
    expect(r.sent()).toEqual([])
  })

  test('a level is sent once until its EOI, and again while it is high', () => {
    const r = rig()
    write(r, entry(9), 0x66 | LEVEL)
    line(r, 9, 1)
    expect(r.sent()).toEqual([0x66])
    expect(read(r, entry(9)) & REMOTE_IRR).toBe(REMOTE_IRR)
    const again: InterruptMessage[] = []
    endIoApicInterrupt(r.bus.ioApic, 0x66, again)
    expect(again.map(({ vector }) => vector)).toEqual([0x66])
    line(r, 9, 0)
    endIoApicInterrupt(r.bus.ioApic, 0x66, again)
    expect(again.length).toBe(1)
    expect(read(r, entry(9)) & REMOTE_IRR).toBe(0)
  })

  test('unmasking a level that is high sends it', () => {
    const r = rig()
    write(r, entry(9), 0x66 | LEVEL | MASKED)
    line(r, 9, 1)
    expect(r.sent()).toEqual([])
    write(r, entry(9), 0x66 | LEVEL)
    expect(r.sent()).toEqual([0x66])
  })

  test('the timer is pin 2', () => {
    const r = rig()
    write(r, entry(2), 0x30)
    r.out(0x43, 0x34)
    r.out(0x40, 0)
    r.out(0x40, 0x10)
    r.wait(20_000_000)
    expect(r.sent()).toEqual([0x30, 0x30])
  })

  test('remote IRR and delivery status are read-only', () => {
    const r = rig()
    write(r, entry(3), 0xffff_ffff)
    expect(read(r, entry(3))).toBe(0x1_afff)
  })
})
