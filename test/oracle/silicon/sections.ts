/**
 * What the silicon oracle runs: a section for every form of the table, operand size and mode that a user program can execute, and
 * why the others are left out.
 */

import type { InstructionRow } from '../../../src/isa/instruction.ts'
import { type Form, followsOperandSize } from '../../../src/isa/notation.ts'
import { INSTRUCTIONS } from '../../../src/isa/table.ts'
import type { Mode } from './case.ts'

export interface Section {
  /** Names the section in the vectors and seeds its cases: a change of the notation makes it another one. */
  readonly key: string
  readonly row: InstructionRow
  readonly form: Form
  readonly size: 16 | 32 | 64
  readonly mode: Mode
}

/** Rows that the processor cannot be asked about from a user program, and why. */
export const NOT_ASKED: Readonly<Record<string, string>> = {
  ...Object.fromEntries(['SYSCALL', 'SYSENTER'].map(name => [name, 'enters the kernel'])),
  ...Object.fromEntries(['RDTSC', 'RDTSCP', 'CPUID', 'RDRAND', 'RDSEED', 'RDPID'].map(name => [name, 'its result is the processor’s own'])),
  ...Object.fromEntries(['SGDT', 'SIDT', 'SLDT', 'STR', 'SMSW'].map(name => [name, 'its result is the kernel’s own, or hidden by UMIP'])),
  ...Object.fromEntries(['XGETBV', 'RDPMC'].map(name => [name, 'its result depends on what the kernel set up'])),
  ...Object.fromEntries(
    ['SERIALIZE', 'WRMSRNS', 'RDPKRU', 'WRPKRU'].map(name => [name, 'the processor or the emulator lacks the feature']),
  ),
  ...Object.fromEntries(['VMCALL', 'VMFUNC'].map(name => [name, 'a hypervisor under the processor answers it'])),
  ...Object.fromEntries(['MONITOR', 'MWAIT'].map(name => [name, 'outside ring 0 it is #UD'])),
  EMMS: 'the emulator lacks MMX',
  RSM: 'outside system-management mode it is #UD, as UD2',
  XSETBV: 'privileged, and checked after XCR0 is known',
  ...Object.fromEntries(
    ['VMXON', 'VMXOFF', 'VMCLEAR', 'VMLAUNCH', 'VMRESUME', 'VMPTRLD', 'VMPTRST', 'VMREAD', 'VMWRITE', 'INVEPT', 'INVVPID'].map(name => [
      name,
      'another vendor’s processor has no VMX',
    ]),
  ),
  XSAVES: 'privileged, and #GP only where the kernel enabled it',
  XSAVES64: 'privileged, and #GP only where the kernel enabled it',
  XRSTORS: 'privileged, and #GP only where the kernel enabled it',
  XRSTORS64: 'privileged, and #GP only where the kernel enabled it',
}

/** Those of them that outside ring 0 are nothing but a fault; the others are forms that a user program can run. */
export const PRIVILEGED: ReadonlySet<string> = new Set([
  'MONITOR',
  'MWAIT',
  'RSM',
  'WRMSRNS',
  'XSETBV',
  'XSAVES',
  'XSAVES64',
  'XRSTORS',
  'XRSTORS64',
  ...Object.keys(NOT_ASKED).filter(name => /^(VM(?!CALL|FUNC)|INV)/.test(name)),
])

/** The forms that a user program can run, asked or not. */
export const userForms = (): readonly Form[] =>
  INSTRUCTIONS.filter(({ mnemonic }) => !PRIVILEGED.has(mnemonic)).flatMap(({ forms }) => forms.filter(form => !form.encodeOnly))

const needsSize = (form: Form): boolean => followsOperandSize(form) || form.default64

function sizesOf(form: Form, mode: Mode): readonly (16 | 32 | 64)[] {
  const natural = mode === 16 ? 16 : 32
  if (form.wide) return [64]
  if (form.only32or64) return mode === 64 ? [32, 64] : [32]
  if (form.operandSize !== null) return form.operandSize === 64 && mode !== 64 ? [] : [form.operandSize]
  const prefixed = form.mandatory !== 'NP' && form.mandatory !== 0x66
  if (form.force64) return mode === 64 ? [64] : prefixed ? [16, 32] : [natural]
  if (!needsSize(form)) return [natural]
  if (form.default64) return mode === 64 ? [16, 64] : [16, 32]
  if (!prefixed) return mode === 64 ? [32, 64] : [natural]
  return mode === 64 ? [16, 32, 64] : [16, 32]
}

/** Address sizes belong to a mode as operand sizes do. */
const fitsMode = (form: Form, mode: Mode): boolean =>
  (mode === 64 ? !form.not64 : !form.only64 && !form.wide) &&
  (form.addressSize === null || (mode === 64 ? form.addressSize !== 16 : form.addressSize !== 64))

/** Some forms differ in their remarks alone. */
const remarksOf = (form: Form): string => (form.only64 ? ' 64' : form.not64 ? ' !64' : '')

export function sectionsOf(mode: Mode, rows: readonly InstructionRow[] = INSTRUCTIONS): Section[] {
  const sections: Section[] = []
  for (const row of rows) {
    if (row.mnemonic in NOT_ASKED) continue
    for (const form of row.forms) {
      if (form.encodeOnly || !fitsMode(form, mode)) continue
      for (const size of sizesOf(form, mode))
        sections.push({ key: `${row.mnemonic} ${form.notation}${remarksOf(form)} o${size} m${mode}`, row, form, size, mode })
    }
  }
  return sections
}
