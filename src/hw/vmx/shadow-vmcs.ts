/**
 * VMCS shadowing (Intel SDM, "VMCS Shadowing Bitmap Addresses"; "VMREAD", "VMWRITE"): the guest reads and writes fields of the VMCS
 * that the link pointer names, where the bitmaps let it, without an exit.
 */

import type { Instruction } from '../../isa/instruction.ts'
import type { Engine } from '../cpu/engine.ts'
import { isControlSet } from './state.ts'

/** Bits 14:0 of an encoding choose a bit of the bitmap; with any above the instruction exits. */
const ENCODINGS = 0x8000n

/** Whether this VMREAD or VMWRITE of the guest goes to the shadow VMCS. */
export function isShadowed(engine: Engine, { row, dst, src }: Instruction): boolean {
  const isRead = row.mnemonic === 'VMREAD'
  if (!isRead && row.mnemonic !== 'VMWRITE') return false
  const { controls } = engine.cpu.vmx
  if (!isControlSet(controls, 'SECONDARY_EXEC_SHADOW_VMCS')) return false
  const encoding = engine.read(isRead ? src : dst)
  if (encoding >= ENCODINGS) return false
  const bitmap = isRead ? controls.vmreadBitmap : controls.vmwriteBitmap
  const byte = engine.memory.read8(bitmap + (Number(encoding) >> 3))
  return ((byte >> (Number(encoding) & 7)) & 1) === 0
}
