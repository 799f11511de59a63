/** The words of `Ops<bigint>` that need no machine: arithmetic, logic, truth and choice. Engines that work on values begin here. */

import { type Size, signed, unsigned } from '../base/u64.ts'
import { Fault, VECTOR } from './fault.ts'

export class BigintArithmetic {
  constant(value: bigint): bigint {
    return value
  }
  add(size: Size, a: bigint, b: bigint): bigint {
    return unsigned(size, a + b)
  }
  sub(size: Size, a: bigint, b: bigint): bigint {
    return unsigned(size, a - b)
  }
  mul(size: Size, a: bigint, b: bigint): bigint {
    return unsigned(size, a * b)
  }
  mulHigh(size: Size, signedness: 'signed' | 'unsigned', a: bigint, b: bigint): bigint {
    const product = signedness === 'signed' ? signed(size, a) * signed(size, b) : a * b
    return unsigned(size, product >> BigInt(size))
  }
  divide(size: Size, signedness: 'signed' | 'unsigned', high: bigint, low: bigint, divisor: bigint): readonly [bigint, bigint] {
    if (divisor === 0n) throw new Fault(VECTOR.DE, null)
    const width = BigInt(size)
    if (signedness === 'unsigned') {
      const dividend = (high << width) | low
      const quotient = dividend / divisor
      if (quotient >> width !== 0n) throw new Fault(VECTOR.DE, null)
      return [quotient, dividend % divisor]
    }
    const dividend = (signed(size, high) << width) | low
    const by = signed(size, divisor)
    const quotient = dividend / by
    if (signed(size, quotient) !== quotient) throw new Fault(VECTOR.DE, null)
    return [unsigned(size, quotient), unsigned(size, dividend % by)]
  }
  and(a: bigint, b: bigint): bigint {
    return a & b
  }
  or(a: bigint, b: bigint): bigint {
    return a | b
  }
  xor(a: bigint, b: bigint): bigint {
    return a ^ b
  }
  not(size: Size, a: bigint): bigint {
    return unsigned(size, ~a)
  }
  shl(size: Size, a: bigint, count: bigint): bigint {
    return unsigned(size, a << count)
  }
  shr(_size: Size, a: bigint, count: bigint): bigint {
    return a >> count
  }
  sar(size: Size, a: bigint, count: bigint): bigint {
    return unsigned(size, signed(size, a) >> count)
  }
  zeroExtend(from: Size, a: bigint): bigint {
    return unsigned(from, a)
  }
  signExtend(from: Size, to: Size, a: bigint): bigint {
    return unsigned(to, signed(from, a))
  }

  equal(a: bigint, b: bigint): bigint {
    return a === b ? 1n : 0n
  }
  below(a: bigint, b: bigint): bigint {
    return a < b ? 1n : 0n
  }
  select(condition: bigint, whenTrue: bigint, whenFalse: bigint): bigint {
    return condition === 0n ? whenFalse : whenTrue
  }
  when(condition: bigint, then: () => void, otherwise?: () => void): void {
    if (condition !== 0n) then()
    else otherwise?.()
  }
}
