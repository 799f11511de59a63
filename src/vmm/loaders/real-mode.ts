/**
 * Programs that start in real mode: a boot sector at 0x7C00, and a ROM at the reset vector (Intel SDM, "Processor State After Reset";
 * "First Instruction Executed"). There is no BIOS. For boot sectors its services are not quite absent: INT 10h with AH=0Eh prints AL on
 * the debug console, and every other call returns with CF set and AH=86h, "function not supported".
 */

import { gpa } from '../../base/units.ts'
import type { BootEnvironment, BootRegisters, BootSegment } from '../boot.ts'
import { acpiTables } from './acpi.ts'
import { requireOf } from './load-error.ts'
import { FIRMWARE_AREA } from './memory-map.ts'
import type { BootRequest } from './program.ts'

const SECTOR_BYTES = 512
const SECTOR_ADDRESS = 0x7c00
const FIRST_DISK = 0x80n

export const isBootSector = (bytes: Uint8Array): boolean => bytes.length === SECTOR_BYTES && bytes[510] === 0x55 && bytes[511] === 0xaa

const dataSegment = (selector: number): BootSegment => ({ selector, base: BigInt(selector * 16), limit: 0xffff, accessRights: 0x93 })
const codeSegment = (selector: number, base: bigint): BootSegment => ({ selector, base, limit: 0xffff, accessRights: 0x9b })

const realMode = (code: BootSegment, rip: number, rsp: number, edx: bigint): BootRegisters => ({
  rip: BigInt(rip),
  rsp: BigInt(rsp),
  rflags: 2n,
  cr0: 0x6000_0010n, // CD NW ET
  cr3: 0n,
  cr4: 0n,
  efer: 0n,
  segments: [
    dataSegment(0),
    code,
    dataSegment(0),
    dataSegment(0),
    dataSegment(0),
    dataSegment(0),
    { selector: 0, base: 0n, limit: 0xffff, accessRights: 0x82 },
    { selector: 0, base: 0n, limit: 0xffff, accessRights: 0x8b },
  ],
  gdtr: { base: 0n, limit: 0xffff },
  idtr: { base: 0n, limit: 0xffff },
  general: { 2: edx },
})

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

export function bootSectorBoot({ image, cpus }: BootRequest): BootEnvironment {
  requireOf(
    isBootSector(image.bytes),
    'a boot sector has 512 bytes and ends with 55 AA',
    'end it with `times 510-($-$$) db 0` and `dw 0xAA55`',
  )
  return {
    pieces: [
      { address: gpa(0), bytes: vectors() },
      { address: gpa(FIRMWARE_AREA + SERVICES), bytes: Uint8Array.from([...VIDEO, ...OTHER, ...PLAIN]) },
      { address: gpa(SECTOR_ADDRESS), bytes: image.bytes },
      ...acpiTables(cpus),
    ],
    registers: realMode(codeSegment(0, 0n), SECTOR_ADDRESS, SECTOR_ADDRESS, FIRST_DISK),
  }
}

/** A ROM larger than this would lie over the I/O APIC. */
const MOST_ROM_BYTES = 16 * 2 ** 20
/** Of a ROM, the last so many bytes are also found below 1 MiB. */
const COPY_BYTES = 128 * 1024
const RESET_OFFSET = 0xfff0

export function romBoot({ image, signature }: BootRequest): BootEnvironment {
  const { bytes } = image
  requireOf(
    bytes.length >= 16 && bytes.length <= MOST_ROM_BYTES && bytes.length % 16 === 0,
    `a ROM has 16 bytes to 16 MiB, in steps of 16, and this has ${bytes.length} bytes`,
    'pad it at its beginning: its end is the reset vector',
  )
  const copy = bytes.subarray(Math.max(0, bytes.length - COPY_BYTES))
  return {
    pieces: [{ address: gpa(0x10_0000 - copy.length), bytes: copy }],
    registers: realMode(codeSegment(0xf000, 0xffff_0000n), RESET_OFFSET, 0, BigInt(signature)),
    rom: bytes,
  }
}
