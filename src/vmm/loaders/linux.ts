/**
 * Linux by its 64-bit boot protocol (Linux, Documentation/arch/x86/boot.rst, "64-bit Boot Protocol"; zero-page.rst): a bzImage, or a
 * vmlinux whose segments say where it goes. RSI points at the zero page, memory is mapped one to one.
 */

import { alignUp } from '../../base/bits.ts'
import { gpa, PAGE_SIZE } from '../../base/units.ts'
import { BOOT_PAGING, type BootEnvironment, type BootSegment, flatSegment, identityTables, UNUSABLE_SEGMENT } from '../boot.ts'
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
const FIRST_VERSION_WITH_64_BIT = 0x20c
/** The first GiB is mapped at the start. */
const MAPPED = 2 ** 30

interface Kernel {
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
  requireOf(
    version >= FIRST_VERSION_WITH_64_BIT && (view.getUint16(EXTENDED_LOAD_FLAGS, true) & HAS_64_BIT_ENTRY) !== 0,
    'this kernel has no 64-bit entry point (boot protocol 2.12, XLF_KERNEL_64)',
    'take a 64-bit kernel of Linux 3.8 or later',
  )
  const setupBytes = ((bytes[SETUP_SECTORS] || 4) + 1) * 512
  const load = Number(view.getBigUint64(PREFERRED_ADDRESS, true))
  const zeroPage = new Uint8Array(PAGE_SIZE)
  // The setup header ends where the byte of the jump at its start says.
  zeroPage.set(bytes.subarray(SETUP_SECTORS, HEADER + bytes[0x201]!), SETUP_SECTORS)
  return {
    entry: load + ENTRY_64,
    pieces: [{ address: gpa(load), bytes: bytes.subarray(setupBytes) }],
    end: load + Math.max(view.getUint32(INIT_BYTES, true), bytes.length - setupBytes),
    zeroPage,
  }
}

/** A vmlinux carries no setup header: it is given one that says as much as it needs. */
function loadVmlinux(bytes: Uint8Array): Kernel {
  const { bits, entry, pieces, end } = loadElf(bytes)
  requireOf(bits === 64, 'this vmlinux is a 32-bit kernel', 'take a 64-bit one')
  const zeroPage = new Uint8Array(PAGE_SIZE)
  const view = viewOf(zeroPage)
  view.setUint16(BOOT_FLAG, 0xaa55, true)
  view.setUint32(HEADER, HDRS, true)
  view.setUint16(VERSION, 0x20f, true)
  view.setUint32(RAMDISK_HIGHEST, 0x7fff_ffff, true)
  view.setUint32(COMMAND_LINE_LIMIT, 2047, true)
  return { entry, pieces, end, zeroPage }
}

export function linuxBoot({ image, boot, memoryMiB, cpus }: BootRequest): BootEnvironment {
  const { bytes } = image
  const kernel = isBzImage(bytes) ? loadBzImage(bytes) : isElf(bytes) ? loadVmlinux(bytes) : null
  requireOf(kernel !== null, 'this is neither a bzImage nor a vmlinux', 'name the file that /boot has as vmlinuz')
  requireOf(boot.modules.length <= 1, 'Linux takes one initrd', 'put the parts into one file: `cat a.cpio b.cpio`')
  const end = memoryMiB * 2 ** 20
  const ramdisk = boot.modules[0]?.bytes ?? new Uint8Array()
  const ramdiskAt = ramdisk.length === 0 ? 0 : Math.min(end, MAPPED) - alignUp(ramdisk.length, PAGE_SIZE)
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
      ...identityTables(),
      ...acpiTables(cpus),
      ...biosData(),
      { address: gpa(GDT), bytes: gdtBytes() },
      { address: gpa(ZERO_PAGE), bytes: kernel.zeroPage },
      { address: gpa(COMMAND_LINE), bytes: line },
      ...(ramdisk.length === 0 ? [] : [{ address: gpa(ramdiskAt), bytes: ramdisk }]),
    ],
    registers: {
      rip: BigInt(kernel.entry),
      rsp: BigInt(STACK_TOP),
      rflags: 2n,
      cr0: 0x8000_0011n, // PG ET PE
      cr3: BigInt(BOOT_PAGING),
      cr4: 0x20n, // PAE
      efer: 0x500n, // LMA LME
      segments: [BOOT_DATA, flatSegment(0x10, 0xa09b), BOOT_DATA, BOOT_DATA, BOOT_DATA, BOOT_DATA, UNUSABLE_SEGMENT, TASK_STATE],
      gdtr: { base: BigInt(GDT), limit: GDT_ENTRIES.length * 8 - 1 },
      idtr: { base: 0n, limit: 0 },
      general: { 6: BigInt(ZERO_PAGE) },
    },
  }
}

/** __BOOT_CS is 0x10 and __BOOT_DS 0x18. */
const GDT_ENTRIES = [0n, 0n, 0x00af_9b00_0000_ffffn, 0x00cf_9300_0000_ffffn] as const
const BOOT_DATA = flatSegment(0x18, 0xc093)
const TASK_STATE: BootSegment = { selector: 0, base: 0n, limit: 0xffff, accessRights: 0x8b }

function gdtBytes(): Uint8Array {
  const bytes = new Uint8Array(GDT_ENTRIES.length * 8)
  for (const [index, entry] of GDT_ENTRIES.entries()) viewOf(bytes).setBigUint64(index * 8, entry, true)
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
