/** Registers and flags of the guest by the names that expectations use. */

import { registerNamed } from '../assembler/registers.ts'
import { shiftRight, unsigned } from '../base/u64.ts'
import type { GuestRegisters } from '../session/timeline-guest.ts'
import { RFLAGS } from '../spec/rflags.ts'
import type { RegisterValue } from './plan.ts'

type Values = Pick<GuestRegisters, 'gpr' | 'rflags'>

/** The present value of the register or flag that an expectation names. */
export function registerValue(wanted: RegisterValue, { gpr, rflags }: Values): bigint {
  if (wanted.kind === 'flag')
    return wanted.name === 'IOPL' ? shiftRight(rflags, RFLAGS.IOPL) & 3n : shiftRight(rflags, RFLAGS[wanted.name]) & 1n
  const { index, size, high } = registerNamed(wanted.name)!
  const value = gpr[index]!
  return high ? shiftRight(value, 8) & 0xffn : unsigned(size as 8 | 16 | 32 | 64, value)
}

const SHOWN = ['CF', 'PF', 'AF', 'ZF', 'SF', 'TF', 'IF', 'DF', 'OF'] as const

/** The flags that are set, by name. */
export const flagsText = (rflags: bigint): string =>
  SHOWN.filter(name => (shiftRight(rflags, RFLAGS[name]) & 1n) === 1n).join(' ') || 'none'
