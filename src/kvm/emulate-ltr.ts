/**
 * LTR whose descriptor lies in memory that cannot be written, as firmware's GDT in ROM does: the CPU's store of the busy bit left the guest
 * (Linux `__load_segment_descriptor`, whose exchange in `emulator_cmpxchg_emulated` becomes a plain write there).
 */

import { shiftRight } from '../base/u64.ts'
import type { VmcsFieldName } from '../spec/vmcs-fields.ts'
import { type EmulatedMemory, Unhandled } from './emulation.ts'

const BUSY = 1n << 41n
/** P, S and the type without its 16-bit forms: a 64- or 32-bit TSS that is present and not busy. */
const KIND = 0x9fn << 40n
const AVAILABLE_TSS = 0x89n << 40n
const GRANULAR = 1n << 55n

/** What TR holds afterwards, field by field. */
export function loadTaskRegister(memory: EmulatedMemory, at: bigint, selector: bigint, wide: boolean): readonly [VmcsFieldName, bigint][] {
  const low = memory.read(at, 8)
  if ((low & KIND) !== AVAILABLE_TSS) throw new Unhandled()
  const high = wide ? memory.read(at + 8n, 8) & 0xffff_ffffn : 0n
  memory.write(at, 8, low | BUSY)
  const limit = (low & 0xffffn) | (shiftRight(low, 32) & 0xf_0000n)
  return [
    ['GUEST_TR_SELECTOR', selector],
    ['GUEST_TR_BASE', (high << 32n) | (shiftRight(low, 32) & 0xff00_0000n) | (shiftRight(low, 16) & 0xff_ffffn)],
    ['GUEST_TR_LIMIT', (low & GRANULAR) === 0n ? limit : (limit << 12n) | 0xfffn],
    ['GUEST_TR_AR_BYTES', shiftRight(low | BUSY, 40) & 0xf0ffn],
  ]
}
