/**
 * Physical memory and the register blocks, in one buffer that is allocated once and never replaced (see `base/layout`).
 *
 * Every page has a byte of marks. A page that bytes were decoded from, or that a live TLB entry was walked through, is
 * marked, and a store to it drops what was derived; so neither cache is ever observable. The other marks tell a keyframe
 * which pages to keep and a hash which pages are not zero.
 */

import { assert } from '../base/assert.ts'
import { ramOffset } from '../base/layout.ts'
import { high32, low32 } from '../base/u64.ts'
import { PAGE_SIZE } from '../base/units.ts'
import { BLOCK_BYTES } from './cpu/registers.ts'
import { keepBuffer, takeBuffer } from './memory-buffers.ts'

const WRITTEN_SINCE_KEYFRAME = 1
const WRITTEN_EVER = 2
const HOLDS_DECODED_CODE = 4
/** Entries of the guest's paging structures, of EPT. */
const HOLDS_PAGING = { guest: 8, ept: 16 } as const
const HOLDS_ANY_PAGING = HOLDS_PAGING.guest | HOLDS_PAGING.ept
/** Somebody wants to know of stores to some of its bytes. */
const WATCHED = 32
/** A line that a CPU monitors. */
const HOLDS_MONITORED = 64
const PLAINLY_WRITTEN = WRITTEN_SINCE_KEYFRAME | WRITTEN_EVER

/** Behind RAM, eight bytes that 64-bit reads beyond it are put into. (Choosing an address, not a value, keeps V8 11's optimizer from failing.) */
const BEYOND_BYTES = 8

export type PagingKind = keyof typeof HOLDS_PAGING

/** Bytes of RAM, and who is told before each store to any of them. Restoring a snapshot ends it. */
export interface Watch {
  readonly address: number
  readonly bytes: number
  see(): void
}

export class Memory {
  readonly buffer: ArrayBuffer
  /** RAM as bytes; index = host-physical address. */
  readonly ram: Uint8Array<ArrayBuffer>
  readonly size: number
  /** Called before a store to a page that the decode cache, or the TLB, was filled from. */
  onCodeWrite: (page: number) => void = () => {}
  onPagingWrite: () => void = () => {}
  /** Called for a store to a page with a monitored line; returns whether the page has another one. */
  onMonitoredWrite: (address: number, bytes: number) => boolean = () => false
  /** What lies beyond RAM, by accesses of 1, 2 or 4 bytes: nothing, which reads as all ones, until a machine puts its devices there. */
  readBeyond: (address: number, size: number) => number = (_, size) => 2 ** (8 * size) - 1
  writeBeyond: (address: number, size: number, value: number) => void = () => {}
  /** Called before an access is made in pieces, with its address in each page that it touches. */
  onSplit: (address: number, access: 'read' | 'write') => void = () => {}
  readonly #view: DataView
  readonly #marks: Uint8Array
  readonly #pagingPages: number[] = []
  #watch: Watch | null = null

  constructor(cpus: number, bytes: number) {
    assert(bytes % PAGE_SIZE === 0, 'memory is a whole number of pages')
    const offset = ramOffset(cpus, BLOCK_BYTES)
    this.buffer = takeBuffer(offset + bytes + BEYOND_BYTES)
    this.size = bytes
    this.ram = new Uint8Array(this.buffer, offset, bytes)
    this.#view = new DataView(this.buffer, offset, bytes + BEYOND_BYTES)
    this.#marks = new Uint8Array(bytes / PAGE_SIZE)
  }

  read8(address: number): number {
    return address < this.size ? this.ram[address]! : this.readBeyond(address, 1)
  }
  read16(address: number): number {
    return address + 2 <= this.size ? this.#view.getUint16(address, true) : this.readBeyond(address, 2)
  }
  read32(address: number): number {
    return address + 4 <= this.size ? this.#view.getUint32(address, true) : this.readBeyond(address, 4)
  }
  read64(address: number): bigint {
    return this.#view.getBigUint64(address + 8 <= this.size ? address : this.#fetchBeyond(address), true)
  }

  // A store never crosses a page: whoever translates linear addresses splits it first.
  write8(address: number, value: number): void {
    if (address + 1 > this.size) return this.writeBeyond(address, 1, value)
    this.#beforeWrite(address, 1)
    this.ram[address] = value
  }
  write16(address: number, value: number): void {
    if (address + 2 > this.size) return this.writeBeyond(address, 2, value)
    this.#beforeWrite(address, 2)
    this.#view.setUint16(address, value, true)
  }
  write32(address: number, value: number): void {
    if (address + 4 > this.size) return this.writeBeyond(address, 4, value)
    this.#beforeWrite(address, 4)
    this.#view.setUint32(address, value, true)
  }
  write64(address: number, value: bigint): void {
    if (address + 8 > this.size) return this.#sendBeyond(address, value)
    this.#beforeWrite(address, 8)
    this.#view.setBigUint64(address, value, true)
  }

