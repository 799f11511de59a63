/** The rest of the bus: what each port or address answers. */

import { describe, expect, test } from 'vitest'
import { receive } from '../../src/devices/bus.ts'
import { acknowledgePic, picRequestsInterrupt } from '../../src/devices/pic.ts'
import { HERTZ, openPics, type Rig, rig } from './rig.ts'

const kinds = ({ effects }: Rig): readonly string[] => effects.map(({ kind }) => kind)

function fwCfg(r: Rig, key: number, count: number): readonly number[] {
  r.out(0x510, key, 2)
  return Array.from({ length: count }, () => r.in(0x511))
}
const text = (bytes: readonly number[]): string => String.fromCharCode(...bytes)

describe('ports', () => {
  test('where nothing is, reads are all ones', () => {
    const r = rig()
    expect([r.in(0x378), r.in(0x378, 2), r.in(0x378, 4)]).toEqual([0xff, 0xffff, 0xffff_ffff])
    r.out(0x378, 1)
    expect(r.effects).toEqual([])
  })

  test('the PCI configuration address is kept and every function is absent', () => {
    const r = rig()
    r.out(0xcf8, 0x8000_0000, 4)
    expect([r.in(0xcf8, 4), r.in(0xcfc, 4), r.in(0xcfe, 2), r.in(0xcff)]).toEqual([0x8000_0000, 0xffff_ffff, 0xffff, 0xff])
  })

  test('the machine is reset by 0xFE to port 0x64, by bit 0 of port 0x92, by port 0xCF9 and by the output port', () => {
    for (const does of [
      (r: Rig) => r.out(0x64, 0xfe),
      (r: Rig) => r.out(0x92, 0x01),
      (r: Rig) => r.out(0xcf9, 0x06),
      (r: Rig) => {
        r.out(0x64, 0xd1)
        r.out(0x60, 0x02)
      },
    ]) {
      const r = rig()
      does(r)
      expect(kinds(r)).toEqual(['reset'])
    }
  })

  test('the keyboard controller passes its self-test and has nothing to say', () => {
    const r = rig()
    expect(r.in(0x64) & 3).toBe(0)
    r.out(0x64, 0xaa)
    expect(r.in(0x64) & 1).toBe(1)
    expect(r.in(0x60)).toBe(0x55)
    expect(r.in(0x64) & 1).toBe(0)
  })

  test('the keyboard acknowledges, and passes its self-test after a reset', () => {
    const r = rig()
    r.out(0x60, 0xff)
    expect([r.in(0x60), r.in(0x60), r.in(0x64) & 1]).toEqual([0xfa, 0xaa, 0])
  })

  test('soft-off by the PM1 control register switches off', () => {
    const r = rig()
    r.out(0x604, (1 << 13) | (5 << 10), 2)
    expect(kinds(r)).toEqual([]) // SLP_TYP 5 is no state of this machine
    r.out(0x604, 1 << 13, 2)
    expect(kinds(r)).toEqual(['power-off'])
  })

  test('the power-management timer counts 3,579,545 a second in 24 bits', () => {
    const r = rig()
    r.wait(HERTZ)
    expect(r.in(0x608, 4)).toBe(3_579_545)
    r.wait(4 * HERTZ)
    expect(r.in(0x608, 4)).toBe((5 * 3_579_545) % 2 ** 24)
  })

  test('fw_cfg gives signature, interface, CPUs, memory and command line, then zeros', () => {
    const r = rig()
    expect(text(fwCfg(r, 0, 4))).toBe('QEMU')
    expect(fwCfg(r, 1, 4)).toEqual([1, 0, 0, 0])
    expect(fwCfg(r, 5, 4)).toEqual([2, 0, 0, 0])
    expect(fwCfg(r, 3, 8)).toEqual([0, 0, 0, 4, 0, 0, 0, 0])
    expect(text(fwCfg(r, 0x15, 3))).toBe('a=b')
    expect(fwCfg(r, 0x3f, 2)).toEqual([0, 0])
  })

  test('fw_cfg lists its files in big-endian', () => {
    const r = rig({ files: [{ name: 'etc/one', bytes: Uint8Array.of(7, 8) }] })
    const directory = fwCfg(r, 0x19, 4 + 64)
    expect(directory.slice(0, 12)).toEqual([0, 0, 0, 1, 0, 0, 0, 2, 0, 0x20, 0, 0])
    expect(text(directory.slice(12, 19))).toBe('etc/one')
    expect(fwCfg(r, 0x20, 3)).toEqual([7, 8, 0])
  })

  test("the test device's register is written and read in any width", () => {
    const r = rig()
    r.out(0xe0, 0x1234_5678, 4)
    expect([r.in(0xe0, 4), r.in(0xe1, 2), r.in(0xe3)]).toEqual([0x1234_5678, 0x3456, 0x12])
  })
})

