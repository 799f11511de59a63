/**
 * Checks on the guest's segment registers, in the SDM's order ("Checks on Guest Segment Registers"): selectors, bases, limits, access
 * rights; in virtual-8086 mode rules of their own. A broken one is a VM exit with reason 33.
 *
 *     access rights: 3:0 type   4 S   6:5 DPL   7 P   11:8 reserved   12 AVL   13 L   14 D/B   15 G   16 unusable   31:17 reserved
 */

import { bit } from '../../base/bits.ts'
import { CR0 } from '../cr-bits.ts'
import { areCanonical, hasBit } from './conditions.ts'
import type { EntryCheck, EntryState } from './entry-check.ts'

const DATA = ['SS', 'DS', 'ES', 'FS', 'GS'] as const
const WITHOUT_SS = ['DS', 'ES', 'FS', 'GS'] as const
const CODE_AND_DATA = ['CS', ...DATA] as const
type Name = (typeof CODE_AND_DATA)[number] | 'LDTR' | 'TR'

const selector = (v: EntryState, name: Name): number => v.number(`GUEST_${name}_SELECTOR`)
const base = (v: EntryState, name: Name): bigint => v.get(`GUEST_${name}_BASE`)
const limit = (v: EntryState, name: Name): number => v.number(`GUEST_${name}_LIMIT`)
const rights = (v: EntryState, name: Name): number => v.number(`GUEST_${name}_AR_BYTES`)

const typeOf = (word: number): number => word & 0xf
const dplOf = (word: number): number => (word >>> 5) & 3
const isUsable = (word: number): boolean => !bit(word, 16)
const usable = (v: EntryState, name: Name): boolean => isUsable(rights(v, name))

const isUnrestricted = (v: EntryState): boolean => v.has('SECONDARY_EXEC_UNRESTRICTED_GUEST')

/** The rule counts outside virtual-8086 mode, for the usable ones of these registers; CS is always looked at. */
const each =
  (names: readonly Name[], holds: (v: EntryState, name: Name) => boolean) =>
  (v: EntryState): boolean =>
    v.isVirtual8086() || names.every(name => (name !== 'CS' && !usable(v, name)) || holds(v, name))

const SELECTORS: readonly EntryCheck[] = [
  { rule: 'the guest TR selector has TI 0', holds: v => (selector(v, 'TR') & 4) === 0 },
  { rule: 'a usable guest LDTR has a selector with TI 0', holds: v => !usable(v, 'LDTR') || (selector(v, 'LDTR') & 4) === 0 },
  {
    rule: 'the guest SS and CS selectors have the same RPL',
    holds: v => v.isVirtual8086() || isUnrestricted(v) || ((selector(v, 'SS') ^ selector(v, 'CS')) & 3) === 0,
  },
]

const HIGH_HALF = 0xffff_ffff_0000_0000n

const BASES: readonly EntryCheck[] = [
  {
    rule: 'in virtual-8086 mode each guest segment base is its selector times 16',
    holds: v => !v.isVirtual8086() || CODE_AND_DATA.every(name => base(v, name) === BigInt(selector(v, name) << 4)),
  },
  {
    rule: 'guest TR, FS and GS bases, and a usable LDTR base, are canonical',
    holds: v =>
      areCanonical('GUEST_TR_BASE', 'GUEST_FS_BASE', 'GUEST_GS_BASE')(v) && (!usable(v, 'LDTR') || areCanonical('GUEST_LDTR_BASE')(v)),
  },
  {
    rule: 'bits 63:32 of the guest CS base, and of usable SS, DS and ES bases, are 0',
    holds: v =>
      (['CS', 'SS', 'DS', 'ES'] as const).every(name => (name !== 'CS' && !usable(v, name)) || (base(v, name) & HIGH_HALF) === 0n),
  },
]

const VIRTUAL_8086_RIGHTS = 0xf3

const VIRTUAL_8086: readonly EntryCheck[] = [
  {
    rule: 'in virtual-8086 mode each guest segment limit is FFFFH',
    holds: v => !v.isVirtual8086() || CODE_AND_DATA.every(name => limit(v, name) === 0xffff),
  },
  {
    rule: 'in virtual-8086 mode the guest access rights are F3H',
    holds: v => !v.isVirtual8086() || CODE_AND_DATA.every(name => rights(v, name) === VIRTUAL_8086_RIGHTS),
  },
]

const ACCESSED_CODE: readonly number[] = [9, 11, 13, 15]
const READ_WRITE_DATA = 3

function codeTypeFits(v: EntryState): boolean {
  const type = typeOf(rights(v, 'CS'))
  return ACCESSED_CODE.includes(type) || (type === READ_WRITE_DATA && isUnrestricted(v))
}

/** Non-conforming code runs at the DPL of SS, conforming code at or above it; as data, for unrestricted guests, at 0. */
function codeDplFits(v: EntryState): boolean {
  const code = rights(v, 'CS')
  const stack = dplOf(rights(v, 'SS'))
  if (typeOf(code) === READ_WRITE_DATA) return dplOf(code) === 0
  return (code & 4) === 0 ? dplOf(code) === stack : dplOf(code) <= stack
}

