/**
 * The x87 control instructions (Intel SDM, "x87 FPU Control Instructions"): what kernels use to start and to probe the unit. There
 * is no x87 arithmetic, so the flags of the status word and the registers change by restoring alone.
 */

import type { Instruction } from '../../../isa/instruction.ts'
import { CR0 } from '../../../spec/cr-bits.ts'
import type { Engine } from '../engine.ts'
import { Fault, undefinedOpcode, VECTOR } from '../faults.ts'
import { type Registers, X87 } from '../registers.ts'

/** FNINIT: every exception masked, extended precision, round to nearest. */
export const INITIAL_CONTROL = 0x37fn
/** Exception flags 5:0, stack fault 6, error summary 7; 15 is busy, which follows the summary. */
const EXCEPTIONS = 0x3fn
const SUMMARY = 0x8080n
const FLAGS = 0x80ffn
/** Bit 6 always reads 1; 7 and 15:13 do not exist. */
const CONTROL_BITS = 0x1f3fn
const CONTROL_ONE = 0x40n

const isSet = (engine: Engine, position: number): boolean => (engine.registers.cr[0]! & (1n << BigInt(position))) !== 0n

/** The summary bits say whether a flagged exception is not masked. */
export function settleSummary(x87: Registers['x87']): void {
  const status = x87[X87.status]! & ~SUMMARY
  x87[X87.status] = (status & ~x87[X87.control]! & EXCEPTIONS) === 0n ? status : status | SUMMARY
}

/** What FLDCW and the restoring instructions make of a control word. */
export const controlWord = (value: bigint): bigint => (value & CONTROL_BITS) | CONTROL_ONE

/** #MF for an exception that waits to be reported; CR0.NE is taken as 1, since there is no FERR# pin. */
function reportPending({ registers }: Engine): void {
  if ((registers.x87[X87.status]! & SUMMARY) !== 0n) throw new Fault(VECTOR.MF, null)
}

/** Empties every register: FNINIT, and what XRSTOR does for state that the area does not hold. */
export function initializeX87({ x87, st }: Registers): void {
  x87.fill(0n)
  x87[X87.control] = INITIAL_CONTROL
  st.fill(0n)
}

export function x87Instruction(engine: Engine, i: Instruction): void {
  if (i.row.mnemonic === 'EMMS' && isSet(engine, CR0.EM)) throw undefinedOpcode()
  if (isSet(engine, CR0.EM) || isSet(engine, CR0.TS)) throw new Fault(VECTOR.NM, null)
  const { x87 } = engine.registers
  switch (i.row.mnemonic) {
    case 'FNINIT': {
      // The values of the registers stay; the tag word says that they are empty.
      x87.fill(0n)
      x87[X87.control] = INITIAL_CONTROL
      return
    }
    case 'FNCLEX':
      x87[X87.status] = x87[X87.status]! & ~FLAGS
      return
    case 'FLDCW': {
      reportPending(engine)
      x87[X87.control] = controlWord(engine.read(i.dst))
      return settleSummary(x87)
    }
    case 'FNSTCW':
      return engine.write(i.dst, x87[X87.control]!)
    case 'FNSTSW':
      return engine.write(i.dst, x87[X87.status]!)
    case 'EMMS':
      reportPending(engine)
      x87[X87.tag] = 0n
  }
}

/** FWAIT; the trap for another task's registers comes only with CR0.MP. */
export function fwait(engine: Engine): void {
  if (isSet(engine, CR0.MP) && isSet(engine, CR0.TS)) throw new Fault(VECTOR.NM, null)
  reportPending(engine)
}
