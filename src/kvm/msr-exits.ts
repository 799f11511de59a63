/**
 * RDMSR and WRMSR that exit (Linux `kvm_emulate_rdmsr`, `kvm_emulate_wrmsr`): KVM does them, or raises #GP; or user space, which asked for such
 * accesses, does them instead.
 */

import { shiftRight } from '../base/u64.ts'
import { APIC_BASE_MSR, APIC_MSR_END } from '../spec/apic-registers.ts'
import { type Context, trace } from './context.ts'
import type { ExitOutcome } from './exit-reason.ts'
import { queueGeneralProtection, skipInstruction } from './interrupts.ts'
import { readMsr, writeMsr } from './msr.ts'
import { isMsrAllowed, type MsrDirection, type MsrExitReason } from './msr-filter.ts'
import { FIRST_VMX_MSR, LAST_VMX_MSR } from './nested/capabilities.ts'

const RAX = 0
const RCX = 1
const RDX = 2

const low32 = (value: bigint): number => Number(value & 0xffff_ffffn)

export function handleRdmsr(c: Context): ExitOutcome {
  const index = low32(c.cpu.gpr(RCX))
  const isAllowed = isMsrAllowed(c.vm, index, 'read')
  const value = isAllowed ? readMsr(c, index) : null
  if (value === null && asksUserSpace(c, 'read', index, 0n, isAllowed)) return 'user'
  trace(c, 'kvm_msr', { write: 0, index, value: value ?? 0n, exception: value === null ? 1 : 0 }, 'guest')
  if (value === null) queueGeneralProtection(c)
  else finishRead(c, value)
  return 'resume'
}

function finishRead(c: Context, value: bigint): void {
  c.cpu.setGpr(RAX, value & 0xffff_ffffn)
  c.cpu.setGpr(RDX, shiftRight(value, 32))
  skipInstruction(c)
}

export function handleWrmsr(c: Context): ExitOutcome {
  const { cpu } = c
  const index = low32(cpu.gpr(RCX))
  const value = (BigInt(low32(cpu.gpr(RDX))) << 32n) | BigInt(low32(cpu.gpr(RAX)))
  trace(c, 'kvm_msr', { write: 1, index, value, exception: 0 }, 'guest')
  const isAllowed = isMsrAllowed(c.vm, index, 'write')
  const isDone = isAllowed && writeMsr(c, index, value)
  if (!isDone && asksUserSpace(c, 'write', index, value, isAllowed)) return 'user'
  if (isDone) skipInstruction(c)
  else queueGeneralProtection(c)
  return 'resume'
}

/** The access failed: true when user space wants such ones, and is asked. */
function asksUserSpace(c: Context, direction: MsrDirection, index: number, data: bigint, isAllowed: boolean): boolean {
  const why: MsrExitReason = !isAllowed ? 'filter' : isKnown(c, index) ? 'invalid' : 'unknown'
  if (c.vm.userSpaceMsr?.includes(why) !== true) return false
  c.vcpu.exit = { reason: direction === 'read' ? 'KVM_EXIT_X86_RDMSR' : 'KVM_EXIT_X86_WRMSR', why, index, data }
  return true
}

/** Whether KVM has the MSR, be it that this access to it is wrong. */
const isKnown = (c: Context, index: number): boolean =>
  (index >= APIC_BASE_MSR && index < APIC_MSR_END) ||
  (index >= FIRST_VMX_MSR && index <= LAST_VMX_MSR) ||
  readMsr(c, index, 'host') !== null

/** User space has answered: with what RDMSR reads, or with an error, which the guest gets as #GP. */
export function completeMsr(c: Context, direction: MsrDirection, answer: bigint | 'error'): void {
  if (answer === 'error') queueGeneralProtection(c)
  else if (direction === 'read') finishRead(c, BigInt.asUintN(64, answer))
  else skipInstruction(c)
}
