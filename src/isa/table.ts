/** Every instruction, once. The table refuses two forms for the same bytes. */

import { assert } from '../base/assert.ts'
import { ARITHMETIC } from './arithmetic.ts'
import { BITS } from './bit.ts'
import { BMI } from './bmi.ts'
import { BRANCHES } from './branch.ts'
import { DECIMAL } from './decimal.ts'
import { EXCHANGES } from './exchange.ts'
import { FAR_POINTERS } from './far.ts'
import { FAST_CALLS } from './fast-call.ts'
import { HINTS } from './hint.ts'
import type { InstructionRow } from './instruction.ts'
import { MOVES } from './move.ts'
import { MULTIPLICATION } from './multiply.ts'
import type { Form } from './notation.ts'
import { PROCESSOR } from './processor.ts'
import { SAVED_STATE } from './save-state.ts'
import { SHIFTS } from './shift.ts'
import { SSE_INTEGER } from './sse-integer.ts'
import { SSE_MOVES } from './sse-move.ts'
import { SSE_SHUFFLES } from './sse-shuffle.ts'
import { STACK } from './stack.ts'
import { STRINGS } from './string.ts'
import { SYSTEM } from './system.ts'
import { VMX } from './vmx.ts'

export const INSTRUCTIONS: readonly InstructionRow[] = [
  ...ARITHMETIC,
  ...SHIFTS,
  ...BITS,
  ...BMI,
  ...EXCHANGES,
  ...MULTIPLICATION,
  ...MOVES,
  ...STACK,
  ...BRANCHES,
  ...STRINGS,
  ...DECIMAL,
  ...SYSTEM,
  ...FAR_POINTERS,
  ...FAST_CALLS,
  ...PROCESSOR,
  ...HINTS,
  ...SAVED_STATE,
  ...SSE_MOVES,
  ...SSE_INTEGER,
  ...SSE_SHUFFLES,
  ...VMX,
]

function byMnemonic(): ReadonlyMap<string, InstructionRow> {
  const map = new Map<string, InstructionRow>()
  for (const row of INSTRUCTIONS) {
    for (const name of [row.mnemonic, ...row.aliases]) {
      assert(!map.has(name), `${name} names one row`)
      map.set(name, row)
    }
  }
  return map
}

/** By upper-case mnemonic, aliases included. */
export const rowsByMnemonic = byMnemonic()

/** The forms an opcode byte can begin, per opcode map: what the decoder looks through. */
export interface OpcodeEntry {
  readonly row: InstructionRow
  readonly form: Form
}

/** The maps of VEX-encoded forms stand behind the others. */
export const VEX_MAP = 4

function byOpcode(): readonly (readonly (readonly OpcodeEntry[])[])[] {
  const maps = [0, 1, 2, 3, 4, 5, 6, 7].map(() => Array.from({ length: 256 }, (): OpcodeEntry[] => []))
  for (const row of INSTRUCTIONS) {
    for (const form of row.forms) {
      if (form.encodeOnly) continue
      for (let register = 0; register < (form.plusRegister ? 8 : 1); register++) {
        const entries = maps[form.map + (form.vex === null ? 0 : VEX_MAP)]![form.opcode + register]!
        const clash = entries.find(entry => overlaps(entry.form, form))
        assert(
          clash === undefined,
          `${form.mnemonic} (${form.notation}) and ${clash?.form.mnemonic} (${clash?.form.notation}) do not overlap`,
        )
        entries.push({ row, form })
      }
    }
  }
  return maps
}

/** Whether some bytes, in some mode, would be both forms alike. */
function overlaps(a: Form, b: Form): boolean {
  if (a.mandatory !== b.mandatory || a.operandSize !== b.operandSize || a.wide !== b.wide) return false
  if (a.addressSize !== b.addressSize) return false
  if (a.vex !== null && b.vex !== null && (a.vex.long !== b.vex.long || a.vex.wide !== b.vex.wide)) return false
  if ((a.only64 && b.not64) || (a.not64 && b.only64)) return false
  if (a.plusRegister !== b.plusRegister) return false // NOP is XCHG's first register: the exact byte wins
  if (a.modrm === null || b.modrm === null) return true
  if (a.modrm.kind === 'byte' || b.modrm.kind === 'byte')
    return a.modrm.kind === 'byte' && b.modrm.kind === 'byte' && a.modrm.byte === b.modrm.byte
  if (a.modrm.kind === 'digit' && b.modrm.kind === 'digit' && a.modrm.digit !== b.modrm.digit) return false
  return (acceptsMemory(a) && acceptsMemory(b)) || (acceptsRegister(a) && acceptsRegister(b))
}

/** Whether ModRM.mod may say memory, or a register. */
export const acceptsMemory = (form: Form): boolean =>
  !form.operands.some(({ place, kind }) => place === 'rm' && (kind === 'register' || kind === 'xmm' || kind === 'ymm'))
export const acceptsRegister = (form: Form): boolean =>
  !form.operands.some(({ place, kind }) => place === 'rm' && (kind === 'memory' || kind === 'far-memory'))

/** MOV to and from control and debug registers takes ModRM.rm as a register whatever ModRM.mod says. */
export const ignoresMod = (form: Form): boolean => form.operands.some(({ kind }) => kind === 'control' || kind === 'debug')

export const formsByOpcode = byOpcode()
