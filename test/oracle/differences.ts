/**
 * Everything that is not simply equal in the comparisons of this folder, with its reason. What is not listed here must be equal.
 */

/** Instructions that our assembler and NASM encode differently. There are none. */
export const NASM_DIFFERENCES: readonly { readonly line: string; readonly reason: string }[] = []

export interface Equivalent {
  /** The mnemonic that was encoded. */
  readonly mnemonic: string
  /** The form its bytes decode to, or why they do not. */
  readonly decodesTo: RegExp
  readonly reason: string
}

/** Instructions whose shortest encoding is another instruction of the same effect, or another way to write it. */
export const EQUIVALENTS: readonly Equivalent[] = [
  { mnemonic: 'IMUL', decodesTo: /^IMUL (6B|69) /, reason: 'IMUL r, imm is IMUL r, r, imm with one register' },
  { mnemonic: 'MOV', decodesTo: /^MOV B8/, reason: 'a move of a small value into a 64-bit register is the one into its lower half' },
  { mnemonic: 'MOV', decodesTo: /^MOV 8[CE]/, reason: 'a selector has 16 bits: the size of the general register is not encoded' },
  { mnemonic: 'SLDT', decodesTo: /^SLDT 0F 00 \/0/, reason: 'a 64-bit SLDT gives what the 32-bit one gives; NASM omits REX.W' },
  { mnemonic: 'XCHG', decodesTo: /^NOP 90/, reason: 'an exchange of the accumulator with itself is NOP' },
  { mnemonic: 'PUSH', decodesTo: /^PUSH (6A|68)/, reason: 'a value of 32 bits above 7FFFFFFFH is taken as the negative number of these bits' },
  { mnemonic: 'PUSHF', decodesTo: /^PUSHF[WDQ]/, reason: 'the name without a size means that of the mode' },
  { mnemonic: 'POPF', decodesTo: /^POPF[WDQ]/, reason: 'the name without a size means that of the mode' },
  { mnemonic: 'PUSHA', decodesTo: /^PUSHA[WD]/, reason: 'the name without a size means that of the mode' },
  { mnemonic: 'POPA', decodesTo: /^POPA[WD]/, reason: 'the name without a size means that of the mode' },
  { mnemonic: 'IRET', decodesTo: /^IRET[WD]/, reason: 'the name without a size means that of the mode' },
  { mnemonic: 'RETF', decodesTo: /^RETF[WD]/, reason: 'the name without a size means that of the mode' },
  { mnemonic: 'AAD', decodesTo: /^AAD D5 ib/, reason: 'the base is 10 where none is written' },
  { mnemonic: 'AAM', decodesTo: /^AAM D4 ib/, reason: 'the base is 10 where none is written' },
  { mnemonic: 'LAR', decodesTo: /^LAR 0F 02/, reason: 'a selector has 16 bits: the size of its register is not encoded' },
  { mnemonic: 'LSL', decodesTo: /^LSL 0F 03/, reason: 'a selector has 16 bits: the size of its register is not encoded' },
  { mnemonic: 'MONITOR', decodesTo: /^MONITOR NP 0F 01 C8 \| $/, reason: 'its registers may be written and are fixed' },
  { mnemonic: 'MWAIT', decodesTo: /^MWAIT NP 0F 01 C9 \| $/, reason: 'its registers may be written and are fixed' },
  { mnemonic: 'RDPID', decodesTo: /^RDPID/, reason: 'in 64-bit mode RDPID writes 64 bits, whatever size is written' },
  { mnemonic: 'CLDEMOTE', decodesTo: /^HINT_NOP32/, reason: 'a hint that the emulated memory ignores: decoded as the reserved NOP that it is' },
  { mnemonic: 'UD0', decodesTo: /^(too-short|UD0)/, reason: 'without operands NASM writes no ModRM byte, which the processor reads' },
  { mnemonic: 'UD1', decodesTo: /^(too-short|UD1)/, reason: 'without operands NASM writes no ModRM byte, which the processor reads' },
  { mnemonic: 'SALC', decodesTo: /^undefined/, reason: 'NASM lets SALC pass in 64-bit code, where it is undefined' },
]
