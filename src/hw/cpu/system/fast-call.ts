/**
 * SYSCALL, SYSENTER and their returns within 64-bit mode, and the bases of FS and GS (Intel SDM, their pages). The segments are
 * fixed: only selectors come from MSRs. A return to 32-bit code is refused with #GP.
 */

import { shiftRight } from '../../../base/u64.ts'
import { segmentOfBase } from '../../../isa/fast-call.ts'
import type { Instruction } from '../../../isa/instruction.ts'
import { isCanonical } from '../../../spec/address-width.ts'
import { EFER } from '../../../spec/cr-bits.ts'
import { MSRS } from '../../../spec/msrs.ts'
import type { Engine } from '../engine.ts'
import { generalProtection, undefinedOpcode } from '../faults.ts'
import { IF, RF, VM } from '../lazy-flags.ts'
import { CODE64_RIGHTS, DATA_RIGHTS } from '../registers.ts'
import { requireRing0 } from './privilege.ts'

const CS = 1
const SS = 2
const RCX = 1
const RDX = 2
const RSP = 4
const R11 = 11
const USER = 3
/** What SYSRET takes from R11: neither RF nor VM nor reserved bits. */
const RETURNED_FLAGS = 0x3c_7fd7

const msr = (engine: Engine, index: number): bigint => engine.cpu.msrs[index] ?? 0n

/** Flat 64-bit code and data at a privilege level. */
function enterFlat(engine: Engine, code: number, stack: number, privilege: 0 | 3): void {
  const { cpu, registers } = engine
  const dpl = privilege << 5
  const selector = (value: number): number => (privilege === USER ? value | 3 : value & 0xfffc) & 0xffff
  cpu.segments[CS] = { selector: selector(code), limit: 0xffff_ffff, accessRights: (CODE64_RIGHTS & ~0x60) | dpl }
  cpu.segments[SS] = { selector: selector(stack), limit: 0xffff_ffff, accessRights: (DATA_RIGHTS & ~0x60) | dpl }
  registers.segmentBase[CS] = 0n
  registers.segmentBase[SS] = 0n
  engine.attention = true
  engine.reloadAddressSpace()
}

function requireSyscall(engine: Engine): void {
  if ((msr(engine, MSRS.MSR_EFER.index) & (1n << BigInt(EFER.SCE))) === 0n) throw undefinedOpcode()
}

export function syscall(engine: Engine): void {
  requireSyscall(engine)
  const { gpr } = engine.registers
  const flags = engine.materialised()
  const star = Number(shiftRight(msr(engine, MSRS.MSR_STAR.index), 32) & 0xffffn)
  gpr[RCX] = engine.following
  gpr[R11] = BigInt((flags & ~RF) >>> 0)
  engine.replaceFlags((flags & ~Number(msr(engine, MSRS.MSR_SYSCALL_MASK.index) & 0xffff_ffffn) & ~RF) | 2)
  engine.target = msr(engine, MSRS.MSR_LSTAR.index)
  enterFlat(engine, star, (star & 0xfffc) + 8, 0)
}

export function sysret(engine: Engine, { size }: Instruction): void {
  requireSyscall(engine)
  requireRing0(engine)
  const { gpr } = engine.registers
  const target = gpr[RCX]!
  if (size !== 64 || !isCanonical(target)) throw generalProtection()
  const star = Number(shiftRight(msr(engine, MSRS.MSR_STAR.index), 48))
  engine.replaceFlags((Number(gpr[R11]! & 0xffff_ffffn) & RETURNED_FLAGS) | 2)
  engine.target = target
  enterFlat(engine, star + 16, star + 8, USER)
}

export function sysenter(engine: Engine): void {
  const selector = Number(msr(engine, MSRS.MSR_IA32_SYSENTER_CS.index) & 0xfffcn)
  if (selector === 0) throw generalProtection()
  engine.replaceFlags(engine.materialised() & ~(VM | IF | RF))
  engine.registers.gpr[RSP] = msr(engine, MSRS.MSR_IA32_SYSENTER_ESP.index)
  engine.target = msr(engine, MSRS.MSR_IA32_SYSENTER_EIP.index)
  enterFlat(engine, selector, selector + 8, 0)
}

export function sysexit(engine: Engine, { size }: Instruction): void {
  const selector = Number(msr(engine, MSRS.MSR_IA32_SYSENTER_CS.index) & 0xfffcn)
  if (selector === 0) throw generalProtection()
  requireRing0(engine)
  const { gpr } = engine.registers
  const [target, stack] = [gpr[RDX]!, gpr[RCX]!]
  if (size !== 64 || !isCanonical(target) || !isCanonical(stack)) throw generalProtection()
  gpr[RSP] = stack
  engine.target = target
  enterFlat(engine, selector + 32, selector + 40, USER)
}

const segmentOf = ({ form }: Instruction): 4 | 5 => segmentOfBase(form.modrm?.kind === 'digit' ? form.modrm.digit : 0)

export function readSegmentBase(engine: Engine, i: Instruction): void {
  engine.write(i.dst, engine.zeroExtend(i.size, engine.registers.segmentBase[segmentOf(i)]!))
}

export function writeSegmentBase(engine: Engine, i: Instruction): void {
  const base = engine.read(i.dst)
  if (!isCanonical(base)) throw generalProtection()
  engine.registers.segmentBase[segmentOf(i)] = base
}
