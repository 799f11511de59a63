/** An exit from L2 to L1 (Linux `nested_vmx_vmexit`): vmcs12 is told why, vmcs01 becomes current, L1 goes on at its host state. */

import { EXIT_REASON_FAILED_VMENTRY, EXIT_REASONS, type ExitReason } from '../../spec/exit-reasons.ts'
import type { VmcsFieldName } from '../../spec/vmcs-fields.ts'
import { type Context, trace } from '../context.ts'
import type { ExitOutcome } from '../exit-reason.ts'
import { writePhysical32 } from '../guest-memory.ts'
import { HAS_ERROR_CODE, INTR_TYPE, interruptionType, isInformationValid } from '../interrupts.ts'
import { afterNestedExit } from '../lapic-timer.ts'
import { writeTscControls } from '../tsc.ts'
import { updateApicVirtualization } from '../vmcs01.ts'
import { loadHostState } from './host-state.ts'
import { storeMsrArea } from './msr-areas.ts'
import { stopPreemptionTimer } from './preemption-timer.ts'
import { syncVmcs02ToVmcs12 } from './sync.ts'
import { readVmcs12, readVmcs12Number, setVmcs12Launched, VMCS12_ABORT, vmcs12Has, writeVmcs12 } from './vmcs12.ts'

/** VMX-abort indicators (Intel SDM, "VMX Aborts"). */
const ABORT = { storingMsrs: 1, loadingMsrs: 4 } as const

export interface NestedExit {
  readonly reason: ExitReason
  readonly qualification?: bigint
  readonly interruption?: number
  readonly interruptionError?: number
  /** The hardware's own exit is passed on: length, instruction information and addresses are those of vmcs02. */
  readonly reflected?: boolean
}

const VALID = 0x8000_0000n

export function nestedVmexit(c: Context, exit: NestedExit): ExitOutcome {
  const { cpu } = c
  trace(
    c,
    'kvm_nested_vmexit_inject',
    {
      exit_code: EXIT_REASONS[exit.reason],
      exit_info1: exit.qualification ?? 0n,
      exit_int_info: exit.interruption ?? 0,
      exit_int_info_err: exit.interruptionError ?? 0,
    },
    'guest',
  )
  cpu.spend('kvmNestedExit')
  syncVmcs02ToVmcs12(c)
  stopPreemptionTimer(c)
  recordExit(c, exit)
  const isStored = storeMsrArea(c, readVmcs12Number(c, 'VM_EXIT_MSR_STORE_ADDR'), readVmcs12Number(c, 'VM_EXIT_MSR_STORE_COUNT'))
  const pat = cpu.vmread('GUEST_IA32_PAT')
  leaveGuestMode(c)
  if (!isStored) return abort(c, ABORT.storingMsrs)
  cpu.vmwrite('GUEST_IA32_PAT', pat)
  return resumeL1(c, interruptionType(exit.interruption ?? 0) === INTR_TYPE.nmi && isInformationValid(exit.interruption ?? 0))
}

const LINEAR_ADDRESS_IF: Partial<Record<ExitReason, bigint>> = {
  EXIT_REASON_EPT_VIOLATION: 1n << 7n, // it is valid
  EXIT_REASON_IO_INSTRUCTION: 1n << 4n, // INS or OUTS
  EXIT_REASON_CR_ACCESS: 1n << 6n, // LMSW of memory
}

/** By a bit of the qualification. Any other exit leaves the field as it was; in vmcs02 an exit that was not L1's may have written it. */
const namesLinearAddress = (reason: ExitReason, qualification: bigint): boolean =>
  (qualification & (LINEAR_ADDRESS_IF[reason] ?? 0n)) !== 0n

function recordExit(c: Context, { reason, qualification, interruption, interruptionError, reflected }: NestedExit): void {
  const { cpu, vcpu } = c
  const put = (name: VmcsFieldName, value: bigint | number): void => writeVmcs12(c, name, value)
  const passOn = (name: VmcsFieldName): void => put(name, reflected ? cpu.vmread(name) : 0n)
  setVmcs12Launched(c, true)
  put('VM_EXIT_REASON', EXIT_REASONS[reason])
  put('EXIT_QUALIFICATION', qualification ?? 0n)
  put('VM_EXIT_INTR_INFO', interruption ?? 0)
  put('VM_EXIT_INTR_ERROR_CODE', interruptionError ?? 0)
  const vectoring = vcpu.injected
  put('IDT_VECTORING_INFO_FIELD', vectoring?.information ?? 0)
  put('IDT_VECTORING_ERROR_CODE', vectoring !== null && (vectoring.information & HAS_ERROR_CODE) !== 0 ? vectoring.errorCode : 0)
  passOn('VM_EXIT_INSTRUCTION_LEN')
  passOn('VMX_INSTRUCTION_INFO')
  if (reflected) {
    if (namesLinearAddress(reason, qualification ?? 0n)) put('GUEST_LINEAR_ADDRESS', cpu.vmread('GUEST_LINEAR_ADDRESS'))
    if (reason === 'EXIT_REASON_EPT_VIOLATION' || reason === 'EXIT_REASON_EPT_MISCONFIG')
      put('GUEST_PHYSICAL_ADDRESS', cpu.vmread('GUEST_PHYSICAL_ADDRESS'))
  }
  // An exit makes the injected event a thing of the past.
  put('VM_ENTRY_INTR_INFO_FIELD', readVmcs12(c, 'VM_ENTRY_INTR_INFO_FIELD') & ~VALID)
}

function leaveGuestMode({ cpu, vcpu }: Context): void {
  vcpu.injected = null
  vcpu.exception = null
  vcpu.nested.guestMode = false
  vcpu.nested.runPending = false
  vcpu.nested.halted = false
  cpu.vmptrld(vcpu.vmcs01)
}

function resumeL1(c: Context, blocksNmi: boolean): ExitOutcome {
  const isLoaded = loadHostState(c, blocksNmi)
  writeTscControls(c)
  if (c.vcpu.nested.updateVmcs01Apic) updateApicVirtualization(c)
  afterNestedExit(c)
  return isLoaded ? 'resume' : abort(c, ABORT.loadingMsrs)
}

/** The exit cannot be completed: L1's processor shuts down, the indicator goes into its VMCS region. */
function abort(c: Context, indicator: number): ExitOutcome {
  writePhysical32(c, c.vcpu.nested.currentVmptr + VMCS12_ABORT, indicator)
  c.vcpu.exit = { reason: 'KVM_EXIT_SHUTDOWN' }
  return 'user'
}

/** VMLAUNCH or VMRESUME failed after the checks of controls and host state: an exit that saves nothing. */
export function failNestedEntry(
  c: Context,
  reason: 'EXIT_REASON_INVALID_STATE' | 'EXIT_REASON_MSR_LOAD_FAIL',
  qualification: bigint,
): ExitOutcome {
  writeVmcs12(c, 'VM_EXIT_REASON', (EXIT_REASONS[reason] | EXIT_REASON_FAILED_VMENTRY) >>> 0)
  writeVmcs12(c, 'EXIT_QUALIFICATION', qualification)
  if (c.vcpu.nested.guestMode) leaveGuestMode(c)
  return resumeL1(c, false)
}

/** Whether vmcs12 acknowledges an interrupt on exit. */
export const acknowledgesOnExit = (c: Context): boolean => vmcs12Has(c, 'VM_EXIT_ACK_INTR_ON_EXIT')
