/**
 * A row of the instruction table: what an instruction is called, how it is encoded, when it leaves a guest and what it does.
 * The encoder, the decoder, the formatter, the interpreter and the generated reference all read these rows.
 *
 * Intercepts name the VM-execution control that makes the instruction exit in VMX non-root operation, and the exit reason
 * (Intel SDM, "Instructions That Cause VM Exits").
 */

import type { Size } from '../base/u64.ts'
import type { CpuidFeatureName } from '../spec/cpuid.ts'
import type { ExitReason } from '../spec/exit-reasons.ts'
import type { ControlName } from '../spec/vmx-controls.ts'
import { type Form, parseForm } from './notation.ts'
import type { AddressSize, Operand, SegmentIndex } from './operands.ts'
import type { Ops } from './ops.ts'

/** `'always'`, or the control whose 1-setting makes it exit. What exits by a rule of its own (WRMSR, OUT) has none here. */
export type Intercept = readonly [control: ControlName | 'always', reason: ExitReason]

export interface InstructionRow {
  readonly mnemonic: string
  /** Other names of the same encoding (JZ for JE). */
  readonly aliases: readonly string[]
  readonly forms: readonly Form[]
  /** Flags written, and flags the manual leaves undefined, as space-separated names. */
  readonly writes: string
  readonly undefined: string
  /** Prefixes with a meaning of their own on this instruction. */
  readonly prefixes: readonly ('lock' | 'rep' | 'repe')[]
  readonly intercept: Intercept | null
  /** The secondary control without which the instruction is #UD in VMX non-root operation. */
  readonly enabledBy: ControlName | null
  /** The CPUID feature without which the processor does not have the instruction: #UD, or what `instead` does. */
  readonly feature: CpuidFeatureName | null
  readonly instead: InstructionRow | null
  readonly execute: <V>(o: Ops<V>, i: Instruction) => void
}

/** A decoded instruction: made once for its bytes, independent of where they stand. */
export interface Instruction {
  readonly row: InstructionRow
  readonly form: Form
  /** Bytes, prefixes included. */
  readonly length: number
  /** Operand size in bits. */
  readonly size: Size
  readonly addressSize: AddressSize
  /** 16, 32 or 64: width of the stack pointer, from the mode it was decoded for. */
  readonly stackSize: AddressSize
  /** The mode it was decoded for: 16-, 32- or 64-bit code. */
  readonly bits: 16 | 32 | 64
  readonly dst: Operand
  readonly src: Operand
  readonly third: Operand
  /** F3 or F2 as a REP/REPE or REPNE prefix, else 0. */
  readonly repeat: 0 | 0xf2 | 0xf3
  readonly lock: boolean
  /** Segment override, -1 for none; memory operands have it applied already. */
  readonly segment: SegmentIndex | -1
}

export interface InstructionNotes {
  readonly aliases?: readonly string[]
  readonly writes?: string
  readonly undefined?: string
  readonly prefixes?: readonly ('lock' | 'rep' | 'repe')[]
  readonly intercept?: Intercept
  readonly enabledBy?: ControlName
  readonly feature?: CpuidFeatureName
  /** What processors without the feature make of these bytes: TZCNT is BSF with a prefix that BSF ignores. */
  readonly instead?: InstructionRow
  /** Opcode, operands and, rarely, remarks: see `notation.ts`. */
  readonly forms: readonly (readonly [opcode: string, operands: string, remarks?: string])[]
  readonly execute: <V>(o: Ops<V>, i: Instruction) => void
}

export function instruction(mnemonic: string, notes: InstructionNotes): InstructionRow {
  return {
    mnemonic,
    aliases: notes.aliases ?? [],
    forms: notes.forms.map(([opcode, operands, remarks]) => parseForm(mnemonic, opcode, operands, remarks ?? '')),
    writes: notes.writes ?? '',
    undefined: notes.undefined ?? '',
    prefixes: notes.prefixes ?? [],
    intercept: notes.intercept ?? null,
    enabledBy: notes.enabledBy ?? null,
    feature: notes.feature ?? null,
    instead: notes.instead ?? null,
    execute: notes.feature === undefined ? notes.execute : guarded(notes.feature, notes),
  }
}

/** The meaning on processors with the feature, and on those without it. */
function guarded(feature: CpuidFeatureName, { execute, instead }: InstructionNotes): InstructionRow['execute'] {
  if (instead === undefined)
    return (o, i) => {
      o.require(feature)
      execute(o, i)
    }
  return (o, i) =>
    o.when(
      o.has(feature),
      () => execute(o, i),
      () => instead.execute(o, i),
    )
}