describe('the 16550', () => {
  test('is always ready to send, and what it sends is the console', () => {
    const r = rig()
    expect(r.in(0x3fd) & 0x60).toBe(0x60)
    r.out(0x3f8, 0x41)
    expect(r.effects).toEqual([{ kind: 'console', byte: 0x41 }])
  })

  test('interrupts on line 4 for a received byte, until it is read', () => {
    const r = rig()
    openPics(r)
    r.out(0x3f9, 0x01)
    receive({ bus: r.bus, moment: { tick: 0, hertz: HERTZ }, effects: r.effects }, 'uart', Uint8Array.of(0x42))
    expect(acknowledgePic(r.bus.pics)).toBe(0x24)
    expect(r.in(0x3fa)).toBe(0x04)
    expect(r.in(0x3f8)).toBe(0x42)
    expect(r.in(0x3fa)).toBe(0x01)
  })

  test('tells an empty transmitter once for each time that IIR is read', () => {
    const r = rig()
    openPics(r)
    r.out(0x3f9, 0x02)
    expect(picRequestsInterrupt(r.bus.pics)).toBe(true)
    expect([r.in(0x3fa), r.in(0x3fa)]).toEqual([0x02, 0x01])
    r.out(0x3f8, 0x41)
    expect(r.in(0x3fa)).toBe(0x02)
  })

  test('loops back data and modem lines', () => {
    const r = rig()
    r.out(0x3fc, 0x1a)
    expect(r.in(0x3fe) & 0xf0).toBe(0x90)
    r.out(0x3f8, 0x55)
    expect(r.effects).toEqual([])
    expect(r.in(0x3f8)).toBe(0x55)
  })

  test('keeps its scratch register and its divisor', () => {
    const r = rig()
    r.out(0x3ff, 0xa5)
    r.out(0x3fb, 0x80)
    r.out(0x3f8, 0x0c)
    r.out(0x3f9, 0x01)
    expect([r.in(0x3ff), r.in(0x3f8), r.in(0x3f9)]).toEqual([0xa5, 0x0c, 0x01])
  })
})

describe('device memory', () => {
  test('the test device keeps bytes', () => {
    const r = rig()
    r.store(0xff00_0010, 0x1122_3344)
    r.store(0xff00_0012, 0xaa, 1)
    expect(r.load(0xff00_0010)).toBe(0x11aa_3344)
  })

  test("the HPET's counter has the period that it says, and stands still until it is enabled", () => {
    const r = rig()
    expect(r.load(0xfed0_0004)).toBe(10_000_000)
    r.wait(HERTZ)
    expect(r.load(0xfed0_00f0)).toBe(0)
    r.store(0xfed0_0010, 1)
    r.wait(HERTZ)
    expect(r.load(0xfed0_00f0)).toBe(100_000_000)
  })

  test('an HPET comparator interrupts once, and periodically from its accumulator on', () => {
    const r = rig()
    r.store(0xfec0_0000, 0x10 + 2 * 20)
    r.store(0xfec0_0010, 0x50)
    r.store(0xfed0_0010, 1)
    r.store(0xfed0_0100, (20 << 9) | 4)
    r.store(0xfed0_0108, 1_000_000)
    r.store(0xfed0_010c, 0)
    r.wait(HERTZ / 10)
    expect(r.sent()).toEqual([0x50])
    r.store(0xfed0_0100, (20 << 9) | 4 | 8 | 0x40 | 0x100)
    r.store(0xfed0_0108, 11_000_000)
    r.store(0xfed0_0108, 1_000_000)
    r.wait(HERTZ / 20)
    expect(r.sent()).toEqual([0x50, 0x50, 0x50, 0x50, 0x50])
  })
})
