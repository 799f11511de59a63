/**
 * SYSCALL, SYSENTER and their returns, and the bases of FS and GS (Intel SDM, their pages). The segments are fixed: only selectors
 * come from MSRs.
 */

import { shiftRight, unsigned } from '../../../base/u64.ts'
import { segmentOfBase } from '../../../isa/fast-call.ts'
import type { Instruction } from '../../../isa/instruction.ts'
import { CS, gpr, RCX, RDX, RSP, SS } from '../../../isa/operands.ts'
import { IF, RF, VM } from '../../../isa/status-flags.ts'
import { isCanonical, widestLinear } from '../../../spec/address-width.ts'
import { EFER } from '../../../spec/cr-bits.ts'
import { MSRS } from '../../../spec/msrs.ts'
import type { Engine } from '../engine.ts'
import { generalProtection, undefinedOpcode } from '../faults.ts'
import { isLongMode } from '../mode.ts'
import { CODE32_RIGHTS, CODE64_RIGHTS, DATA_RIGHTS } from '../registers.ts'
import { setSegment } from './load-segment.ts'
import { requireRing0 } from './privilege.ts'

const R11 = 11
const USER = 3
/** What SYSRET takes from R11: neither RF nor VM nor reserved bits. */
const RETURNED_FLAGS = 0x3c_7fd7

const msr = (engine: Engine, index: number): bigint => engine.cpu.msrs[index] ?? 0n

/** Flat code, 64-bit or 32-bit, and a flat stack at a privilege level. */
function enterFlat(engine: Engine, code: number, stack: number, privilege: 0 | 3, width: 32 | 64): void {
  const dpl = privilege << 5
  const selector = (value: number): number => (privilege === USER ? value | 3 : value & 0xfffc) & 0xffff
  const rights = (((width === 64 ? CODE64_RIGHTS : CODE32_RIGHTS) & ~0x60) | dpl) >>> 0
  setSegment(engine, CS, { selector: selector(code), limit: 0xffff_ffff, accessRights: rights }, 0n)
  setSegment(engine, SS, { selector: selector(stack), limit: 0xffff_ffff, accessRights: (DATA_RIGHTS & ~0x60) | dpl }, 0n)
  engine.attention = true
  engine.reloadAddressSpace()
}

/** SYSCALL and SYSRET exist in 64-bit mode only, where IA32_EFER.SCE enables them. */
function requireSyscall(engine: Engine): void {
  const isEnabled = (msr(engine, MSRS.MSR_EFER.index) & (1n << BigInt(EFER.SCE))) !== 0n
  if (engine.mode !== '64-bit' || !isEnabled) throw undefinedOpcode()
}

export function syscall(engine: Engine): void {
  requireSyscall(engine)
  const registers = engine.registers.gpr
  const flags = engine.materialised()
  const star = Number(shiftRight(msr(engine, MSRS.MSR_STAR.index), 32) & 0xffffn)
  registers[RCX] = engine.following
  registers[R11] = BigInt((flags & ~RF) >>> 0)
  engine.replaceFlags((flags & ~Number(msr(engine, MSRS.MSR_SYSCALL_MASK.index) & 0xffff_ffffn) & ~RF) | 2)
  engine.target = msr(engine, MSRS.MSR_LSTAR.index)
  enterFlat(engine, star, (star & 0xfffc) + 8, 0, 64)
}

/** With REX.W to 64-bit code, else to compatibility mode, where EIP is ECX. */
export function sysret(engine: Engine, { size }: Instruction): void {
  requireSyscall(engine)
  requireRing0(engine)
  const target = engine.read(gpr(size === 64 ? 64 : 32, RCX))
  if (!isCanonical(target, engine.linearBits)) throw generalProtection()
  const star = Number(shiftRight(msr(engine, MSRS.MSR_STAR.index), 48))
  engine.replaceFlags((Number(engine.registers.gpr[R11]! & 0xffff_ffffn) & RETURNED_FLAGS) | 2)
  engine.target = target
  if (size === 64) enterFlat(engine, star + 16, star + 8, USER, 64)
  else enterFlat(engine, star, star + 8, USER, 32)
}

/** The selector that the four segments of SYSENTER and SYSEXIT are counted from; #GP in real-address mode and while it is null. */
function sysenterSelector(engine: Engine): number {
  const selector = Number(msr(engine, MSRS.MSR_IA32_SYSENTER_CS.index) & 0xfffcn)
  if (engine.mode === 'real' || selector === 0) throw generalProtection()
  return selector
}

export function sysenter(engine: Engine): void {
  const selector = sysenterSelector(engine)
  const width = isLongMode(engine.mode) ? 64 : 32
  engine.replaceFlags(engine.materialised() & ~(VM | IF | RF))
  engine.write(gpr(width, RSP), unsigned(width, msr(engine, MSRS.MSR_IA32_SYSENTER_ESP.index)))
  engine.target = unsigned(width, msr(engine, MSRS.MSR_IA32_SYSENTER_EIP.index))
  enterFlat(engine, selector, selector + 8, 0, width)
}

export function sysexit(engine: Engine, { size }: Instruction): void {
  const selector = sysenterSelector(engine)
  requireRing0(engine)
  const width = size === 64 ? 64 : 32
  const target = engine.read(gpr(width, RDX))
  const stack = engine.read(gpr(width, RCX))
  if (!isCanonical(target, engine.linearBits) || !isCanonical(stack, engine.linearBits)) throw generalProtection()
  engine.write(gpr(width, RSP), stack)
  engine.target = target
  const code = selector + (width === 64 ? 32 : 16)
  enterFlat(engine, code, code + 8, USER, width)
}

const segmentOf = ({ form }: Instruction): 4 | 5 => segmentOfBase(form.modrm?.kind === 'digit' ? form.modrm.digit : 0)

export function readSegmentBase(engine: Engine, i: Instruction): void {
  engine.write(i.dst, engine.zeroExtend(i.size, engine.registers.segmentBase[segmentOf(i)]!))
}

export function writeSegmentBase(engine: Engine, i: Instruction): void {
  const base = engine.read(i.dst)
  if (!isCanonical(base, widestLinear(engine.machine.config.features))) throw generalProtection()
  engine.registers.segmentBase[segmentOf(i)] = base
}
