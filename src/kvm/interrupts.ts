/** Events for the guest at VM entry (Linux `kvm_check_and_inject_events`): what was interrupted, then exceptions, NMIs, interrupts. */

import { BLOCKING } from '../spec/vmcs-fields.ts'
import { type Context, trace } from './context.ts'
import { hasPicInterrupt, takePicInterrupt } from './irqchip.ts'
import { apicRegister, highestInService, highestRequest, isApicvActive } from './lapic.ts'
import { vmcs12Has } from './nested/vmcs12.ts'
import { acknowledgeInterrupt, hasInterrupt } from './pending-interrupt.ts'
import { hasControl, setControl } from './vmcs01.ts'

export const INTR_INFO_VALID = 0x8000_0000
export const INTR_TYPE = { external: 0, nmi: 2, exception: 3, software: 4, privileged: 5, softwareException: 6 } as const
export const HAS_ERROR_CODE = 1 << 11
/** Of VM exits, in interruption information or the qualification: an IRET was unblocking NMIs. */
const NMI_UNBLOCKING = 1 << 12
const NMI_VECTOR = 2
const RFLAGS_TF = 1n << 8n
const RFLAGS_IF = 1n << 9n
const DEBUG = 1
const DR6_BS = 1n << 14n
const EFER_LMA = 0x400n

export const interruptionType = (information: number): number => (information >>> 8) & 7
export const isInformationValid = (information: number): boolean => information >>> 31 === 1

/** An exception for the guest at the next entry. */
export function queueException({ vcpu }: Context, vector: number, errorCode: number | null = null, cr2 = 0n): void {
  vcpu.exception = { vector, errorCode, cr2 }
}

/** The guest steps through its instructions: RFLAGS.TF, as it was before this one. */
export const isSingleStep = ({ cpu }: Context): boolean => (cpu.vmread('GUEST_RFLAGS') & RFLAGS_TF) !== 0n

/** An instruction that KVM did for the guest is over (Linux `kvm_vcpu_do_singlestep`): the CPU, which did not execute it, will not trap. */
export const queueSingleStep = (c: Context): void => queueException(c, DEBUG, null, DR6_BS)

export const queueGeneralProtection = (c: Context): void => queueException(c, 13, 0)
export const queueUndefinedOpcode = (c: Context): void => queueException(c, 6)

/** What was being delivered when the guest exited is delivered again (Linux `vmx_complete_interrupts`). */
export function recoverInterruptedDelivery({ cpu, vcpu }: Context): void {
  const information = Number(cpu.vmread('IDT_VECTORING_INFO_FIELD'))
  vcpu.injected = null
  if (!isInformationValid(information)) return
  vcpu.injected = {
    information: (information & ~NMI_UNBLOCKING) >>> 0,
    errorCode: Number(cpu.vmread('IDT_VECTORING_ERROR_CODE')),
    instructionLength: Number(cpu.vmread('VM_EXIT_INSTRUCTION_LEN')),
  }
  // The NMI was not delivered, so it blocks no other.
  if (interruptionType(information) === INTR_TYPE.nmi)
    cpu.vmwrite('GUEST_INTERRUPTIBILITY_INFO', cpu.vmread('GUEST_INTERRUPTIBILITY_INFO') & ~BigInt(BLOCKING.nmi))
}

/**
 * After an EPT violation whose instruction runs again: an IRET that had unblocked NMIs has them blocked until then (Linux
 * `handle_ept_violation`). Where an event was being delivered the qualification does not tell.
 */
export function blockNmiAgain({ cpu, vcpu }: Context, qualification: bigint): void {
  if (vcpu.injected !== null || (qualification & BigInt(NMI_UNBLOCKING)) === 0n) return
  cpu.vmwrite('GUEST_INTERRUPTIBILITY_INFO', cpu.vmread('GUEST_INTERRUPTIBILITY_INFO') | BigInt(BLOCKING.nmi))
}

