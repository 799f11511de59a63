/**
 * Who gets an exit of L2 (Linux `nested_vmx_l0_wants_exit`, `nested_vmx_l1_wants_exit`): a table by reason. What L0 does not need is
 * L1's where vmcs12 asks for it; the rest L0 emulates, unseen by L1.
 */

import { bitField } from '../../base/u64.ts'
import type { ExitReason } from '../../spec/exit-reasons.ts'
import type { ControlName } from '../../spec/vmx-controls.ts'
import type { Context } from '../context.ts'
import { INTR_TYPE, interruptionType } from '../interrupts.ts'
import { hostAddress } from '../mmu.ts'
import { exitsOnMsr } from './msr-bitmap.ts'
import { readVmcs12, readVmcs12Number, vmcs12Has } from './vmcs12.ts'

type Claim = 'L0' | 'L1' | ControlName | ((c: Context) => boolean)

const both =
  (...controls: ControlName[]) =>
  (c: Context): boolean =>
    controls.every(control => vmcs12Has(c, control))

const either =
  (...controls: ControlName[]) =>
  (c: Context): boolean =>
    controls.some(control => vmcs12Has(c, control))

const RCX = 1
const accessedMsr = ({ cpu }: Context): number => bitField(cpu.gpr(RCX), 0, 32)

/** Absent: L1's, always. */
const CLAIMS: Partial<Record<ExitReason, Claim>> = {
  EXIT_REASON_EXCEPTION_NMI: claimsException,
  EXIT_REASON_EXTERNAL_INTERRUPT: 'L0',
  EXIT_REASON_EPT_VIOLATION: 'L0',
  EXIT_REASON_EPT_MISCONFIG: 'L0',
  EXIT_REASON_PREEMPTION_TIMER: 'L0',
  EXIT_REASON_PML_FULL: 'L0',
  EXIT_REASON_MCE_DURING_VMENTRY: 'L0',
  EXIT_REASON_INTERRUPT_WINDOW: 'CPU_BASED_INTR_WINDOW_EXITING',
  EXIT_REASON_NMI_WINDOW: 'CPU_BASED_NMI_WINDOW_EXITING',
  EXIT_REASON_HLT: 'CPU_BASED_HLT_EXITING',
  EXIT_REASON_INVLPG: 'CPU_BASED_INVLPG_EXITING',
  EXIT_REASON_RDPMC: 'CPU_BASED_RDPMC_EXITING',
  EXIT_REASON_RDRAND: 'SECONDARY_EXEC_RDRAND_EXITING',
  EXIT_REASON_RDSEED: 'SECONDARY_EXEC_RDSEED_EXITING',
  EXIT_REASON_RDTSC: 'CPU_BASED_RDTSC_EXITING',
  EXIT_REASON_RDTSCP: 'CPU_BASED_RDTSC_EXITING',
  EXIT_REASON_CR_ACCESS: claimsControlAccess,
  EXIT_REASON_DR_ACCESS: 'CPU_BASED_MOV_DR_EXITING',
  EXIT_REASON_IO_INSTRUCTION: claimsIo,
  EXIT_REASON_GDTR_IDTR: 'SECONDARY_EXEC_DESC',
  EXIT_REASON_LDTR_TR: 'SECONDARY_EXEC_DESC',
  EXIT_REASON_MSR_READ: c => exitsOnMsr(c, accessedMsr(c), false),
  EXIT_REASON_MSR_WRITE: c => exitsOnMsr(c, accessedMsr(c), true),
  EXIT_REASON_MWAIT_INSTRUCTION: 'CPU_BASED_MWAIT_EXITING',
  EXIT_REASON_MONITOR_INSTRUCTION: 'CPU_BASED_MONITOR_EXITING',
  EXIT_REASON_PAUSE_INSTRUCTION: either('CPU_BASED_PAUSE_EXITING', 'SECONDARY_EXEC_PAUSE_LOOP_EXITING'),
  EXIT_REASON_TPR_BELOW_THRESHOLD: 'CPU_BASED_TPR_SHADOW',
  EXIT_REASON_APIC_ACCESS: 'SECONDARY_EXEC_VIRTUALIZE_APIC_ACCESSES',
  EXIT_REASON_INVPCID: both('SECONDARY_EXEC_ENABLE_INVPCID', 'CPU_BASED_INVLPG_EXITING'),
  EXIT_REASON_WBINVD: 'SECONDARY_EXEC_WBINVD_EXITING',
  EXIT_REASON_UMWAIT: 'CPU_BASED_RDTSC_EXITING',
  EXIT_REASON_TPAUSE: 'CPU_BASED_RDTSC_EXITING',
}

