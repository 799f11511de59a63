/**
 * Arithmetic flags, worked out only when somebody looks (Intel SDM, "EFLAGS Cross-Reference"). An engine keeps the rule, the
 * operands and the result of the last operation that set them; everything here follows from those.
 */

import { high32, low32, type Size, signed } from '../base/u64.ts'
import type { FlagRule } from './ops.ts'

export const CF = 1 << 0
export const PF = 1 << 2
export const AF = 1 << 4
export const ZF = 1 << 6
export const SF = 1 << 7
export const TF = 1 << 8
export const IF = 1 << 9
export const DF = 1 << 10
export const OF = 1 << 11
export const IOPL = 3 << 12
export const NT = 1 << 14
export const RF = 1 << 16
export const VM = 1 << 17
export const AC = 1 << 18
export const VIF = 1 << 19
export const VIP = 1 << 20
export const ID = 1 << 21
export const STATUS = CF | PF | AF | ZF | SF | OF

/** The upper 32 bits of a value of that size (all of a narrower one, moved up): its sign is the value's. */
const top = (size: Size, value: bigint): number => (size === 64 ? high32(value) | 0 : low32(value) << (32 - size))

/** Even parity of the low byte. */
function parity(low: number): number {
  let bits = low ^ (low >> 4)
  bits ^= bits >> 2
  bits ^= bits >> 1
  return (bits & 1) === 0 ? PF : 0
}

/** The carry that went into AF's place: bit 4 of the operands and the result. */
const auxiliary = (a: bigint, b: bigint, result: bigint): number => (low32(a) ^ low32(b) ^ low32(result)) & AF

/** The status flags after an operation; `before` supplies those that the rule leaves alone. */
export function statusFlags(rule: FlagRule, size: Size, a: bigint, b: bigint, result: bigint, before: number): number {
  const sign = top(size, result)
  const common = (result === 0n ? ZF : 0) | (sign < 0 ? SF : 0) | parity(low32(result) & 0xff)
  switch (rule) {
    case 'add':
    case 'sub':
    case 'inc':
    case 'dec':
      return common | auxiliary(a, b, result) | carries(rule, top(size, a), top(size, b), sign, before)
    case 'logic':
      return common
    case 'shl': {
      const carry = Number(((a << b) >> BigInt(size)) & 1n)
      return common | carry | (sign < 0 !== (carry === 1) ? OF : 0)
    }
    case 'shr':
      return common | Number((a >> (b - 1n)) & 1n) | (top(size, a) < 0 ? OF : 0)
    case 'sar':
      return common | Number((signed(size, a) >> (b - 1n)) & 1n)
  }
}

/** CF is the carry or borrow out of the top bit, and OF whether that differs from the one into it; all by the signs. */
function carries(rule: 'add' | 'sub' | 'inc' | 'dec', a: number, b: number, result: number, before: number): number {
  const adds = rule === 'add' || rule === 'inc'
  const overflow = (adds ? (a ^ result) & (b ^ result) : (a ^ b) & (a ^ result)) < 0 ? OF : 0
  if (rule === 'inc' || rule === 'dec') return (before & CF) | overflow
  const carry = (adds ? (a & b) | ((a | b) & ~result) : (~a & b) | ((~a | b) & result)) < 0 ? CF : 0
  return carry | overflow
}

/** Whether a condition of Jcc holds for materialised flags. */
export function conditionHolds(code: number, flags: number): boolean {
  const holds = positiveCondition(code >> 1, flags)
  return (code & 1) === 0 ? holds : !holds
}

function positiveCondition(pair: number, flags: number): boolean {
  switch (pair) {
    case 0:
      return (flags & OF) !== 0
    case 1:
      return (flags & CF) !== 0
    case 2:
      return (flags & ZF) !== 0
    case 3:
      return (flags & (CF | ZF)) !== 0
    case 4:
      return (flags & SF) !== 0
    case 5:
      return (flags & PF) !== 0
    case 6:
      return ((flags & SF) !== 0) !== ((flags & OF) !== 0)
    default:
      return (flags & ZF) !== 0 || ((flags & SF) !== 0) !== ((flags & OF) !== 0)
  }
}
