/**
 * Operands of L1's VMX instructions, from the exit qualification and the VM-exit instruction information (Linux
 * `get_vmx_mem_address`; the bits are drawn in `hw/vmx/instruction-information`).
 */

import { bitField } from '../../base/u64.ts'
import { isCanonical } from '../../spec/address-width.ts'
import { EFER } from '../../spec/cr-bits.ts'
import type { VmcsFieldName } from '../../spec/vmcs-fields.ts'
import type { Context } from '../context.ts'
import { type GuestAccess, translateLinear } from '../guest-memory.ts'
import { queueException, queueGeneralProtection } from '../interrupts.ts'

const SEGMENTS = ['ES', 'CS', 'SS', 'DS', 'FS', 'GS'] as const
const RSP = 4
const SS_FAULT = 12
const PAGE_FAULT = 14
const PAGE = 4096n

export const isLongMode = ({ cpu, vcpu }: Context): boolean =>
  (vcpu.efer & (1n << BigInt(EFER.LMA))) !== 0n && (cpu.vmread('GUEST_CS_AR_BYTES') & 0x2000n) !== 0n

const information = ({ cpu }: Context): bigint => cpu.vmread('VMX_INSTRUCTION_INFO')

export const readRegister = ({ cpu }: Context, index: number): bigint => (index === RSP ? cpu.vmread('GUEST_RSP') : cpu.gpr(index))

export function writeRegister({ cpu }: Context, index: number, value: bigint): void {
  if (index === RSP) cpu.vmwrite('GUEST_RSP', value)
  else cpu.setGpr(index, value)
}

export const isRegisterForm = (c: Context): boolean => bitField(information(c), 10, 1) === 1
export const firstRegister = (c: Context): number => bitField(information(c), 3, 4)
export const secondRegister = (c: Context): number => bitField(information(c), 28, 4)

const ADDRESS_MASKS = [0xffffn, 0xffff_ffffn, 0xffff_ffff_ffff_ffffn] as const

/** The linear address of the memory operand, null when a fault was queued instead. */
function linearAddress(c: Context): bigint | null {
  const info = information(c)
  const scale = BigInt(bitField(info, 0, 2))
  const index = bitField(info, 22, 1) === 1 ? 0n : readRegister(c, bitField(info, 18, 4)) << scale
  const base = bitField(info, 27, 1) === 1 ? 0n : readRegister(c, bitField(info, 23, 4))
  const segment = SEGMENTS[bitField(info, 15, 3)] ?? 'DS'
  const offset = (c.cpu.vmread('EXIT_QUALIFICATION') + base + index) & (ADDRESS_MASKS[bitField(info, 7, 3)] ?? ADDRESS_MASKS[2])
  const hasBase = !isLongMode(c) || segment === 'FS' || segment === 'GS'
  const linear = offset + (hasBase ? c.cpu.vmread(`GUEST_${segment}_BASE` as VmcsFieldName) : 0n)
  if (!isLongMode(c)) return BigInt.asUintN(32, linear)
  if (isCanonical(BigInt.asUintN(64, linear))) return BigInt.asUintN(64, linear)
  if (segment === 'SS') queueException(c, SS_FAULT, 0)
  else queueGeneralProtection(c)
  return null
}

/** Host addresses of the operand's bytes, in runs that do not cross a page; null when a fault was queued. */
function pieces(c: Context, bytes: number, access: GuestAccess): { host: number; length: number; from: number }[] | null {
  const linear = linearAddress(c)
  if (linear === null) return null
  const found: { host: number; length: number; from: number }[] = []
  for (let from = 0; from < bytes; ) {
    const at = BigInt.asUintN(64, linear + BigInt(from))
    const length = Math.min(bytes - from, Number(PAGE - (at % PAGE)))
    const translation = translateLinear(c, at, access)
    if (translation.kind === 'fault') {
      queueException(c, PAGE_FAULT, translation.errorCode, at)
      return null
    }
    found.push({ host: translation.address, length, from })
    from += length
  }
  return found
}

/** Reads the memory operand, little-endian; null when the read faulted, which is queued for L1. */
export function readMemoryOperand(c: Context, bytes: 4 | 8 | 16): bigint | null {
  const runs = pieces(c, bytes, 'read')
  if (runs === null) return null
  let value = 0n
  for (const { host, length, from } of runs)
    for (let byte = 0; byte < length; byte++)
      value |= BigInt(host < 0 ? 0xff : c.cpu.memory.read8(host + byte)) << BigInt(8 * (from + byte))
  return value
}

/** Writes the memory operand; false when the write faulted, which is queued for L1. */
export function writeMemoryOperand(c: Context, value: bigint, bytes: 4 | 8): boolean {
  const runs = pieces(c, bytes, 'write')
  if (runs === null) return false
  for (const { host, length, from } of runs)
    for (let byte = 0; byte < length && host >= 0; byte++) c.cpu.memory.write8(host + byte, bitField(value, 8 * (from + byte), 8))
  return true
}
