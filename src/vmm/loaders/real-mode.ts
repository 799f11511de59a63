/**
 * Programs that start in real mode: a boot sector at 0x7C00, and a ROM at the reset vector (Intel SDM, "Processor State After Reset";
 * "First Instruction Executed"). There is no BIOS but what `bios.ts` says.
 */

import { gpa } from '../../base/units.ts'
import type { BootEnvironment, BootRegisters, BootSegment } from '../boot.ts'
import { acpiTables } from './acpi.ts'
import { biosData, biosServices } from './bios.ts'
import { requireOf } from './load-error.ts'
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

export function bootSectorBoot({ image, cpus }: BootRequest): BootEnvironment {
  requireOf(
    isBootSector(image.bytes),
    'a boot sector has 512 bytes and ends with 55 AA',
    'end it with `times 510-($-$$) db 0` and `dw 0xAA55`',
  )
  return {
    pieces: [...biosServices(), { address: gpa(SECTOR_ADDRESS), bytes: image.bytes }, ...acpiTables(cpus), ...biosData()],
    registers: realMode(codeSegment(0, 0n), SECTOR_ADDRESS, SECTOR_ADDRESS, FIRST_DISK),
  }
}

/** A ROM larger than this would lie over the I/O APIC. */
const MOST_ROM_BYTES = 16 * 2 ** 20
/** Of a ROM, the last so many bytes are also found below 1 MiB. */
const COPY_BYTES = 256 * 1024
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
