/**
 * Linux by its 64-bit or 32-bit boot protocol (Linux, Documentation/arch/x86/boot.rst, "64-bit Boot Protocol", "32-bit Boot Protocol";
 * zero-page.rst): a bzImage, or a vmlinux whose segments say where it goes. RSI points at the zero page; in 64-bit mode memory is mapped one to
 * one, in 32-bit mode paging is off. A bzImage starts by the 64-bit protocol if it has an entry for it.
 */

import { alignUp } from '../../base/bits.ts'
import { gpa, PAGE_SIZE } from '../../base/units.ts'
import {
  BOOT_PAGING,
  type BootEnvironment,
  type BootRegisters,
  type BootSegment,
  flatSegment,
  identityTables,
  UNUSABLE_SEGMENT,
} from '../boot.ts'
import { acpiTables, RSDP } from './acpi.ts'
import { biosData } from './bios.ts'
import { isElf, loadElf } from './elf.ts'
import { requireOf } from './load-error.ts'
import { memoryMap } from './memory-map.ts'
import { type BootRequest, type Piece, viewOf, zeroTerminated } from './program.ts'

const ZERO_PAGE = 0x9_0000
const COMMAND_LINE = 0x9_1000
const COMMAND_LINE_BYTES = 0x8000
const STACK_TOP = 0x8_0000
const GDT = 0x1000

/** Fields of the setup header, at their offsets in the zero page and in a bzImage. */
const SETUP_SECTORS = 0x1f1
const BOOT_FLAG = 0x1fe
const HEADER = 0x202
const VERSION = 0x206
const LOADER_TYPE = 0x210
const LOAD_FLAGS = 0x211
const CODE32_START = 0x214
const RAMDISK_ADDRESS = 0x218
const RAMDISK_BYTES = 0x21c
const COMMAND_LINE_POINTER = 0x228
const RAMDISK_HIGHEST = 0x22c
const EXTENDED_LOAD_FLAGS = 0x236
const COMMAND_LINE_LIMIT = 0x238
const PREFERRED_ADDRESS = 0x258
const INIT_BYTES = 0x260
/** Fields of the zero page alone. */
const RSDP_ADDRESS = 0x070
const E820_COUNT = 0x1e8
const E820_TABLE = 0x2d0
const E820_ENTRY_BYTES = 20

const HDRS = 0x5372_6448
const LOADED_HIGH = 1
const UNKNOWN_LOADER = 0xff
const HAS_64_BIT_ENTRY = 1
const ENTRY_64 = 0x200
const VERSION_WITH_COMMAND_LINE_POINTER = 0x202
const VERSION_WITH_PREFERRED_ADDRESS = 0x20a
const VERSION_WITH_64_BIT = 0x20c
/** What a 32-bit kernel says; before protocol 2.03 no field does. */
const RAMDISK_HIGHEST_32 = 0x37ff_ffff
/** The first GiB is mapped at the start. */
const MAPPED = 2 ** 30

interface Kernel {
  readonly bits: 64 | 32
  readonly entry: number
  readonly pieces: readonly Piece[]
  /** How far it reaches while it unpacks itself. */
  readonly end: number
  readonly zeroPage: Uint8Array
}

export const isBzImage = (bytes: Uint8Array): boolean => bytes.length > 0x300 && viewOf(bytes).getUint32(HEADER, true) === HDRS

function loadBzImage(bytes: Uint8Array): Kernel {
  const view = viewOf(bytes)
  const version = view.getUint16(VERSION, true)
  const protectedEntry = view.getUint32(CODE32_START, true)
  requireOf(
    version >= VERSION_WITH_COMMAND_LINE_POINTER && (bytes[LOAD_FLAGS]! & LOADED_HIGH) !== 0 && protectedEntry !== 0,
    'this kernel starts in real mode only, from a BIOS (boot protocol 2.02, LOADED_HIGH, code32_start)',
    'take a bzImage of Linux 2.4 or later',
  )
  const has64 = version >= VERSION_WITH_64_BIT && (view.getUint16(EXTENDED_LOAD_FLAGS, true) & HAS_64_BIT_ENTRY) !== 0
  const setupBytes = ((bytes[SETUP_SECTORS] || 4) + 1) * 512
  const hasPreferred = version >= VERSION_WITH_PREFERRED_ADDRESS
  const load = (hasPreferred && Number(view.getBigUint64(PREFERRED_ADDRESS, true))) || protectedEntry
  const zeroPage = new Uint8Array(PAGE_SIZE)
  // The setup header ends where the byte of the jump at its start says.
  zeroPage.set(bytes.subarray(SETUP_SECTORS, HEADER + bytes[0x201]!), SETUP_SECTORS)
  viewOf(zeroPage).setUint32(CODE32_START, load, true)
  return {
    bits: has64 ? 64 : 32,
    entry: has64 ? load + ENTRY_64 : load,
    pieces: [{ address: gpa(load), bytes: bytes.subarray(setupBytes) }],
    end: load + Math.max(hasPreferred ? view.getUint32(INIT_BYTES, true) : 0, bytes.length - setupBytes),
    zeroPage,
  }
}

/** A vmlinux carries no setup header: it is given one that says as much as it needs. */
function loadVmlinux(bytes: Uint8Array): Kernel {
  const { bits, entry, pieces, end } = loadElf(bytes)
  const zeroPage = new Uint8Array(PAGE_SIZE)
  const view = viewOf(zeroPage)
  view.setUint16(BOOT_FLAG, 0xaa55, true)
  view.setUint32(HEADER, HDRS, true)
  view.setUint16(VERSION, 0x20f, true)
  view.setUint32(CODE32_START, entry, true)
  view.setUint32(RAMDISK_HIGHEST, bits === 64 ? 0x7fff_ffff : RAMDISK_HIGHEST_32, true)
  view.setUint32(COMMAND_LINE_LIMIT, 2047, true)
  return { bits, entry, pieces, end, zeroPage }
}