/** SS is looked at even when it is unusable: its DPL is the privilege level. */
function stackDplFits(v: EntryState): boolean {
  const dpl = dplOf(rights(v, 'SS'))
  if (!isUnrestricted(v) && dpl !== (selector(v, 'SS') & 3)) return false
  const isLevel0 = typeOf(rights(v, 'CS')) === READ_WRITE_DATA || !hasBit(v.get('GUEST_CR0'), CR0.PE)
  return !isLevel0 || dpl === 0
}

/** With any of bits 11:0 of the limit clear G is 0, with any of bits 31:20 set it is 1. */
function granularityFits(v: EntryState, name: Name): boolean {
  const granular = bit(rights(v, name), 15)
  const value = limit(v, name)
  return !(granular && (value & 0xfff) !== 0xfff) && (granular || value >>> 20 === 0)
}

const RESERVED_LOW = 0xf00
/** Bits 31:17; bit 16 says unusable. */
const RESERVED_HIGH = 0xfffe_0000

const RIGHTS: readonly EntryCheck[] = [
  { rule: 'the guest CS is accessed code, or data of an unrestricted guest', holds: v => v.isVirtual8086() || codeTypeFits(v) },
  { rule: 'a usable guest SS is accessed, writable data', holds: each(['SS'], v => [3, 7].includes(typeOf(rights(v, 'SS')))) },
  {
    rule: 'usable guest DS, ES, FS and GS are accessed, and readable where they are code',
    holds: each(WITHOUT_SS, (v, name) => bit(rights(v, name), 0) && (!bit(rights(v, name), 3) || bit(rights(v, name), 1))),
  },
  { rule: 'guest code and data segments have S 1', holds: each(CODE_AND_DATA, (v, name) => bit(rights(v, name), 4)) },
  { rule: 'the DPL of guest CS fits its type and the DPL of SS', holds: v => v.isVirtual8086() || codeDplFits(v) },
  { rule: 'the DPL of guest SS is its RPL, and 0 in real mode', holds: v => v.isVirtual8086() || stackDplFits(v) },
  {
    rule: 'the DPL of usable guest DS, ES, FS and GS is not below their RPL',
    holds: each(
      WITHOUT_SS,
      (v, name) => isUnrestricted(v) || typeOf(rights(v, name)) > 11 || dplOf(rights(v, name)) >= (selector(v, name) & 3),
    ),
  },
  { rule: 'guest code and data segments are present', holds: each(CODE_AND_DATA, (v, name) => bit(rights(v, name), 7)) },
  {
    rule: 'reserved bits 11:8 of guest access rights are 0',
    holds: each(CODE_AND_DATA, (v, name) => (rights(v, name) & RESERVED_LOW) === 0),
  },
  {
    rule: 'the guest CS does not have both L and D in IA-32e mode',
    holds: v => v.isVirtual8086() || !v.has('VM_ENTRY_IA32E_MODE') || (rights(v, 'CS') & 0x6000) !== 0x6000,
  },
  { rule: 'the granularity of guest segments fits their limits', holds: each(CODE_AND_DATA, granularityFits) },
  {
    rule: 'reserved bits 31:17 of guest access rights are 0',
    holds: each(CODE_AND_DATA, (v, name) => (rights(v, name) & RESERVED_HIGH) === 0),
  },
]

const BUSY_TSS_16 = 3
const BUSY_TSS = 11
const LDT = 2

/** What LDTR and TR share: a system segment, present, no reserved bits, granularity as its limit asks. */
const isSystemSegment = (v: EntryState, name: 'LDTR' | 'TR'): boolean =>
  (rights(v, name) & 0x90) === 0x80 && (rights(v, name) & (RESERVED_LOW | RESERVED_HIGH)) === 0 && granularityFits(v, name)

const SYSTEM: readonly EntryCheck[] = [
  {
    rule: 'the guest TR is a busy TSS, in IA-32e mode a 64-bit one',
    holds: v => typeOf(rights(v, 'TR')) === BUSY_TSS || (typeOf(rights(v, 'TR')) === BUSY_TSS_16 && !v.has('VM_ENTRY_IA32E_MODE')),
  },
  {
    rule: 'the guest TR is usable, a present system segment, without reserved bits, and its granularity fits its limit',
    holds: v => usable(v, 'TR') && isSystemSegment(v, 'TR'),
  },
  { rule: 'a usable guest LDTR is an LDT', holds: v => !usable(v, 'LDTR') || typeOf(rights(v, 'LDTR')) === LDT },
  {
    rule: 'a usable guest LDTR is a present system segment, without reserved bits, and its granularity fits its limit',
    holds: v => !usable(v, 'LDTR') || isSystemSegment(v, 'LDTR'),
  },
]

export const GUEST_SEGMENT_CHECKS: readonly EntryCheck[] = [...SELECTORS, ...BASES, ...VIRTUAL_8086, ...RIGHTS, ...SYSTEM]
