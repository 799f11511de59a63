/**
 * Arithmetic flags, worked out only when somebody looks (Intel SDM, "EFLAGS Cross-Reference"). An engine keeps the rule, the
 * operands and the result of the last operation that set them; everything here follows from those.
 */

import { type Size, signed } from '../base/u64.ts'
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

const topBit = (size: Size, value: bigint): boolean => signed(size, value) < 0n

/** Even parity of the low byte. */
function parity(low: number): number {
  let bits = low ^ (low >> 4)
  bits ^= bits >> 2
  bits ^= bits >> 1
  return (bits & 1) === 0 ? PF : 0
}

/** The carry that went into AF's place: bit 4 of the operands and the result. */
const auxiliary = (a: bigint, b: bigint, result: bigint): number => (Number((a ^ b ^ result) & 0x10n) !== 0 ? AF : 0)

/** The status flags after an operation; `before` supplies those that the rule leaves alone. */
export function statusFlags(rule: FlagRule, size: Size, a: bigint, b: bigint, result: bigint, before: number): number {
  const common = (result === 0n ? ZF : 0) | (topBit(size, result) ? SF : 0) | parity(Number(result & 0xffn))
  switch (rule) {
    case 'add': {
      const carry = topBit(size, (a & b) | ((a | b) & ~result)) ? CF : 0
      return common | carry | auxiliary(a, b, result) | (topBit(size, (a ^ result) & (b ^ result)) ? OF : 0)
    }
    case 'sub': {
      const borrow = topBit(size, (~a & b) | ((~a | b) & result)) ? CF : 0
      return common | borrow | auxiliary(a, b, result) | (topBit(size, (a ^ b) & (a ^ result)) ? OF : 0)
    }
    case 'inc':
      return common | (before & CF) | auxiliary(a, b, result) | (topBit(size, (a ^ result) & (b ^ result)) ? OF : 0)
    case 'dec':
      return common | (before & CF) | auxiliary(a, b, result) | (topBit(size, (a ^ b) & (a ^ result)) ? OF : 0)
    case 'logic':
      return common
    case 'shl': {
      const carry = Number(((a << b) >> BigInt(size)) & 1n)
      return common | carry | (topBit(size, result) !== (carry === 1) ? OF : 0)
    }
    case 'shr':
      return common | Number((a >> (b - 1n)) & 1n) | (topBit(size, a) ? OF : 0)
    case 'sar':
      return common | Number((signed(size, a) >> (b - 1n)) & 1n)
  }
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