export function linuxBoot({ image, boot, memoryMiB, cpus }: BootRequest): BootEnvironment {
  const { bytes } = image
  const kernel = isBzImage(bytes) ? loadBzImage(bytes) : isElf(bytes) ? loadVmlinux(bytes) : null
  requireOf(kernel !== null, 'this is neither a bzImage nor a vmlinux', 'name the file that /boot has as vmlinuz')
  requireOf(boot.modules.length <= 1, 'Linux takes one initrd', 'put the parts into one file: `cat a.cpio b.cpio`')
  const end = memoryMiB * 2 ** 20
  const ramdisk = boot.modules[0]?.bytes ?? new Uint8Array()
  const highest = viewOf(kernel.zeroPage).getUint32(RAMDISK_HIGHEST, true) || RAMDISK_HIGHEST_32
  const ramdiskAt = ramdisk.length === 0 ? 0 : placeBelow(Math.min(end, MAPPED, highest + 1), ramdisk.length)
  const needed = kernel.end + alignUp(ramdisk.length, PAGE_SIZE)
  requireOf(
    needed <= end,
    `the kernel needs ${Math.ceil(needed / 2 ** 20)} MiB to start`,
    `give it more with -m ${alignUp(Math.ceil(needed / 2 ** 20), 64)}`,
  )
  const line = zeroTerminated(boot.commandLine)
  requireOf(line.length <= COMMAND_LINE_BYTES, 'the command line is too long', 'shorten what --append says')
  fillZeroPage(kernel.zeroPage, memoryMiB, ramdiskAt, ramdisk.length)
  return {
    pieces: [
      ...kernel.pieces,
      ...(kernel.bits === 64 ? identityTables() : []),
      ...acpiTables(cpus),
      ...biosData(),
      { address: gpa(GDT), bytes: gdtBytes(kernel) },
      { address: gpa(ZERO_PAGE), bytes: kernel.zeroPage },
      { address: gpa(COMMAND_LINE), bytes: line },
      ...(ramdisk.length === 0 ? [] : [{ address: gpa(ramdiskAt), bytes: ramdisk }]),
    ],
    registers: registersOf(kernel),
  }
}

/** Paging and 64-bit mode, or neither; interrupts are off. */
function registersOf({ bits, entry }: Kernel): BootRegisters {
  const long = bits === 64
  const code = flatSegment(0x10, long ? 0xa09b : 0xc09b)
  return {
    rip: BigInt(entry),
    rsp: BigInt(STACK_TOP),
    rflags: 2n,
    cr0: long ? 0x8000_0011n : 0x11n, // PG ET PE
    cr3: long ? BigInt(BOOT_PAGING) : 0n,
    cr4: long ? 0x20n : 0n, // PAE
    efer: long ? 0x500n : 0n, // LMA LME
    segments: [BOOT_DATA, code, BOOT_DATA, BOOT_DATA, BOOT_DATA, BOOT_DATA, UNUSABLE_SEGMENT, TASK_STATE],
    gdtr: { base: BigInt(GDT), limit: GDT_BYTES - 1 },
    idtr: { base: 0n, limit: 0 },
    general: { 6: BigInt(ZERO_PAGE) },
  }
}

const placeBelow = (end: number, bytes: number): number => end - bytes - ((end - bytes) % PAGE_SIZE)

/** __BOOT_CS is 0x10 and __BOOT_DS 0x18. */
const GDT_BYTES = 4 * 8
const CODE_DESCRIPTOR = { 64: 0x00af_9b00_0000_ffffn, 32: 0x00cf_9b00_0000_ffffn } as const
const DATA_DESCRIPTOR = 0x00cf_9300_0000_ffffn
const BOOT_DATA = flatSegment(0x18, 0xc093)
const TASK_STATE: BootSegment = { selector: 0, base: 0n, limit: 0xffff, accessRights: 0x8b }

function gdtBytes({ bits }: Kernel): Uint8Array {
  const bytes = new Uint8Array(GDT_BYTES)
  viewOf(bytes).setBigUint64(0x10, CODE_DESCRIPTOR[bits], true)
  viewOf(bytes).setBigUint64(0x18, DATA_DESCRIPTOR, true)
  return bytes
}

function fillZeroPage(page: Uint8Array, memoryMiB: number, ramdiskAt: number, ramdiskBytes: number): void {
  const view = viewOf(page)
  page[LOADER_TYPE] = UNKNOWN_LOADER
  page[LOAD_FLAGS] = page[LOAD_FLAGS]! | LOADED_HIGH
  view.setUint32(COMMAND_LINE_POINTER, COMMAND_LINE, true)
  view.setUint32(RAMDISK_ADDRESS, ramdiskAt, true)
  view.setUint32(RAMDISK_BYTES, ramdiskBytes, true)
  view.setBigUint64(RSDP_ADDRESS, BigInt(RSDP), true)
  const ranges = memoryMap(memoryMiB)
  page[E820_COUNT] = ranges.length
  for (const [index, { base, bytes, type }] of ranges.entries()) {
    const at = E820_TABLE + index * E820_ENTRY_BYTES
    view.setBigUint64(at, BigInt(base), true)
    view.setBigUint64(at + 8, BigInt(bytes), true)
    view.setUint32(at + 16, type, true)
  }
}