/** Whether L1 is to get this exit of L2's. */
export function isReflected(c: Context, reason: ExitReason): boolean {
  const claim = CLAIMS[reason] ?? 'L1'
  if (claim === 'L0' || claim === 'L1') return claim === 'L1'
  return typeof claim === 'string' ? vmcs12Has(c, claim) : claim(c)
}

const PAGE_FAULT = 14

/** Host NMIs are L0's; exceptions are L1's by its bitmap and, for page faults, its filter. */
function claimsException(c: Context): boolean {
  const information = Number(c.cpu.vmread('VM_EXIT_INTR_INFO'))
  if (interruptionType(information) === INTR_TYPE.nmi) return false
  return interceptsException(c, information & 0xff, Number(c.cpu.vmread('VM_EXIT_INTR_ERROR_CODE')))
}

export function interceptsException(c: Context, vector: number, errorCode: number): boolean {
  const isListed = ((readVmcs12Number(c, 'EXCEPTION_BITMAP') >>> vector) & 1) === 1
  if (vector !== PAGE_FAULT) return isListed
  const matches =
    (errorCode & readVmcs12Number(c, 'PAGE_FAULT_ERROR_CODE_MASK')) >>> 0 === readVmcs12Number(c, 'PAGE_FAULT_ERROR_CODE_MATCH')
  return matches ? isListed : !isListed
}

const TO_CR = 0
const FROM_CR = 1
const CLTS = 2
const RSP = 4

/** CR accesses (Linux `nested_vmx_exit_handled_cr`): L1's where a bit that it keeps would differ from what L2 reads. */
function claimsControlAccess(c: Context): boolean {
  const qualification = Number(c.cpu.vmread('EXIT_QUALIFICATION') & 0xffff_ffffn)
  const register = qualification & 15
  const type = (qualification >> 4) & 3
  const operand = (qualification >> 8) & 15
  const value = operand === RSP ? c.cpu.vmread('GUEST_RSP') : c.cpu.gpr(operand)
  const changes = (name: 'CR0' | 'CR4', written: bigint, bits = ~0n): boolean =>
    ((written ^ readVmcs12(c, `${name}_READ_SHADOW`)) & readVmcs12(c, `${name}_GUEST_HOST_MASK`) & bits) !== 0n
  if (type === CLTS) return changes('CR0', 0n, 8n)
  if (type === TO_CR) {
    if (register === 0) return changes('CR0', value)
    if (register === 3) return vmcs12Has(c, 'CPU_BASED_CR3_LOAD_EXITING')
    return register === 4 ? changes('CR4', value) : vmcs12Has(c, 'CPU_BASED_CR8_LOAD_EXITING')
  }
  if (type === FROM_CR) return vmcs12Has(c, register === 3 ? 'CPU_BASED_CR3_STORE_EXITING' : 'CPU_BASED_CR8_STORE_EXITING')
  // LMSW: PE can only be set.
  const source = BigInt(qualification >>> 16)
  const kept = (readVmcs12(c, 'CR0_GUEST_HOST_MASK') & 0xen) !== 0n && changes('CR0', source, 0xen)
  return kept || ((source & 1n) !== 0n && changes('CR0', 1n, 1n))
}

/** I/O (Linux `nested_vmx_exit_handled_io`): by the bitmaps, port by port; what wraps past 0xFFFF exits. */
function claimsIo(c: Context): boolean {
  if (!vmcs12Has(c, 'CPU_BASED_USE_IO_BITMAPS')) return vmcs12Has(c, 'CPU_BASED_UNCOND_IO_EXITING')
  const qualification = Number(c.cpu.vmread('EXIT_QUALIFICATION') & 0xffff_ffffn)
  const first = qualification >>> 16
  for (let port = first; port <= first + (qualification & 7); port++) {
    if (port > 0xffff) return true
    const bitmap = readVmcs12Number(c, port < 0x8000 ? 'IO_BITMAP_A' : 'IO_BITMAP_B')
    const host = hostAddress(c.vm, bitmap + ((port & 0x7fff) >> 3))
    const byte = host < 0 ? 0xff : c.cpu.memory.read8(host)
    if (((byte >> (port & 7)) & 1) === 1) return true
  }
  return false
}
