/**
 * The Multiboot Specification, version 0.6.96: finding the header, loading what it describes (ELF of 32 or 64 bits, or the flat image of
 * the address fields), and the information structure with command line, memory map and modules. The kernel starts in 32-bit protected
 * mode, paging off.
 */

import { alignUp } from '../../base/bits.ts'
import { gpa, PAGE_SIZE } from '../../base/units.ts'
import type { BootEnvironment } from '../boot.ts'
import { flatSegment, UNUSABLE_SEGMENT } from '../boot.ts'
import { acpiTables } from './acpi.ts'
import { biosData, biosServices } from './bios.ts'
import { isElf, loadElf } from './elf.ts'
import { LoadError, requireOf } from './load-error.ts'
import { HIGH_MEMORY, LOW_MEMORY_END, memoryMap } from './memory-map.ts'
import { type BootRequest, type Piece, viewOf, zeroTerminated } from './program.ts'

const HEADER_MAGIC = 0x1bad_b002
const LOADER_MAGIC = 0x2bad_b002n
const SEARCHED_BYTES = 8192
const FLAG_ADDRESSES = 1 << 16
/**
 * Flags of the header: bits 15:0 must be understood, and of those there are three. A video mode (bit 2) is no more than recommended: there
 * is no display, and the information structure, as QEMU's, tells of none.
 */
const UNDERSTOOD = 0x7

/**
 * The information structure, then what it points to. Where QEMU has it: kernels take memory from the end of the conventional memory down
 * for their trampolines and copies before they have read it (Xen does), and start other CPUs at 0x8000. A kernel that lies below 1 MiB itself
 * finds it behind itself and its modules.
 */
const INFORMATION = 0x9000
const INFORMATION_BYTES = 120
const LOADER_NAME = 'vtick'

/** Offset of the header in the file, -1 where there is none. */
export function multibootHeader(bytes: Uint8Array): number {
  const view = viewOf(bytes)
  const end = Math.min(bytes.length, SEARCHED_BYTES) - 12
  for (let at = 0; at <= end; at += 4) {
    if (view.getUint32(at, true) !== HEADER_MAGIC) continue
    const sum = HEADER_MAGIC + view.getUint32(at + 4, true) + view.getUint32(at + 8, true)
    if (sum >>> 0 === 0 || sum % 2 ** 32 === 0) return at
  }
  return -1
}

interface LoadedKernel {
  readonly entry: number
  readonly pieces: readonly Piece[]
  readonly end: number
}

function loadKernel(bytes: Uint8Array): LoadedKernel {
  const header = multibootHeader(bytes)
  requireOf(header >= 0, `no multiboot header in its first ${SEARCHED_BYTES} bytes`, 'link its section first, or choose another `--boot`')
  const view = viewOf(bytes)
  const flags = view.getUint32(header + 4, true)
  requireOf(
    (flags & 0xffff & ~UNDERSTOOD) === 0,
    `its multiboot header requires features 0x${(flags & 0xffff).toString(16)}`,
    'leave out what multiboot 1 does not define',
  )
  if ((flags & FLAG_ADDRESSES) === 0) {
    requireOf(isElf(bytes), 'it is no ELF file, and its multiboot header has no address fields', 'set bit 16 of the flags and fill them in')
    return loadElf(bytes)
  }
  return loadFlat(bytes, view, header)
}

/** The "a.out kludge": header_addr, load_addr, load_end_addr, bss_end_addr, entry_addr. */
function loadFlat(bytes: Uint8Array, view: DataView, header: number): LoadedKernel {
  const word = (index: number): number => view.getUint32(header + 12 + 4 * index, true)
  const [headerAddress, load, loadEnd, bssEnd, entry] = [word(0), word(1), word(2), word(3), word(4)]
  const start = header - (headerAddress - load)
  const length = loadEnd === 0 ? bytes.length - start : loadEnd - load
  if (start < 0 || length < 0 || start + length > bytes.length)
    throw new LoadError(
      'the address fields of its multiboot header do not fit the file',
      'compare load_addr and load_end_addr with its size',
    )
  return { entry, pieces: [{ address: gpa(load), bytes: bytes.subarray(start, start + length) }], end: Math.max(load + length, bssEnd) }
}

