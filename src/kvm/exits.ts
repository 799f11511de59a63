/**
 * What KVM does about each VM exit (Linux `arch/x86/kvm/vmx/vmx.c`, `kvm_vmx_exit_handlers`): a table by exit reason. A reason
 * without a row ends in KVM_EXIT_INTERNAL_ERROR, with the reason in words.
 */

import { PAGE_SIZE } from '../base/units.ts'
import { XCR0 } from '../spec/cr-bits.ts'
import type { ExitReason } from '../spec/exit-reasons.ts'
import { MSRS } from '../spec/msrs.ts'
import { APIC_DEFAULT_BASE } from '../spec/xapic-access.ts'
import { type Context, trace } from './context.ts'
import { handleControlAccess } from './control-registers.ts'
import { lookupCpuid, runtimeCpuid } from './cpuid.ts'
import { emulateInstruction } from './emulate.ts'
import { endedInterrupt } from './eoi.ts'
import type { ExitOutcome } from './exit-reason.ts'
import { blockNmiAgain, queueGeneralProtection, queueUndefinedOpcode, skipInstruction } from './interrupts.ts'
import { handleIo } from './io.ts'
import { hvTimerExpired } from './lapic-timer.ts'
import { completeVirtualWrite } from './mmio.ts'
import { mapGuestPage, mapHostPage } from './mmu.ts'
import { handleRdmsr, handleWrmsr } from './msr-exits.ts'
import { handleVmlaunch, handleVmresume } from './nested/entry.ts'
import { handleNestedEptViolation } from './nested/ept.ts'
import { hasNestedEpt } from './nested/ept-walk.ts'
import { handleVmread, handleVmwrite } from './nested/field-access.ts'
import {
  handleInvept,
  handleInvvpid,
  handleVmclear,
  handleVmptrld,
  handleVmptrst,
  handleVmxoff,
  handleVmxon,
} from './nested/instructions.ts'
import { isReflected } from './nested/routing.ts'
import { nestedVmexit } from './nested/vmexit.ts'
import { isPageVirtualized, setControl } from './vmcs01.ts'
import { takeHostInterrupt } from './wake.ts'

type ExitHandler = (c: Context) => ExitOutcome

const RAX = 0
const RCX = 1
const RDX = 2
const RBX = 3

const low32 = (value: bigint): number => Number(value & 0xffff_ffffn)

function handleCpuid(c: Context): ExitOutcome {
  const { cpu } = c
  cpu.spend('kvmEmulate')
  const leaf = low32(cpu.gpr(RAX))
  const subleaf = low32(cpu.gpr(RCX))
  const { eax, ebx, ecx, edx } = runtimeCpuid(c, leaf, subleaf)
  trace(c, 'kvm_cpuid', { leaf, subleaf, eax, ebx, ecx, edx }, 'guest')
  for (const [register, value] of [
    [RAX, eax],
    [RBX, ebx],
    [RCX, ecx],
    [RDX, edx],
  ] as const)
    cpu.setGpr(register, BigInt(value))
  skipInstruction(c)
  return 'resume'
}

/** XCR0 alone, and what the guest's CPUID says of it (Linux `__kvm_set_xcr`). */
function handleXsetbv(c: Context): ExitOutcome {
  const { cpu, vcpu } = c
  const value = (BigInt(low32(cpu.gpr(RDX))) << 32n) | BigInt(low32(cpu.gpr(RAX)))
  const supported = BigInt(lookupCpuid(vcpu.cpuid, 0xd, 0).eax)
  const [x87, sse, avx] = [XCR0.X87, XCR0.SSE, XCR0.AVX].map(position => (value & (1n << BigInt(position))) !== 0n)
  if (low32(cpu.gpr(RCX)) !== 0 || (value & ~supported) !== 0n || !x87 || (avx && !sse)) {
    queueGeneralProtection(c)
    return 'resume'
  }
  cpu.xsetbv(value)
  skipInstruction(c)
  return 'resume'
}

function handleExternalInterrupt(c: Context): ExitOutcome {
  c.vcpu.stats.irq_exits++
  takeHostInterrupt(c, Number(c.cpu.vmread('VM_EXIT_INTR_INFO')) & 0xff)
  return 'resume'
}

/** L1's deadline, unless the exit was asked for. */
function handlePreemptionTimer(c: Context): ExitOutcome {
  if (!c.vcpu.immediateExit) hvTimerExpired(c)
  return 'resume'
}

