/** What software may write to the memory-type registers (Intel SDM, "Memory Type Range Registers (MTRRs)"; "Page Attribute Table (PAT)"). */

import { MSRS } from './msrs.ts'

/** UC, WC, WT, WP, WB; the PAT has UC- besides. */
const MTRR_TYPES: ReadonlySet<number> = new Set([0, 1, 4, 5, 6])
const PAT_TYPES: ReadonlySet<number> = new Set([...MTRR_TYPES, 7])

const FIRST_VARIABLE = MSRS.MSR_MTRRphysBase0.index
const LAST_VARIABLE = MSRS.MSR_MTRRphysMask7.index
const FIRST_FIXED = MSRS.MSR_MTRRfix64K_00000.index
const LAST_FIXED = MSRS.MSR_MTRRfix4K_F8000.index

/** Eight variable ranges, the fixed ones, write-combining. */
export const MTRR_CAPABILITY = 8n | (1n << 8n) | (1n << 10n)

/** Enabled, fixed ranges too, write-back where no range says otherwise: what firmware leaves behind. */
export const MTRR_DEFAULT_TYPE = 0xc06n

/** IA32_PAT, which system software extends. */
export const PAT_AT_RESET = 0x0007_0406_0007_0406n

const bytesOf = (value: bigint): readonly number[] => [0n, 8n, 16n, 24n, 32n, 40n, 48n, 56n].map(shift => Number((value >> shift) & 0xffn))

/** Of IA32_PAT. */
export const isPat = (value: bigint): boolean => bytesOf(value).every(type => PAT_TYPES.has(type))

/** The MTRRs by index, in the order of their indexes. */
export const MTRR_INDEXES: readonly number[] = Object.values(MSRS)
  .map(({ index }) => index)
  .filter(
    index =>
      (index >= FIRST_VARIABLE && index <= LAST_VARIABLE) ||
      (index >= FIRST_FIXED && index <= LAST_FIXED) ||
      index === MSRS.MSR_MTRRdefType.index,
  )

/** Whether an MTRR takes a value, on a processor with so many physical-address bits. */
export function isMtrrValue(index: number, value: bigint, physicalBits: number): boolean {
  if (index === MSRS.MSR_MTRRdefType.index) return (value & ~0xcffn) === 0n && MTRR_TYPES.has(Number(value & 0xffn))
  if (index >= FIRST_FIXED) return bytesOf(value).every(type => MTRR_TYPES.has(type))
  const beyond = ~((1n << BigInt(physicalBits)) - 1n)
  if ((index & 1) === 0) return (value & (beyond | 0xf00n)) === 0n && MTRR_TYPES.has(Number(value & 0xffn))
  return (value & (beyond | 0x7ffn)) === 0n
}
