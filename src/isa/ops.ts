/**
 * The algebra in which every instruction is written, once. `V` is opaque: a `bigint` in the interpreter, a piece of text in
 * the printer of pseudo-code, a wasm expression in a translator. So an `execute` may ask the instruction with TypeScript's
 * `if`, and the machine only with `select` and `when`.
 *
 * Values are unsigned and at most 64 bits wide. An operation with a size wraps its result to that size; it expects operands
 * that are already within it. Truth is 0 or 1.
 */

import type { Size } from '../base/u64.ts'
import type { CpuidFeatureName } from '../spec/cpuid.ts'
import type { ConditionCode, FlagName } from '../spec/rflags.ts'
import type { Operand, SegmentIndex } from './operands.ts'
import type { SystemOperation } from './system-operations.ts'

/** How the arithmetic flags follow from operands and result; `inc` and `dec` leave CF alone. */
export type FlagRule = 'add' | 'sub' | 'logic' | 'inc' | 'dec' | 'shl' | 'shr' | 'sar'

export interface Ops<V> {
  // Operands, registers and memory. `write` of a 32-bit register clears its upper half (64-bit mode), as the SDM says.
  read(operand: Operand): V
  /** Reads an operand that the instruction writes afterwards: memory faults as the store would, with W/R set in the error code. */
  modify(operand: Operand): V
  write(operand: Operand, value: V): void
  /** Effective address of a memory operand, without its segment's base. */
  address(operand: Operand): V
  load(size: Size, segment: SegmentIndex, address: V): V
  store(size: Size, segment: SegmentIndex, address: V, value: V): void
  /** Raises what a store of `size` bits there would raise, and stores nothing. */
  touch(size: Size, segment: SegmentIndex, address: V): void
  /**
   * A vector register or memory operand as 64-bit lanes, lowest first: two for 128 bits, four for 256. 'aligned' raises #GP for
   * a memory operand that does not lie on a multiple of its size.
   */
  readVector(operand: Operand, alignment: 'aligned' | 'any'): readonly V[]
  /** Of a register, two lanes leave the upper half as it is (SSE), four replace it (AVX). */
  writeVector(operand: Operand, lanes: readonly V[], alignment: 'aligned' | 'any'): void

  // Arithmetic and logic.
  constant(value: bigint): V
  add(size: Size, a: V, b: V): V
  sub(size: Size, a: V, b: V): V
  /** Low half of the product. */
  mul(size: Size, a: V, b: V): V
  /** High half of the product. */
  mulHigh(size: Size, signedness: 'signed' | 'unsigned', a: V, b: V): V
  /** Quotient and remainder of high:low by the divisor; raises #DE for a zero divisor and for a quotient that does not fit. */
  divide(size: Size, signedness: 'signed' | 'unsigned', high: V, low: V, divisor: V): readonly [quotient: V, remainder: V]
  and(a: V, b: V): V
  or(a: V, b: V): V
  xor(a: V, b: V): V
  not(size: Size, a: V): V
  /** Shifts by a count below 64, which the caller masks; a count of `size` or more shifts everything out. */
  shl(size: Size, a: V, count: V): V
  shr(size: Size, a: V, count: V): V
  sar(size: Size, a: V, count: V): V
  zeroExtend(from: Size, a: V): V
  signExtend(from: Size, to: Size, a: V): V

  // Truth and choice.
  equal(a: V, b: V): V
  below(a: V, b: V): V
  select(condition: V, whenTrue: V, whenFalse: V): V
  when(condition: V, then: () => void, otherwise?: () => void): void

  // Flags.
  flags(rule: FlagRule, size: Size, a: V, b: V, result: V): void
  flag(name: FlagName): V
  setFlag(name: FlagName, value: V): void
  condition(code: ConditionCode): V
  /** The status flags, DF and the system flags as RFLAGS holds them. */
  rflags(): V

  // Control flow.
  /** Address of the next instruction. */
  next(): V
  branch(target: V): void
  /** The instruction is not finished: RIP stays, so that it runs again (one iteration of a REP). */
  again(): void
  fault(vector: number, errorCode?: number): void
  /** Whether the processor has a feature, by CPUID. */
  has(feature: CpuidFeatureName): V
  /** Raises #UD where the processor lacks the feature or system software has not enabled it, #NM where it wants to know of its use. */
  require(feature: CpuidFeatureName): void
  /** What is not data flow: one function of the CPU, the same for every engine. */
  system(operation: SystemOperation): void
}
