/**
 * The ACPI tables of the machine (ACPI Specification 6.5, "ACPI Software Programming Model"; IA-PC HPET specification): RSDP, RSDT, XSDT,
 * FADT, FACS, DSDT, MADT and HPET, in firmware's area below 1 MiB where the RSDP is searched for.
 */

import { alignUp } from '../../base/bits.ts'
import { gpa } from '../../base/units.ts'
import { PM_TIMER_PORT, PM1_CONTROL_PORT, PM1_EVENT_PORT, SLEEP_TYPE_OFF } from '../../devices/acpi-pm.ts'
import { HPET_BASE } from '../../devices/hpet.ts'
import { TIMER_PIN } from '../../devices/interrupt-lines.ts'
import { IO_APIC_BASE } from '../../devices/ioapic.ts'
import { RESET_PORT, RESET_VALUE } from '../../devices/port-table.ts'
import { FIRMWARE_AREA } from './memory-map.ts'
import { type Piece, viewOf } from './program.ts'

const LOCAL_APIC_BASE = 0xfee0_0000
const SCI_LINE = 9
const HEADER_BYTES = 36
/** Where the RSDP lies; the tables follow. */
export const RSDP = FIRMWARE_AREA

/** Fields of 1, 2, 4 or 8 bytes, one behind the other. */
type Field = readonly [bytes: 1 | 2 | 4 | 8, value: number]

function packed(fields: readonly Field[]): Uint8Array {
  const bytes: number[] = []
  for (const [size, value] of fields) for (let byte = 0; byte < size; byte++) bytes.push(Math.floor(value / 2 ** (8 * byte)) & 0xff)
  return Uint8Array.from(bytes)
}

const ascii = (text: string): Uint8Array => new TextEncoder().encode(text)

const sumTo = (bytes: Uint8Array): number => (256 - (bytes.reduce((sum, byte) => sum + byte, 0) & 0xff)) & 0xff

/** A table with its header, whose checksum makes all bytes add up to 0. */
function table(signature: string, revision: number, body: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES + body.length)
  bytes.set(ascii(signature))
  viewOf(bytes).setUint32(4, bytes.length, true)
  bytes[8] = revision
  bytes.set(ascii('VTICK VTICKPC '), 10)
  viewOf(bytes).setUint32(24, 1, true)
  bytes.set(ascii('VTIK'), 28)
  viewOf(bytes).setUint32(32, 1, true)
  bytes.set(body, HEADER_BYTES)
  bytes[9] = sumTo(bytes)
  return bytes
}

/** An address in the generic form: space 0 memory, 1 I/O; width in bits; access size 1 byte, 2 word, 3 dword. */
const generic = (space: number, width: number, access: number, address: number): readonly Field[] => [
  [1, space],
  [1, width],
  [1, 0],
  [1, access],
  [8, address],
]

const bytesOfFields = (...parts: readonly (readonly Field[])[]): Uint8Array => packed(parts.flat())

/** Hardware-reduced off; WBINVD, C1, power button and sleep button absent, reset register there, 32-bit timer not. */
const FADT_FLAGS = (1 << 0) | (1 << 2) | (1 << 4) | (1 << 5) | (1 << 10)
/** No 8042 and no VGA that software should look for; legacy devices there. */
const BOOT_ARCHITECTURE = (1 << 0) | (1 << 2)

const fadt = (facs: number, dsdt: number): Uint8Array =>
  table(
    'FACP',
    4,
    bytesOfFields(
      [
        [4, facs],
        [4, dsdt],
        [1, 0],
        [1, 0],
        [2, SCI_LINE],
        [4, 0],
        [1, 0],
        [1, 0],
        [1, 0],
        [1, 0],
      ],
      [
        [4, PM1_EVENT_PORT],
        [4, 0],
        [4, PM1_CONTROL_PORT],
        [4, 0],
        [4, 0],
        [4, PM_TIMER_PORT],
        [4, 0],
        [4, 0],
      ],
      // Lengths of the blocks; latencies that say: no C2, no C3; cache flushing by WBINVD; the century's place in the CMOS memory.
      [
        [1, 4],
        [1, 2],
        [1, 0],
        [1, 4],
        [1, 0],
        [1, 0],
        [1, 0],
        [1, 0],
        [2, 0xfff],
        [2, 0xfff],
        [2, 0],
        [2, 0],
        [1, 0],
        [1, 0],
      ],
      [
        [1, 0],
        [1, 0],
        [1, 0x32],
        [2, BOOT_ARCHITECTURE],
        [1, 0],
        [4, FADT_FLAGS],
      ],
      generic(1, 8, 1, RESET_PORT),
      [
        [1, RESET_VALUE],
        [2, 0],
        [1, 0],
        [8, facs],
        [8, dsdt],
      ],
      generic(1, 32, 2, PM1_EVENT_PORT),
      generic(1, 0, 0, 0),
      generic(1, 16, 2, PM1_CONTROL_PORT),
      generic(1, 0, 0, 0),
      generic(1, 0, 0, 0),
      generic(1, 32, 3, PM_TIMER_PORT),
      generic(1, 0, 0, 0),
      generic(1, 0, 0, 0),
    ),
  )

