/**
 * The operating mode (Intel SDM, "Modes of Operation"; "IA-32e Mode Operation"): what CR0.PE, IA32_EFER.LMA, RFLAGS.VM, CS.L, CS.D
 * and SS.B together make of the code that runs. The engine works it out when one of them changes, and reads it everywhere.
 *
 *     CR0.PE 0                          real-address mode
 *     CR0.PE 1, RFLAGS.VM 1             virtual-8086 mode
 *     CR0.PE 1, LMA 0                   protected mode           CS.D: 16- or 32-bit code
 *     LMA 1, CS.L 0                     compatibility mode       CS.D: 16- or 32-bit code
 *     LMA 1, CS.L 1                     64-bit mode
 */

import { VM } from '../../isa/status-flags.ts'
import { CR0, EFER } from '../../spec/cr-bits.ts'
import { MSRS } from '../../spec/msrs.ts'
import type { Cpu, Registers } from './registers.ts'

export type OperatingMode = 'real' | 'virtual-8086' | 'protected' | 'compatibility' | '64-bit'
/** Width of code, or of the stack pointer. */
export type Width = 16 | 32 | 64

/** Bits of access rights: L (64-bit code), and D of code or B of a stack and of expand-down data. */
export const LONG = 0x2000
export const BIG = 0x4000

export interface Mode {
  readonly mode: OperatingMode
  readonly bits: Width
  readonly stackBits: Width
}

const CS = 1
const SS = 2
const EFER_LMA = 1n << BigInt(EFER.LMA)
const CR0_PE = 1n << BigInt(CR0.PE)

/** Of a code segment by D, of a stack by B. */
export const widthOf = (accessRights: number): 16 | 32 => ((accessRights & BIG) !== 0 ? 32 : 16)

/** `flags` are RFLAGS bits 31:0. */
export function modeOf(cpu: Cpu, registers: Registers, flags: number): Mode {
  const code = cpu.segments[CS]!.accessRights
  const mode = operatingMode(cpu, registers, flags, code)
  if (mode === '64-bit') return { mode, bits: 64, stackBits: 64 }
  return { mode, bits: widthOf(code), stackBits: widthOf(cpu.segments[SS]!.accessRights) }
}

function operatingMode(cpu: Cpu, registers: Registers, flags: number, code: number): OperatingMode {
  if ((registers.cr[0]! & CR0_PE) === 0n) return 'real'
  if (((cpu.msrs[MSRS.MSR_EFER.index] ?? 0n) & EFER_LMA) !== 0n) return (code & LONG) !== 0 ? '64-bit' : 'compatibility'
  return (flags & VM) !== 0 ? 'virtual-8086' : 'protected'
}

/** Whether segment registers hold paragraphs instead of selectors. */
export const isRealStyle = (mode: OperatingMode): boolean => mode === 'real' || mode === 'virtual-8086'

/** IA-32e mode: descriptors of the system, gates and TSS have their 64-bit formats. */
export const isLongMode = (mode: OperatingMode): boolean => mode === '64-bit' || mode === 'compatibility'
