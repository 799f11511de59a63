/**
 * What there is of a BIOS. Its services are not quite absent: INT 10h with AH=0Eh prints AL on the debug console, and every other call
 * returns with CF set and AH=86h, "function not supported". Its data area says what kernels read there though they call no BIOS (IBM PC AT
 * Technical Reference, "BIOS Data Area"): Xen places its trampoline below the end of conventional memory that it gives, and the RSDP is
 * searched for in the extended area first (ACPI Specification 6.5, "Finding the RSDP on IA-PC Systems").
 */

import { gpa } from '../../base/units.ts'
import { FIRMWARE_AREA, LOW_MEMORY_END } from './memory-map.ts'
import { type Piece, viewOf } from './program.ts'

/** Offsets of the services in the segment at 0xF0000. */
const SERVICES = 0xe000
const VIDEO_INTERRUPT = 0x10
/** Vectors of the processor and of the first interrupt controller, which only return. */
const SERVICES_FROM = 0x10

/**
 *     video: cmp ah, 0Eh / jne other / out 0E9h, al / iret
 *     other: mov ah, 86h / push bp / mov bp, sp / or byte [bp+6], 1 (CF of the flags that IRET loads) / pop bp / iret
 *     plain: iret
 */
const VIDEO = [0x80, 0xfc, 0x0e, 0x75, 0x03, 0xe6, 0xe9, 0xcf]
const OTHER = [0xb4, 0x86, 0x55, 0x89, 0xe5, 0x80, 0x4e, 0x06, 0x01, 0x5d, 0xcf]
const PLAIN = [0xcf]

function vectors(): Uint8Array {
  const bytes = new Uint8Array(256 * 4)
  const view = new DataView(bytes.buffer)
  for (let vector = 0; vector < 256; vector++) {
    const service = vector === VIDEO_INTERRUPT ? 0 : vector < SERVICES_FROM ? VIDEO.length + OTHER.length : VIDEO.length
    view.setUint16(vector * 4, SERVICES + service, true)
    view.setUint16(vector * 4 + 2, FIRMWARE_AREA >> 4, true)
  }
  return bytes
}

export const biosServices = (): readonly Piece[] => [
  { address: gpa(0), bytes: vectors() },
  { address: gpa(FIRMWARE_AREA + SERVICES), bytes: Uint8Array.from([...VIDEO, ...OTHER, ...PLAIN]) },
]

const BIOS_DATA = 0x400
const BIOS_DATA_BYTES = 0x100
const SERIAL_PORTS = 0x00
const EXTENDED_SEGMENT = 0x0e
const CONVENTIONAL_KIB = 0x13
const COM1 = 0x3f8
const EXTENDED_KIB = 1

export function biosData(): readonly Piece[] {
  const bytes = new Uint8Array(BIOS_DATA_BYTES)
  const view = viewOf(bytes)
  view.setUint16(SERIAL_PORTS, COM1, true)
  view.setUint16(EXTENDED_SEGMENT, LOW_MEMORY_END >> 4, true)
  view.setUint16(CONVENTIONAL_KIB, LOW_MEMORY_END >> 10, true)
  return [
    { address: gpa(BIOS_DATA), bytes },
    { address: gpa(LOW_MEMORY_END), bytes: Uint8Array.of(EXTENDED_KIB) },
  ]
}