function facs(): Uint8Array {
  const bytes = new Uint8Array(64)
  bytes.set(ascii('FACS'))
  bytes[4] = 64
  bytes[32] = 2
  return bytes
}

/** AML: Name (\_S5, Package () { 0, 0, 0, 0 }). */
const dsdt = (): Uint8Array =>
  table(
    'DSDT',
    2,
    Uint8Array.of(0x08, ...ascii('_S5_'), 0x12, 0x0a, 0x04, 0x0a, SLEEP_TYPE_OFF, 0x0a, SLEEP_TYPE_OFF, 0x0a, 0x00, 0x0a, 0x00),
  )

const PCAT_COMPATIBLE = 1

const madt = (cpus: number): Uint8Array =>
  table(
    'APIC',
    4,
    bytesOfFields(
      [
        [4, LOCAL_APIC_BASE],
        [4, PCAT_COMPATIBLE],
      ],
      ...Array.from({ length: cpus }, (_, id): readonly Field[] => [
        [1, 0],
        [1, 8],
        [1, id],
        [1, id],
        [4, 1],
      ]),
      [
        [1, 1],
        [1, 12],
        [1, 0],
        [1, 0],
        [4, IO_APIC_BASE],
        [4, 0],
      ],
      // The timer is on another pin; the SCI is level-triggered and active high.
      [
        [1, 2],
        [1, 10],
        [1, 0],
        [1, 0],
        [4, TIMER_PIN],
        [2, 0],
      ],
      [
        [1, 2],
        [1, 10],
        [1, 0],
        [1, SCI_LINE],
        [4, SCI_LINE],
        [2, 0xd],
      ],
      // LINT1 of every local APIC is NMI.
      [
        [1, 4],
        [1, 6],
        [1, 0xff],
        [2, 0],
        [1, 1],
      ],
    ),
  )

const HPET_ID = 0x8086_a201
const hpet = (): Uint8Array =>
  table(
    'HPET',
    1,
    bytesOfFields([[4, HPET_ID]], generic(0, 64, 0, HPET_BASE), [
      [1, 0],
      [2, 100],
      [1, 0],
    ]),
  )

function rsdp(rsdt: number, xsdt: number): Uint8Array {
  const bytes = new Uint8Array(36)
  const view = viewOf(bytes)
  bytes.set(ascii('RSD PTR '))
  bytes.set(ascii('VTICK '), 9)
  bytes[15] = 2
  view.setUint32(16, rsdt, true)
  view.setUint32(20, bytes.length, true)
  view.setBigUint64(24, BigInt(xsdt), true)
  bytes[8] = sumTo(bytes.subarray(0, 20))
  bytes[32] = sumTo(bytes)
  return bytes
}

/** All tables at their places. */
export function acpiTables(cpus: number): readonly Piece[] {
  const pieces: Piece[] = []
  let next = RSDP + 64
  const place = (bytes: Uint8Array): number => {
    const address = next
    pieces.push({ address: gpa(address), bytes })
    next = alignUp(next + bytes.length, 64)
    return address
  }
  const facsAt = place(facs())
  const tables = [place(fadt(facsAt, place(dsdt()))), place(madt(cpus)), place(hpet())]
  const rsdtAt = place(table('RSDT', 1, packed(tables.map(address => [4, address]))))
  const xsdtAt = place(table('XSDT', 1, packed(tables.map(address => [8, address]))))
  return [{ address: gpa(RSDP), bytes: rsdp(rsdtAt, xsdtAt) }, ...pieces]
}