function handleHalt(c: Context): ExitOutcome {
  c.vcpu.stats.halt_exits++
  skipInstruction(c)
  return 'block'
}

/** MONITOR and MWAIT do nothing, whatever the guest's CPUID says (Linux `kvm_emulate_monitor_mwait` with its quirk). */
function handleMonitorMwait(c: Context): ExitOutcome {
  skipInstruction(c)
  return 'resume'
}

/** VMCALL: KVM knows no hypercall. */
const KVM_ENOSYS = 1000n

function handleVmcall(c: Context): ExitOutcome {
  c.vcpu.stats.hypercalls++
  c.cpu.setGpr(RAX, BigInt.asUintN(64, -KVM_ENOSYS))
  skipInstruction(c)
  return 'resume'
}

function handleEptViolation(c: Context): ExitOutcome {
  const { cpu, vcpu } = c
  const guestPhysical = Number(cpu.vmread('GUEST_PHYSICAL_ADDRESS'))
  vcpu.stats.pf_taken++
  const qualification = cpu.vmread('EXIT_QUALIFICATION')
  cpu.spend('kvmPageFault')
  if (hasNestedEpt(c)) return handleNestedViolation(c, guestPhysical, qualification)
  blockNmiAgain(c, qualification)
  trace(c, 'kvm_page_fault', { rip: cpu.vmread('GUEST_RIP'), gpa: BigInt(guestPhysical), error_code: qualification }, 'guest')
  if (isPageVirtualized(c) && guestPhysical - (guestPhysical % PAGE_SIZE) === APIC_DEFAULT_BASE) {
    mapHostPage(c, APIC_DEFAULT_BASE, c.vm.apicAccessPage)
    return 'resume'
  }
  return mapGuestPage(c, guestPhysical, (qualification & QUALIFICATION_WRITE) !== 0n) ? 'resume' : emulateAccess(c)
}

/** Of an EPT violation: the access was a write. */
const QUALIFICATION_WRITE = 2n
const APIC_OFFSET = 0xfffn

/** It virtualized the write of a register, and the rest is KVM's; the instruction is complete. */
function handleApicWrite(c: Context): ExitOutcome {
  c.cpu.spend('kvmEmulate')
  completeVirtualWrite(c, Number(c.cpu.vmread('EXIT_QUALIFICATION') & APIC_OFFSET))
  return 'resume'
}

/** L2's: through L1's EPT, which may not allow it. */
function handleNestedViolation(c: Context, guestPhysical: number, qualification: bigint): ExitOutcome {
  const fault = handleNestedEptViolation(c, guestPhysical, qualification)
  switch (fault.kind) {
    case 'mapped':
      return 'resume'
    case 'violation':
      return nestedVmexit(c, { reason: 'EXIT_REASON_EPT_VIOLATION', qualification: fault.qualification, reflected: true })
    case 'misconfiguration':
      return nestedVmexit(c, { reason: 'EXIT_REASON_EPT_MISCONFIG', reflected: true })
    case 'no-memory':
      return emulateAccess(c)
  }
}

/** Of an instruction; the delivery of an event is nothing that can be emulated (KVM_INTERNAL_ERROR_DELIVERY_EV). */
function emulateAccess(c: Context): ExitOutcome {
  if (c.vcpu.injected === null) return emulateInstruction(c)
  const event = c.vcpu.injected.information.toString(16)
  const address = c.cpu.vmread('GUEST_PHYSICAL_ADDRESS').toString(16)
  return internalError(c, `the delivery of event 0x${event} touched guest-physical address 0x${address}, where there is no memory`)
}

function internalError({ vcpu }: Context, why: string): ExitOutcome {
  vcpu.exit = { reason: 'KVM_EXIT_INTERNAL_ERROR', why }
  return 'user'
}

function handleTripleFault({ vcpu }: Context): ExitOutcome {
  vcpu.exit = { reason: 'KVM_EXIT_SHUTDOWN' }
  return 'user'
}

function handleInterruptWindow(c: Context): ExitOutcome {
  c.vcpu.stats.irq_window_exits++
  setControl(c, 'CPU_BASED_INTR_WINDOW_EXITING', false)
  return 'resume'
}

function handleNmiWindow(c: Context): ExitOutcome {
  c.vcpu.stats.nmi_window_exits++
  setControl(c, 'CPU_BASED_NMI_WINDOW_EXITING', false)
  return 'resume'
}

/** An EOI that the hardware virtualized and the bitmap asked to see: the vector is out of service already. */
function handleInducedEoi(c: Context): ExitOutcome {
  endedInterrupt(c, Number(c.cpu.vmread('EXIT_QUALIFICATION')) & 0xff)
  return 'resume'
}

