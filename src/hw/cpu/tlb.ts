/**
 * The TLB: translations by linear page, one set for each address space that was lately in use. It is a pure function of the
 * paging structures, the page-table root and a few control bits; a store to a page that a live entry was walked through drops
 * everything (see `hw/memory`). So it is never observable: INVLPG and INVPCID have nothing left to do, and global pages and
 * process-context identifiers have no meaning beyond their faults.
 */

import type { AddressSpace } from './address-space.ts'

const ENTRIES = 1024
const INDEX_MASK = ENTRIES - 1
const ADDRESS_SPACES = 8

/** Access rights of an entry. */
export const ACCESS = { read: 1, write: 2, execute: 4 } as const

/**
 * Three sets of rights stand side by side: supervisor accesses (implicit ones and, with EFLAGS.AC = 0, explicit ones), user accesses,
 * and explicit supervisor accesses with EFLAGS.AC = 1, which SMAP does not hold back. The values are their bit positions.
 */
export const PRIVILEGE = { supervisor: 0, user: 3, supervisorWithAc: 6 } as const
export const ALL_RIGHTS = 0o777

export class Tlb {
  space: AddressSpace
  /** Linear page number, NaN for an empty entry. */
  readonly #tags = new Float64Array(ENTRIES).fill(Number.NaN)
  readonly #frames = new Float64Array(ENTRIES)
  readonly #rights = new Uint16Array(ENTRIES)

  constructor(space: AddressSpace) {
    this.space = space
  }

  /** Empties it for another address space. */
  reuse(space: AddressSpace): this {
    this.space = space
    this.#tags.fill(Number.NaN)
    return this
  }

  /** Host-physical address of the page's first byte, or -1: no entry, or not with these rights. */
  lookup(page: number, right: number): number {
    const slot = page & INDEX_MASK
    return this.#tags[slot] === page && (this.#rights[slot]! & right) !== 0 ? this.#frames[slot]! : -1
  }

  insert(page: number, frame: number, rights: number): void {
    const slot = page & INDEX_MASK
    this.#tags[slot] = page
    this.#frames[slot] = frame
    this.#rights[slot] = rights
  }
}

/** The TLBs of one CPU by what defines an address space. */
export class TlbCache {
  readonly #byKey = new Map<string, Tlb>()
  /** Those that were dropped, to be used again: a new one costs as much as dozens of walks. */
  readonly #spare: Tlb[] = []
  readonly enabled: boolean

  constructor(enabled: boolean) {
    this.enabled = enabled
  }

  of(key: string, spaceOf: () => AddressSpace): Tlb {
    if (!this.enabled) return new Tlb(spaceOf())
    const known = this.#byKey.get(key)
    if (known) return known
    if (this.#byKey.size >= ADDRESS_SPACES) this.#drop(this.#byKey.keys().next().value!)
    const fresh = this.#spare.pop()?.reuse(spaceOf()) ?? new Tlb(spaceOf())
    this.#byKey.set(key, fresh)
    return fresh
  }

  #drop(key: string): void {
    this.#spare.push(this.#byKey.get(key)!)
    this.#byKey.delete(key)
  }

  flush(): void {
    this.#spare.push(...this.#byKey.values())
    this.#byKey.clear()
  }
}