export function multibootBoot(request: BootRequest): BootEnvironment {
  const { image, memoryMiB, boot } = request
  const kernel = loadKernel(image.bytes)
  const modules = placeModules(request, kernel.end)
  const names = boot.modules.map(({ name }) => name)
  const behind = Math.max(kernel.end, ...modules.map(({ address, bytes }) => address + bytes.length))
  const isLow = kernel.pieces.some(({ address }) => address < HIGH_MEMORY)
  const at = isLow ? alignUp(behind, PAGE_SIZE) : INFORMATION
  const structure = information(request, modules, names, at)
  const end = isLow ? endOf(structure) : behind
  requireOf(
    end <= memoryMiB * 2 ** 20,
    `it reaches up to 0x${end.toString(16)} and does not fit into ${memoryMiB} MiB`,
    `give it more with -m ${Math.ceil(end / 2 ** 20) + 1}`,
  )
  requireOf(isLow || endOf(structure) <= LOW_MEMORY_END, 'command line and module names are too long', 'shorten what --append says')
  return {
    pieces: [...kernel.pieces, ...modules, ...structure, ...acpiTables(request.cpus), ...biosServices(), ...biosData()],
    registers: {
      rip: BigInt(kernel.entry),
      rsp: 0n, // undefined: the kernel sets up its own stack
      rflags: 2n,
      cr0: 0x11n, // ET PE
      cr3: 0n,
      cr4: 0n,
      efer: 0n,
      segments: [DATA, flatSegment(0x08, CODE32_RIGHTS), DATA, DATA, DATA, DATA, UNUSABLE_SEGMENT, TASK_STATE],
      gdtr: { base: 0n, limit: 0 },
      idtr: { base: 0n, limit: 0 },
      general: { 0: LOADER_MAGIC, 3: BigInt(at) },
    },
  }
}

const CODE32_RIGHTS = 0xc09b
const DATA = flatSegment(0x10, 0xc093)
/** What TR holds where no software has loaded it. */
const TASK_STATE = { selector: 0, base: 0n, limit: 0xffff, accessRights: 0x8b }

/** Behind the kernel, each at a page. */
function placeModules({ boot }: BootRequest, kernelEnd: number): readonly Piece[] {
  let next = alignUp(Math.max(kernelEnd, HIGH_MEMORY), PAGE_SIZE)
  return boot.modules.map(({ bytes }) => {
    const address = gpa(next)
    next = alignUp(next + bytes.length, PAGE_SIZE)
    return { address, bytes }
  })
}

/** Memory sizes, command line, modules, memory map, name of the loader. */
const PRESENT = (1 << 0) | (1 << 2) | (1 << 3) | (1 << 6) | (1 << 9)
const MAP_ENTRY_BYTES = 24
const MODULE_ENTRY_BYTES = 16

const endOf = (pieces: readonly Piece[]): number => Math.max(...pieces.map(({ address, bytes }) => address + bytes.length))

function information({ boot, memoryMiB }: BootRequest, modules: readonly Piece[], names: readonly string[], at: number): readonly Piece[] {
  const ranges = memoryMap(memoryMiB)
  const map = at + INFORMATION_BYTES
  const list = map + ranges.length * MAP_ENTRY_BYTES
  let text = list + modules.length * MODULE_ENTRY_BYTES
  const pieces: Piece[] = []
  const place = (words: string): number => {
    const address = gpa(text)
    const bytes = zeroTerminated(words)
    pieces.push({ address, bytes })
    text += bytes.length
    return address
  }
  const moduleNames = names.map(place)
  const [commandLine, loader] = [place(boot.commandLine), place(LOADER_NAME)]
  const header = new Uint8Array(INFORMATION_BYTES)
  const fields: readonly (readonly [offset: number, value: number])[] = [
    [0, PRESENT],
    [4, Math.floor(LOW_MEMORY_END / 1024)],
    [8, memoryMiB * 1024 - 1024],
    [16, commandLine],
    [20, modules.length],
    [24, list],
    [44, ranges.length * MAP_ENTRY_BYTES],
    [48, map],
    [64, loader],
  ]
  for (const [offset, value] of fields) viewOf(header).setUint32(offset, value, true)
  const tables = [mapBytes(ranges), moduleBytes(modules, moduleNames)]
  return [
    { address: gpa(at), bytes: header },
    { address: gpa(map), bytes: tables[0]! },
    { address: gpa(list), bytes: tables[1]! },
    ...pieces,
  ]
}

/** Each entry begins with the size of what follows. */
function mapBytes(ranges: ReturnType<typeof memoryMap>): Uint8Array {
  const bytes = new Uint8Array(ranges.length * MAP_ENTRY_BYTES)
  const view = viewOf(bytes)
  for (const [index, range] of ranges.entries()) {
    const at = index * MAP_ENTRY_BYTES
    view.setUint32(at, MAP_ENTRY_BYTES - 4, true)
    view.setBigUint64(at + 4, BigInt(range.base), true)
    view.setBigUint64(at + 12, BigInt(range.bytes), true)
    view.setUint32(at + 20, range.type, true)
  }
  return bytes
}

function moduleBytes(modules: readonly Piece[], names: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(modules.length * MODULE_ENTRY_BYTES)
  const view = viewOf(bytes)
  for (const [index, { address, bytes: content }] of modules.entries()) {
    const words = [address, address + content.length, names[index]!, 0]
    for (const [word, value] of words.entries()) view.setUint32(index * MODULE_ENTRY_BYTES + 4 * word, value, true)
  }
  return bytes
}
