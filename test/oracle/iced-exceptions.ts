/** Where our decoder and iced-x86 differ on purpose: every case with its reason. What is not listed here must be equal. */

import { isInTable, type Reading } from './iced.ts'
import type { Bits } from './instructions.ts'

export interface IcedCase {
  readonly bytes: Uint8Array
  readonly bits: Bits
  readonly ours: Reading
  readonly iced: Reading & { readonly code: string }
}

export interface IcedException {
  readonly name: string
  readonly reason: string
  readonly applies: (found: IcedCase) => boolean
}

/** Registers that no form of the table has. */
const OTHER_REGISTERS = /^(mm|k|zmm|st|tr|bnd|tmm)\d|^[xyz]mm(1[6-9]|[23]\d)/

const onlyIced = ({ ours, iced }: IcedCase): boolean => !ours.valid && iced.valid
const onlyOurs = ({ ours, iced }: IcedCase): boolean => ours.valid && !iced.valid
const bothAre = ({ ours, iced }: IcedCase, mnemonic: RegExp): boolean => mnemonic.test(ours.mnemonic) && mnemonic.test(iced.mnemonic)
const sameLength = ({ ours, iced }: IcedCase): boolean => ours.length === iced.length

/** The number of a general register, whatever the size in its name. */
export const widened = (operand: string): string => operand.replace(/^[er]?([abcd]x|[sb]p|[sd]i)$/, '$1').replace(/^(r\d+)[bwd]$/, '$1')

export const ICED_EXCEPTIONS: readonly IcedException[] = [
  {
    name: 'not in the table',
    reason: 'x87, MMX, AVX, AVX-512 and other instructions that issue 3 leaves out',
    applies: found => onlyIced(found) && (!isInTable(found.iced.mnemonic) || found.iced.operands.some(operand => OTHER_REGISTERS.test(operand))),
  },
  {
    name: 'scalar double',
    reason: 'MOVSD and CMPSD are string instructions in the table; the SSE2 instructions of these names are left out',
    applies: found => onlyIced(found) && /^(MOVSD|CMPSD)$/.test(found.iced.mnemonic),
  },
  {
    name: 'register that does not exist',
    reason: 'a move to or from CR1, CR5.., DR8.., or to CS decodes and raises #UD when it runs, after the privilege check where there is one',
    applies: found => onlyOurs(found) && found.ours.mnemonic === 'MOV' && found.ours.operands.some(operand => /^(cr\d+|dr\d+|cs)$/.test(operand)),
  },
  {
    name: 'selector size',
    reason: 'a selector has 16 bits: iced names the register by the operand size',
    applies: found =>
      bothAre(found, /^(ARPL|LAR|LSL|LLDT|LTR|STR|SLDT|VERR|VERW|LMSW|MOV)$/) &&
      sameLength(found) &&
      found.ours.operands.map(widened).join() === found.iced.operands.map(widened).join(),
  },
  {
    name: 'instruction prefetch',
    reason: 'PREFETCHIT0 and PREFETCHIT1 are decoded as the reserved NOPs that they are for processors without them',
    applies: found => /^PREFETCHIT/.test(found.iced.mnemonic) && found.ours.mnemonic.startsWith('HINT_NOP') && sameLength(found),
  },
  {
    name: 'shadow stacks',
    reason: 'RDSSP and others of CET are decoded as the reserved NOPs that they are for processors without it',
    applies: found => /^(RDSSP|ENDBR)/.test(found.iced.mnemonic) && found.ours.mnemonic.startsWith('HINT_NOP') && sameLength(found),
  },
  {
    name: 'size of a mask',
    reason: 'a mask of at most 16 bits is zero-extended to the whole register: iced names it by REX.W',
    applies: found =>
      bothAre(found, /^(MOVMSKP[SD]|PMOVMSKB|PEXTRW|PINSRW)$/) &&
      sameLength(found) &&
      found.ours.operands.map(widened).join() === found.iced.operands.map(widened).join(),
  },
  {
    name: 'CLDEMOTE',
    reason: 'decoded as the reserved NOP that it is for processors without it',
    applies: found => found.iced.mnemonic === 'CLDEMOTE' && found.ours.mnemonic === 'HINT_NOP32' && sameLength(found),
  },
]
