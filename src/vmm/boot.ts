/**
 * What a guest finds when it starts in long mode: 64-bit code in ring 0, the first GiB identity-mapped, a stack, a flat GDT with
 * a TSS, no IDT, interrupts off, RIP at the image's origin.
 *
 *     0x1000  GDT: null, 0x08 code, 0x10 data, 0x18 TSS (two slots)
 *     0x2000  TSS
 *     0x3000  PML4     0x4000  page-directory-pointer table     0x5000  page directory with 2-MByte pages
 *     0x80000 top of the stack
 */

import type { Image } from '../assembler/image.ts'
import { shiftRight } from '../base/u64.ts'
import { type Gpa, gpa, PAGE_SIZE } from '../base/units.ts'

const GDT = 0x1000
const TSS = 0x2000
const PML4 = 0x3000
const PDPT = 0x4000
const PAGE_DIRECTORY = 0x5000
const STACK_TOP = 0x8_0000
const TSS_LIMIT = 0x67

export interface BootSegment {
  readonly selector: number
  readonly base: bigint
  readonly limit: number
  /** In the VMCS's format. */
  readonly accessRights: number
}

/** The register state that KVM calls sregs and regs. */
export interface BootRegisters {
  readonly rip: bigint
  readonly rsp: bigint
  readonly rflags: bigint
  readonly cr0: bigint
  readonly cr3: bigint
  readonly cr4: bigint
  readonly efer: bigint
  /** ES, CS, SS, DS, FS, GS, LDTR, TR. */
  readonly segments: readonly BootSegment[]
  readonly gdtr: { readonly base: bigint; readonly limit: number }
  readonly idtr: { readonly base: bigint; readonly limit: number }
  /** General registers besides RSP, by their encodings; the others are 0. */
  readonly general?: Readonly<Record<number, bigint>>
}

export interface BootEnvironment {
  readonly pieces: readonly { readonly address: Gpa; readonly bytes: Uint8Array }[]
  readonly registers: BootRegisters
  /** Read-only memory that ends at 4 GiB. */
  readonly rom?: Uint8Array
}

const CODE = 0x00af_9b00_0000_ffffn
const DATA = 0x00cf_9300_0000_ffffn

function quadwords(count: number, valueAt: (index: number) => bigint): Uint8Array {
  const bytes = new Uint8Array(count * 8)
  const view = new DataView(bytes.buffer)
  for (let index = 0; index < count; index++) view.setBigUint64(index * 8, valueAt(index), true)
  return bytes
}

/** A busy 64-bit TSS, as LTR would have left it. */
function gdtBytes(): Uint8Array {
  const base = BigInt(TSS)
  const low = BigInt(TSS_LIMIT) | ((base & 0xff_ffffn) << 16n) | (0x8bn << 40n) | (shiftRight(base, 24) << 56n)
  const slots = [0n, CODE, DATA, low, 0n]
  return quadwords(slots.length, index => slots[index]!)
}

/** RSP0 points at the boot stack; the I/O bitmap lies beyond the limit. */
function tssBytes(): Uint8Array {
  const bytes = new Uint8Array(TSS_LIMIT + 1)
  const view = new DataView(bytes.buffer)
  view.setBigUint64(4, BigInt(STACK_TOP), true)
  view.setUint16(0x66, TSS_LIMIT + 1, true)
  return bytes
}

const PRESENT_WRITABLE = 0x3n
const LARGE_PAGE = 0x80n

/** Tables that map the first GiB one to one. */
export const identityTables = (): BootEnvironment['pieces'] => [
  { address: gpa(PML4), bytes: quadwords(PAGE_SIZE / 8, index => (index === 0 ? BigInt(PDPT) | PRESENT_WRITABLE : 0n)) },
  { address: gpa(PDPT), bytes: quadwords(PAGE_SIZE / 8, index => (index === 0 ? BigInt(PAGE_DIRECTORY) | PRESENT_WRITABLE : 0n)) },
  { address: gpa(PAGE_DIRECTORY), bytes: quadwords(PAGE_SIZE / 8, index => (BigInt(index) << 21n) | LARGE_PAGE | PRESENT_WRITABLE) },
]

export const flatSegment = (selector: number, accessRights: number): BootSegment => ({
  selector,
  base: 0n,
  limit: 0xffff_ffff,
  accessRights,
})
/** Where the tables that map memory begin. */
export const BOOT_PAGING = PML4
export const UNUSABLE_SEGMENT: BootSegment = { selector: 0, base: 0n, limit: 0, accessRights: 0x10000 }
const CODE_RIGHTS = 0xa09b
const DATA_RIGHTS = 0xc093
const data = flatSegment(0x10, DATA_RIGHTS)

export const longModeBoot = (image: Image): BootEnvironment => ({
  pieces: [
    { address: gpa(GDT), bytes: gdtBytes() },
    { address: gpa(TSS), bytes: tssBytes() },
    ...identityTables(),
    { address: gpa(image.origin), bytes: image.bytes },
  ],
  registers: {
    rip: BigInt(image.entry),
    rsp: BigInt(STACK_TOP),
    rflags: 2n,
    cr0: 0x8001_0031n, // PG WP NE ET PE
    cr3: BigInt(PML4),
    cr4: 0x20n, // PAE
    efer: 0xd00n, // NX LMA LME
    segments: [
      data,
      flatSegment(0x08, CODE_RIGHTS),
      data,
      data,
      data,
      data,
      UNUSABLE_SEGMENT,
      { selector: 0x18, base: BigInt(TSS), limit: TSS_LIMIT, accessRights: 0x8b },
    ],
    gdtr: { base: BigInt(GDT), limit: 5 * 8 - 1 },
    idtr: { base: 0n, limit: 0 },
  },
})