/** Writes the event of the next entry, and what makes the guest exit when it can take the one that must wait. */
export function injectEvents(c: Context): void {
  const { vcpu } = c
  const nmiWaits = vcpu.nmiPending && !vcpu.blockIrq
  // An emulated VM entry brings its own event.
  if (!vcpu.nested.runPending) {
    if (vcpu.injected !== null) reinject(c, vcpu.injected)
    else if (vcpu.exception !== null) injectException(c, vcpu.exception)
    else if (nmiWaits && isNmiOpen(c)) injectNmi(c)
  }
  setControl(c, 'CPU_BASED_NMI_WINDOW_EXITING', nmiWaits || (vcpu.nested.guestMode && vmcs12Has(c, 'CPU_BASED_NMI_WINDOW_EXITING')))
  if (isDeliveredByHardware(c)) {
    syncVirtualInterrupts(c)
    if (hasPicInterrupt(c) || isWindowAsked(c)) offer(c, hasPicInterrupt, takePicInterrupt)
  } else {
    offer(c, hasInterrupt, acknowledgeInterrupt)
    if (!vcpu.nested.guestMode) updateTprThreshold(c)
  }
}

/** Virtual-interrupt delivery works on the local APIC that KVM emulates: not while L2 runs. */
const isDeliveredByHardware = (c: Context): boolean => isApicvActive(c) && !c.vcpu.nested.guestMode

function reinject(c: Context, { information, errorCode, instructionLength }: NonNullable<Context['vcpu']['injected']>): void {
  const { cpu, vcpu } = c
  const type = interruptionType(information)
  if (type === INTR_TYPE.exception) trace(c, 'kvm_inj_exception', { vector: information & 0xff, error_code: errorCode, reinjected: 1 })
  else trace(c, 'kvm_inj_virq', { vector: information & 0xff, soft: type >= INTR_TYPE.software ? 1 : 0, reinjected: 1 })
  cpu.vmwrite('VM_ENTRY_INTR_INFO_FIELD', information)
  if ((information & HAS_ERROR_CODE) !== 0) cpu.vmwrite('VM_ENTRY_EXCEPTION_ERROR_CODE', errorCode)
  cpu.vmwrite('VM_ENTRY_INSTRUCTION_LEN', instructionLength)
  vcpu.injected = null
}

const PAGE_FAULT = 14

function injectException(c: Context, { vector, errorCode, cr2 }: NonNullable<Context['vcpu']['exception']>): void {
  const { cpu, vcpu } = c
  trace(c, 'kvm_inj_exception', { vector, error_code: errorCode ?? 0, reinjected: 0 })
  // Outside protected mode exceptions push no error code.
  const code = errorCode !== null && (vcpu.cr0 & 1n) !== 0n ? errorCode : null
  cpu.vmwrite(
    'VM_ENTRY_INTR_INFO_FIELD',
    (vector | (INTR_TYPE.exception << 8) | (code === null ? 0 : HAS_ERROR_CODE) | INTR_INFO_VALID) >>> 0,
  )
  if (code !== null) cpu.vmwrite('VM_ENTRY_EXCEPTION_ERROR_CODE', code)
  if (vector === PAGE_FAULT) cpu.setCr2(cr2)
  if (vector === DEBUG) recordDebug(c, cr2)
  vcpu.exception = null
}

const DR6_HITS = 0xfn
const DR7_GENERAL_DETECT = 1n << 13n

/** What the CPU leaves in the debug registers where it raises #DB itself; an injected one changes neither. */
function recordDebug({ cpu }: Context, cause: bigint): void {
  cpu.setDr(6, (cpu.dr(6) & ~DR6_HITS) | cause)
  cpu.vmwrite('GUEST_DR7', cpu.vmread('GUEST_DR7') & ~DR7_GENERAL_DETECT)
}

