/**
 * The formats of paging structures as rows (Intel SDM, "32-Bit Paging"; "PAE Paging"; "4-Level Paging and 5-Level Paging"), and what
 * follows from a row for a CPU's settings: which entries may map a page, and which bits of them are reserved.
 *
 *     32-bit    31..22 directory     21..12 table                                                     4-byte entries
 *     PAE       31..30 PDPTE register (loaded with CR3)    29..21 directory   20..12 table            8-byte entries from here on
 *     4-level   47..39 PML4   38..30 PDPT   29..21 directory   20..12 table
 *     5-level   56..48 PML5, then as 4-level
 */

import { PHYSICAL_ADDRESS_BITS } from '../../spec/address-width.ts'

/** Whether bit 7 of an entry that is not in the last table makes it map a page: never (reserved), or what it takes. */
type LargePages = 'reserved' | 'always' | 'pdpe1gb' | 'CR4.PSE'

interface FormatLevel {
  /** Lowest bit of the linear address that chooses the entry: log2 of the bytes it maps. */
  readonly shift: number
  readonly largePages: LargePages
}

export interface PagingFormat {
  readonly entryBytes: 4 | 8
  readonly linearBits: 32 | 48 | 57
  /** From the root down. */
  readonly levels: readonly FormatLevel[]
}

const TABLE: FormatLevel = { shift: 12, largePages: 'reserved' }
const DIRECTORY: FormatLevel = { shift: 21, largePages: 'always' }
const FOUR_LEVELS: readonly FormatLevel[] = [{ shift: 39, largePages: 'reserved' }, { shift: 30, largePages: 'pdpe1gb' }, DIRECTORY, TABLE]

export const PAGING_FORMATS = {
  '32-bit': { entryBytes: 4, linearBits: 32, levels: [{ shift: 22, largePages: 'CR4.PSE' }, TABLE] },
  PAE: { entryBytes: 8, linearBits: 32, levels: [DIRECTORY, TABLE] },
  '4-level': { entryBytes: 8, linearBits: 48, levels: FOUR_LEVELS },
  '5-level': { entryBytes: 8, linearBits: 57, levels: [{ shift: 48, largePages: 'reserved' }, ...FOUR_LEVELS] },
} as const satisfies Readonly<Record<string, PagingFormat>>

export type PagingFormatName = keyof typeof PAGING_FORMATS

/** The settings that decide about reserved bits and large pages. */
export interface FormatSettings {
  readonly noExecute: boolean
  readonly pageSizeExtensions: boolean
  /** CPUID: PSE-36, 1-GByte pages. */
  readonly pse36: boolean
  readonly gigabytePages: boolean
}

/** One level of a walk: a row of the format with everything settled. */
export interface WalkLevel {
  readonly shift: number
  readonly indexBits: number
  /** Bit 7 makes an entry map a page. */
  readonly mapsLarge: boolean
  /** Bits that must be 0 in an entry that points to a table (or, in the last table, maps a page), and in one that maps a large page. */
  readonly reserved: bigint
  readonly reservedLarge: bigint
}

const bits = (high: number, low: number): bigint => (high < low ? 0n : (1n << BigInt(high + 1)) - (1n << BigInt(low)))
const PAGE_SIZE_BIT = bits(7, 7)
const NO_EXECUTE = bits(63, 63)
/** PSE-36 gives 32-bit paging at most 40 bits of physical address. */
const PSE36_ADDRESS_BITS = Math.min(40, PHYSICAL_ADDRESS_BITS)

export function walkLevels(name: PagingFormatName, settings: FormatSettings): readonly WalkLevel[] {
  const { levels, entryBytes }: PagingFormat = PAGING_FORMATS[name]
  return levels.map(({ shift, largePages }): WalkLevel => {
    if (entryBytes === 4) {
      const physicalBits = settings.pse36 ? PSE36_ADDRESS_BITS : 32
      const mapsLarge = largePages === 'CR4.PSE' && settings.pageSizeExtensions
      return { shift, indexBits: 10, mapsLarge, reserved: 0n, reservedLarge: bits(21, physicalBits - 19) }
    }
    const common = bits(name === 'PAE' ? 62 : 51, PHYSICAL_ADDRESS_BITS) | (settings.noExecute ? 0n : NO_EXECUTE)
    const mapsLarge = largePages === 'always' || (largePages === 'pdpe1gb' && settings.gigabytePages)
    const reserved = mapsLarge || shift === 12 ? common : common | PAGE_SIZE_BIT
    return { shift, indexBits: 9, mapsLarge, reserved, reservedLarge: common | bits(shift - 1, 13) }
  })
}

/** Bits of a present PDPTE that must be 0 when PAE paging loads it. */
export const PDPTE_RESERVED = bits(2, 1) | bits(8, 5) | bits(63, PHYSICAL_ADDRESS_BITS)