/** With `nested=0` the guest has no VMX instructions. */
const vmx =
  (handler: ExitHandler): ExitHandler =>
  c => {
    if (c.kvm.parameters.nested) {
      c.cpu.spend('kvmEmulate')
      return handler(c)
    }
    queueUndefinedOpcode(c)
    return 'resume'
  }

const exitHandlers: Partial<Record<ExitReason, ExitHandler>> = {
  EXIT_REASON_EXTERNAL_INTERRUPT: handleExternalInterrupt,
  EXIT_REASON_TRIPLE_FAULT: handleTripleFault,
  EXIT_REASON_INTERRUPT_WINDOW: handleInterruptWindow,
  EXIT_REASON_CPUID: handleCpuid,
  EXIT_REASON_XSETBV: handleXsetbv,
  EXIT_REASON_HLT: handleHalt,
  EXIT_REASON_MWAIT_INSTRUCTION: handleMonitorMwait,
  EXIT_REASON_MONITOR_INSTRUCTION: handleMonitorMwait,
  EXIT_REASON_CR_ACCESS: handleControlAccess,
  EXIT_REASON_IO_INSTRUCTION: handleIo,
  EXIT_REASON_MSR_READ: handleRdmsr,
  EXIT_REASON_MSR_WRITE: handleWrmsr,
  EXIT_REASON_TPR_BELOW_THRESHOLD: () => 'resume',
  EXIT_REASON_EOI_INDUCED: handleInducedEoi,
  // What the CPU does not virtualize of the APIC's page is as any other device.
  EXIT_REASON_APIC_ACCESS: emulateInstruction,
  EXIT_REASON_APIC_WRITE: handleApicWrite,
  EXIT_REASON_EPT_VIOLATION: handleEptViolation,
  EXIT_REASON_PREEMPTION_TIMER: handlePreemptionTimer,
  EXIT_REASON_NMI_WINDOW: handleNmiWindow,
  EXIT_REASON_VMCALL: handleVmcall,
  EXIT_REASON_VMON: vmx(handleVmxon),
  EXIT_REASON_VMOFF: vmx(handleVmxoff),
  EXIT_REASON_VMCLEAR: vmx(handleVmclear),
  EXIT_REASON_VMPTRLD: vmx(handleVmptrld),
  EXIT_REASON_VMPTRST: vmx(handleVmptrst),
  EXIT_REASON_VMREAD: vmx(handleVmread),
  EXIT_REASON_VMWRITE: vmx(handleVmwrite),
  EXIT_REASON_VMLAUNCH: vmx(handleVmlaunch),
  EXIT_REASON_VMRESUME: vmx(handleVmresume),
  EXIT_REASON_INVEPT: vmx(handleInvept),
  EXIT_REASON_INVVPID: vmx(handleInvvpid),
}

export function handleExit(c: Context, reason: ExitReason): ExitOutcome {
  if (c.vcpu.nested.guestMode && isReflected(c, reason)) return reflect(c, reason)
  const handler = exitHandlers[reason]
  return handler ? handler(c) : internalError(c, `no handler for ${reason}`)
}

/** L1 gets the hardware's exit as it is. */
function reflect(c: Context, reason: ExitReason): ExitOutcome {
  const { cpu } = c
  if (reason === 'EXIT_REASON_MSR_READ' || reason === 'EXIT_REASON_MSR_WRITE')
    trace(c, 'nested_msr_exit', { write: reason === 'EXIT_REASON_MSR_WRITE' ? 1 : 0, index: low32(cpu.gpr(RCX)) }, 'guest')
  return nestedVmexit(c, {
    reason,
    qualification: cpu.vmread('EXIT_QUALIFICATION'),
    interruption: Number(cpu.vmread('VM_EXIT_INTR_INFO')),
    interruptionError: Number(cpu.vmread('VM_EXIT_INTR_ERROR_CODE')),
    reflected: true,
  })
}

/** Exits that re-enter the guest without a turn of the outer loop: a written deadline, and the preemption timer. */
export function isFastpath({ cpu, vcpu }: Context, reason: ExitReason): boolean {
  if (vcpu.nested.guestMode) return false
  if (reason === 'EXIT_REASON_PREEMPTION_TIMER') return true
  return reason === 'EXIT_REASON_MSR_WRITE' && low32(cpu.gpr(RCX)) === MSRS.MSR_IA32_TSC_DEADLINE.index
}