const isNmiOpen = ({ cpu }: Context): boolean =>
  (Number(cpu.vmread('GUEST_INTERRUPTIBILITY_INFO')) & (BLOCKING.sti | BLOCKING.movSs | BLOCKING.nmi)) === 0

function injectNmi({ cpu, vcpu }: Context): void {
  vcpu.nmiPending = false
  vcpu.stats.nmi_injections++
  cpu.vmwrite('VM_ENTRY_INTR_INFO_FIELD', (NMI_VECTOR | (INTR_TYPE.nmi << 8) | INTR_INFO_VALID) >>> 0)
}

const isWindowAsked = (c: Context): boolean => hasControl(c, 'CPU_BASED_INTR_WINDOW_EXITING')

/** With virtual-interrupt delivery the CPU delivers: RVI is the highest request, SVI the highest in service. */
function syncVirtualInterrupts(c: Context): void {
  const requested = Math.max(0, highestRequest(c))
  c.cpu.vmwrite('GUEST_INTR_STATUS', requested | (Math.max(0, highestInService(c)) << 8))
}

/** The interrupt that there is goes in now, or the guest exits when it can take it. */
function offer(c: Context, has: (c: Context) => boolean, take: (c: Context) => number): void {
  const { cpu, vcpu } = c
  const busy = isInformationValid(Number(cpu.vmread('VM_ENTRY_INTR_INFO_FIELD')))
  const offers = !exitsOnInterrupt(c) && !vcpu.blockIrq
  if (offers && has(c) && !busy && !vcpu.nested.runPending && isInterruptible(c)) injectInterrupt(c, take(c))
  const waits = offers && has(c)
  setControl(c, 'CPU_BASED_INTR_WINDOW_EXITING', waits || (vcpu.nested.guestMode && vmcs12Has(c, 'CPU_BASED_INTR_WINDOW_EXITING')))
}

/** L2 runs, and L1 wants its interrupts as VM exits: they are not for L2. */
export const exitsOnInterrupt = (c: Context): boolean => c.vcpu.nested.guestMode && vmcs12Has(c, 'PIN_BASED_EXT_INTR_MASK')

function injectInterrupt(c: Context, vector: number): void {
  c.vcpu.stats.irq_injections++
  trace(c, 'kvm_inj_virq', { vector, soft: 0, reinjected: 0 })
  c.cpu.vmwrite('VM_ENTRY_INTR_INFO_FIELD', (vector | (INTR_TYPE.external << 8) | INTR_INFO_VALID) >>> 0)
}

export const isInterruptible = ({ cpu }: Context): boolean =>
  (cpu.vmread('GUEST_RFLAGS') & RFLAGS_IF) !== 0n &&
  (Number(cpu.vmread('GUEST_INTERRUPTIBILITY_INFO')) & (BLOCKING.sti | BLOCKING.movSs)) === 0

/** A request that the guest's TPR holds back: an exit when the TPR falls below its class. */
function updateTprThreshold(c: Context): void {
  const request = highestRequest(c)
  const tpr = apicRegister(c, 'APIC_TASKPRI')
  c.cpu.vmwrite('TPR_THRESHOLD', request < 0 || tpr >> 4 < request >> 4 ? 0 : Math.min(request, tpr) >> 4)
}

/** RIP goes past the instruction, and blocking by STI or MOV SS is over (Linux `kvm_skip_emulated_instruction`). */
export function skipInstruction(c: Context): void {
  const { cpu } = c
  if (isSingleStep(c)) queueSingleStep(c)
  const next = cpu.vmread('GUEST_RIP') + cpu.vmread('VM_EXIT_INSTRUCTION_LEN')
  cpu.vmwrite('GUEST_RIP', (c.vcpu.efer & EFER_LMA) === 0n ? next & 0xffff_ffffn : next)
  cpu.vmwrite('GUEST_INTERRUPTIBILITY_INFO', cpu.vmread('GUEST_INTERRUPTIBILITY_INFO') & ~BigInt(BLOCKING.sti | BLOCKING.movSs))
}
