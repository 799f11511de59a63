/** Events for the guest at VM entry (Linux `kvm_check_and_inject_events`): exceptions first, then interrupts. */

import { type Context, trace } from './context.ts'
import { apicRegister, deliverableVector, highestInService, highestRequest, isApicvActive, takeInterrupt } from './lapic.ts'
import { setControl } from './vmcs01.ts'

const VALID = 0x8000_0000
const TYPE_EXTERNAL = 0
const TYPE_EXCEPTION = 3
const HAS_ERROR_CODE = 1 << 11
const RFLAGS_IF = 1n << 9n
const BLOCKING_STI_OR_MOV_SS = 3n

/** An exception for the guest at the next entry. */
export function queueException({ vcpu }: Context, vector: number, errorCode: number | null = null): void {
  vcpu.exception = { vector, errorCode }
}

export const queueGeneralProtection = (c: Context): void => queueException(c, 13, 0)
export const queueUndefinedOpcode = (c: Context): void => queueException(c, 6)

/** What was being delivered when the guest exited is delivered again. */
export function recoverInterruptedDelivery(c: Context): void {
  const information = Number(c.cpu.vmread('IDT_VECTORING_INFO_FIELD'))
  if (information >>> 31 === 0) return
  const vector = information & 0xff
  const type = (information >>> 8) & 7
  if (type === TYPE_EXTERNAL) c.vcpu.injectedVector = vector
  else if (type === TYPE_EXCEPTION)
    c.vcpu.exception = { vector, errorCode: (information & HAS_ERROR_CODE) === 0 ? null : Number(c.cpu.vmread('IDT_VECTORING_ERROR_CODE')) }
  else {
    c.cpu.vmwrite('VM_ENTRY_INTR_INFO_FIELD', information & ~(1 << 12))
    c.cpu.vmwrite('VM_ENTRY_INSTRUCTION_LEN', c.cpu.vmread('VM_EXIT_INSTRUCTION_LEN'))
  }
}

/** Writes the event of the next entry, and what makes the guest exit when it can take the one that must wait. */
export function injectEvents(c: Context): void {
  const { cpu, vcpu } = c
  if (vcpu.exception !== null) {
    const { vector, errorCode } = vcpu.exception
    trace(c, 'kvm_inj_exception', { vector, error_code: errorCode ?? 0, reinjected: 0 })
    cpu.vmwrite('VM_ENTRY_INTR_INFO_FIELD', (vector | (TYPE_EXCEPTION << 8) | (errorCode === null ? 0 : HAS_ERROR_CODE) | VALID) >>> 0)
    if (errorCode !== null) cpu.vmwrite('VM_ENTRY_EXCEPTION_ERROR_CODE', errorCode)
    vcpu.exception = null
  } else if (vcpu.injectedVector >= 0) injectInterrupt(c, vcpu.injectedVector, true)
  if (isApicvActive(c)) syncVirtualInterrupts(c)
  else offerInterrupt(c)
}

/** With virtual-interrupt delivery the CPU delivers: RVI is the highest request, SVI the highest in service. */
function syncVirtualInterrupts(c: Context): void {
  const requested = Math.max(0, highestRequest(c))
  c.cpu.vmwrite('GUEST_INTR_STATUS', requested | (Math.max(0, highestInService(c)) << 8))
}

function offerInterrupt(c: Context): void {
  const { cpu } = c
  const busy = Number(cpu.vmread('VM_ENTRY_INTR_INFO_FIELD')) >>> 31 === 1
  const waiting = deliverableVector(c) >= 0
  if (waiting && !busy && isInterruptible(c)) injectInterrupt(c, takeInterrupt(c), false)
  setControl(c, 'CPU_BASED_INTR_WINDOW_EXITING', deliverableVector(c) >= 0)
  updateTprThreshold(c)
}

function injectInterrupt(c: Context, vector: number, reinjected: boolean): void {
  c.vcpu.injectedVector = -1
  trace(c, 'kvm_inj_virq', { vector, soft: 0, reinjected: reinjected ? 1 : 0 })
  c.cpu.vmwrite('VM_ENTRY_INTR_INFO_FIELD', (vector | (TYPE_EXTERNAL << 8) | VALID) >>> 0)
}

export const isInterruptible = ({ cpu }: Context): boolean =>
  (cpu.vmread('GUEST_RFLAGS') & RFLAGS_IF) !== 0n && (cpu.vmread('GUEST_INTERRUPTIBILITY_INFO') & BLOCKING_STI_OR_MOV_SS) === 0n

/** A request that the guest's TPR holds back: an exit when the TPR falls below its class. */
function updateTprThreshold(c: Context): void {
  const request = highestRequest(c)
  const tpr = apicRegister(c, 'APIC_TASKPRI')
  c.cpu.vmwrite('TPR_THRESHOLD', request < 0 || tpr >> 4 < request >> 4 ? 0 : Math.min(request, tpr) >> 4)
}

/** RIP goes past the instruction, and blocking by STI or MOV SS is over. */
export function skipInstruction({ cpu }: Context): void {
  cpu.vmwrite('GUEST_RIP', cpu.vmread('GUEST_RIP') + cpu.vmread('VM_EXIT_INSTRUCTION_LEN'))
  cpu.vmwrite('GUEST_INTERRUPTIBILITY_INFO', cpu.vmread('GUEST_INTERRUPTIBILITY_INFO') & ~3n)
}