  /** 64 bits from beyond RAM, as two accesses; returns where they are. */
  #fetchBeyond(address: number): number {
    this.onSplit(address, 'read')
    this.#view.setUint32(this.size, this.readBeyond(address, 4), true)
    this.#view.setUint32(this.size + 4, this.readBeyond(address + 4, 4), true)
    return this.size
  }

  #sendBeyond(address: number, value: bigint): void {
    this.onSplit(address, 'write')
    this.writeBeyond(address, 4, low32(value))
    this.writeBeyond(address + 4, 4, high32(value))
  }

  /** Whether stores to this page of RAM, from here on, are nothing but stores: nothing was derived from what it holds. Counts as one. */
  beginPlainWrites(address: number): boolean {
    const page = Math.floor(address / PAGE_SIZE)
    if ((this.#marks[page]! & ~PLAINLY_WRITTEN) !== 0) return false
    this.#marks[page]! |= PLAINLY_WRITTEN
    return true
  }

  /** Copies bytes in, across pages; what lies beyond the end is dropped. */
  writeBytes(address: number, bytes: Uint8Array): void {
    const fitting = bytes.subarray(0, Math.max(0, this.size - address))
    const end = address + fitting.length
    for (let at = address; at < end; ) {
      const next = Math.min(end, (Math.floor(at / PAGE_SIZE) + 1) * PAGE_SIZE)
      this.#beforeWrite(at, next - at)
      at = next
    }
    this.ram.set(fitting, address)
  }

  /**
   * A paging-structure entry gets its accessed or dirty bit: what was derived from it stays right. Not so what was derived from the
   * page otherwise: instructions, or translations of the other kind, for which the same bits mean something else.
   */
  setPagingBits(address: number, bytes: 4 | 8, value: bigint, kind: PagingKind): void {
    if (address + bytes > this.size) return
    const page = Math.floor(address / PAGE_SIZE)
    const marks = this.#marks[page]!
    this.#marks[page] = (marks | PLAINLY_WRITTEN) & ~HOLDS_DECODED_CODE
    if ((marks & WATCHED) !== 0) this.#tellOfStore(address, bytes)
    if (bytes === 8) this.#view.setBigUint64(address, value, true)
    else this.#view.setUint32(address, low32(value), true)
    if ((marks & HOLDS_DECODED_CODE) !== 0) this.onCodeWrite(page)
    if ((marks & HOLDS_PAGING[kind === 'guest' ? 'ept' : 'guest']) !== 0) this.onPagingWrite()
  }

  watch(watch: Watch): void {
    this.unwatch()
    this.#watch = watch
    this.#markWatched(watch, WATCHED)
  }

  unwatch(): void {
    if (this.#watch !== null) this.#markWatched(this.#watch, 0)
    this.#watch = null
  }

  #markWatched({ address, bytes }: Watch, mark: number): void {
    for (let page = Math.floor(address / PAGE_SIZE); page * PAGE_SIZE < address + bytes; page++)
      if (page < this.#marks.length) this.#marks[page] = (this.#marks[page]! & ~WATCHED) | mark
  }

  #tellOfStore(address: number, bytes: number): void {
    const watch = this.#watch
    if (watch !== null && address < watch.address + watch.bytes && watch.address < address + bytes) watch.see()
  }

  markCode(page: number): void {
    if (page < this.#marks.length) this.#marks[page]! |= HOLDS_DECODED_CODE
  }

  markPaging(address: number, kind: PagingKind): void {
    const page = Math.floor(address / PAGE_SIZE)
    if (page >= this.#marks.length || (this.#marks[page]! & HOLDS_PAGING[kind]) !== 0) return
    this.#marks[page]! |= HOLDS_PAGING[kind]
    this.#pagingPages.push(page)
  }

  markMonitored(address: number): void {
    const page = Math.floor(address / PAGE_SIZE)
    if (page < this.#marks.length) this.#marks[page]! |= HOLDS_MONITORED
  }

  /** Forgets which pages hold paging structures: the TLB is empty. */
  unmarkPaging(): void {
    for (const page of this.#pagingPages) this.#marks[page]! &= ~HOLDS_ANY_PAGING
    this.#pagingPages.length = 0
  }

  /** Pages written since the last call, in order. */
  takeWrittenPages(): number[] {
    const pages: number[] = []
    for (let page = 0; page < this.#marks.length; page++) {
      if ((this.#marks[page]! & WRITTEN_SINCE_KEYFRAME) === 0) continue
      this.#marks[page]! &= ~WRITTEN_SINCE_KEYFRAME
      pages.push(page)
    }
    return pages
  }

  /** Every page that may hold something else than zeros, in order. */
  writtenPages(): number[] {
    const pages: number[] = []
    for (let page = 0; page < this.#marks.length; page++) if ((this.#marks[page]! & WRITTEN_EVER) !== 0) pages.push(page)
    return pages
  }

  page(page: number): Uint8Array<ArrayBuffer> {
    return this.ram.subarray(page * PAGE_SIZE, (page + 1) * PAGE_SIZE)
  }

  /** Back to the state of a machine just made: zeros, no marks. */
  clear(): void {
    for (const page of this.writtenPages()) this.page(page).fill(0)
    this.#marks.fill(0)
    this.#pagingPages.length = 0
  }

  /** Gives the buffer, with RAM and the registers, to the next machine of this size: this one is not to be looked at any more. */
  release(): void {
    this.clear()
    new Uint8Array(this.buffer, 0, this.ram.byteOffset).fill(0)
    this.#view.setBigUint64(this.size, 0n)
    keepBuffer(this.buffer)
  }

  #beforeWrite(address: number, bytes: number): void {
    const page = Math.floor(address / PAGE_SIZE)
    const marks = this.#marks[page]!
    if (marks === PLAINLY_WRITTEN) return
    this.#marks[page] = (marks | PLAINLY_WRITTEN) & ~HOLDS_DECODED_CODE
    if ((marks & WATCHED) !== 0) this.#tellOfStore(address, bytes)
    if ((marks & HOLDS_DECODED_CODE) !== 0) this.onCodeWrite(page)
    if ((marks & HOLDS_ANY_PAGING) !== 0) this.onPagingWrite()
    if ((marks & HOLDS_MONITORED) !== 0 && !this.onMonitoredWrite(address, bytes)) this.#marks[page]! &= ~HOLDS_MONITORED
  }
}
