/**
 * What a segment allows of the accesses that KVM emulates (Linux `arch/x86/kvm/emulate.c`, `__linearize`; Intel SDM, "Limit Checking", "Type
 * Checking", "Canonical Addressing"). The CPU has looked at those before the one that exited, not at those behind it.
 */

import { Fault, VECTOR } from '../isa/fault.ts'
import { FS, type SegmentIndex, SS } from '../isa/operands.ts'
import { isCanonical } from '../spec/address-width.ts'
import { CR0 } from '../spec/cr-bits.ts'
import { RFLAGS } from '../spec/rflags.ts'
import type { VmcsFieldName } from '../spec/vmcs-fields.ts'
import type { Context } from './context.ts'
import { readCr0 } from './control-registers.ts'
import { SEGMENTS } from './registers.ts'

/** Access rights in the VMCS's format. */
const CODE = 8
const EXPAND_DOWN = 4
/** Of data: writable. Of code: readable. */
const ACCESSIBLE = 2
const BIG = 0x4000
const UNUSABLE = 0x1_0000

export interface SegmentAccess {
  readonly segment: SegmentIndex
  readonly offset: bigint
  readonly bytes: number
  readonly isWrite: boolean
}

const field = ({ cpu }: Context, segment: SegmentIndex, part: 'BASE' | 'LIMIT' | 'AR_BYTES'): bigint =>
  cpu.vmread(`GUEST_${SEGMENTS[segment]!}_${part}` as VmcsFieldName)

/** The linear address; throws the fault that the access raises: #SS of the stack segment, else #GP. */
export function linearAddress(c: Context, bits: 16 | 32 | 64, access: SegmentAccess): bigint {
  const { segment, offset } = access
  const isAllowed = bits === 64 ? isCanonical(offset64(c, access)) : isWithin(c, access) && isTyped(c, access)
  if (!isAllowed) throw new Fault(segment === SS ? VECTOR.SS : VECTOR.GP, 0)
  return bits === 64 ? offset64(c, access) : BigInt.asUintN(32, offset + field(c, segment, 'BASE'))
}

/** In 64-bit mode FS and GS alone have a base, and no segment a limit. */
const offset64 = (c: Context, { segment, offset }: SegmentAccess): bigint =>
  BigInt.asUintN(64, offset + (segment >= FS ? field(c, segment, 'BASE') : 0n))

/** An expand-down segment has the offsets above its limit, up to 64 KBytes or 4 GBytes. */
function isWithin(c: Context, { segment, offset, bytes }: SegmentAccess): boolean {
  const rights = Number(field(c, segment, 'AR_BYTES'))
  const limit = field(c, segment, 'LIMIT')
  const last = offset + BigInt(bytes - 1)
  if ((rights & (CODE | EXPAND_DOWN)) !== EXPAND_DOWN) return last <= limit
  return offset > limit && last <= ((rights & BIG) !== 0 ? 0xffff_ffffn : 0xffffn)
}

/** Real-address and virtual-8086 mode do not look at the type. */
function isTyped(c: Context, { segment, isWrite }: SegmentAccess): boolean {
  const rights = Number(field(c, segment, 'AR_BYTES'))
  if ((rights & UNUSABLE) !== 0) return false
  const isVirtual8086 = ((c.cpu.vmread('GUEST_RFLAGS') >> BigInt(RFLAGS.VM)) & 1n) === 1n
  if (isVirtual8086 || ((readCr0(c) >> BigInt(CR0.PE)) & 1n) === 0n) return true
  const isAccessible = (rights & ACCESSIBLE) !== 0
  return (rights & CODE) !== 0 ? !isWrite && isAccessible : !isWrite || isAccessible
}
