/** L1's VMLAUNCH and VMRESUME (Linux `nested_vmx_run`, `nested_vmx_enter_non_root_mode`). */

import { bit } from '../../base/bits.ts'
import { EFER } from '../../spec/cr-bits.ts'
import { MSRS } from '../../spec/msrs.ts'
import { BLOCKING } from '../../spec/vmcs-fields.ts'
import { CONTROL_CHECKS } from '../../spec/vmx-entry/control-checks.ts'
import { type EntryState, entryStateOf, firstBroken } from '../../spec/vmx-entry/entry-check.ts'
import { GUEST_CHECKS, HOST_CHECKS } from '../../spec/vmx-entry/state-checks.ts'
import { VMX_INSTRUCTION_ERRORS } from '../../spec/vmx-instruction-errors.ts'
import { type Context, trace } from '../context.ts'
import { lookupCpuid } from '../cpuid.ts'
import type { ExitOutcome } from '../exit-reason.ts'
import { readPhysical32, readPhysical64 } from '../guest-memory.ts'
import { afterNestedEntry, beforeNestedEntry } from '../lapic-timer.ts'
import { readVmxMsr } from './capabilities.ts'
import { checkPermission } from './instructions.ts'
import { loadMsrArea } from './msr-areas.ts'
import { startPreemptionTimer } from './preemption-timer.ts'
import { collectShadowVmcs } from './shadow-vmcs.ts'
import { syncVmcs02ToVmcs12Rare } from './sync.ts'
import { prepareVmcs02, readVmcs01State } from './vmcs02.ts'
import { isVmcs12Launched, readVmcs12, readVmcs12Number, VMCS12_OFFSETS, vmcs12Has } from './vmcs12.ts'
import { failNestedEntry } from './vmexit.ts'
import { fail, failInvalid, type VmxError } from './vmx-outcome.ts'

/** vmcs12 under the processor's own checks; fields that it does not have read as 0. */
export const checkedVmcs12 = (c: Context): EntryState =>
  entryStateOf({
    get: name => (VMCS12_OFFSETS.has(name) ? readVmcs12(c, name) : 0n),
    capability: name => readVmxMsr(c.vcpu.nested.msrs, MSRS[name].index) ?? 0n,
    read32: address => readPhysical32(c, address),
    read64: address => readPhysical64(c, address),
    pointer: BigInt(c.vcpu.nested.currentVmptr),
    linearBits: hasLa57(c) ? 57 : 48,
    isLongMode: () => (c.vcpu.efer & LMA) !== 0n,
  })

const LMA = 1n << BigInt(EFER.LMA)
const LA57_IN_ECX = 16

/** Whether L1's CPUID tells of 57-bit linear addresses. */
const hasLa57 = ({ vcpu }: Context): boolean => bit(lookupCpuid(vcpu.cpuid, 7, 0).ecx, LA57_IN_ECX)

function refuse(c: Context, error: VmxError, rule: string): ExitOutcome {
  trace(c, 'kvm_nested_vmenter_failed', { msg: rule, err: VMX_INSTRUCTION_ERRORS[error].number }, 'guest')
  return fail(c, error)
}

export const handleVmlaunch = (c: Context): ExitOutcome => nestedVmxRun(c, true)
export const handleVmresume = (c: Context): ExitOutcome => nestedVmxRun(c, false)

function nestedVmxRun(c: Context, launch: boolean): ExitOutcome {
  if (!checkPermission(c)) return 'resume'
  const { cpu, vcpu } = c
  if (vcpu.nested.currentVmptr < 0) return failInvalid(c)
  if ((Number(cpu.vmread('GUEST_INTERRUPTIBILITY_INFO')) & BLOCKING.movSs) !== 0) return fail(c, 'VMXERR_ENTRY_EVENTS_BLOCKED_BY_MOV_SS')
  if (launch && isVmcs12Launched(c)) return fail(c, 'VMXERR_VMLAUNCH_NONCLEAR_VMCS')
  if (!launch && !isVmcs12Launched(c)) return fail(c, 'VMXERR_VMRESUME_NONLAUNCHED_VMCS')
  syncVmcs02ToVmcs12Rare(c)
  collectShadowVmcs(c)
  const state = checkedVmcs12(c)
  const badControl = firstBroken(CONTROL_CHECKS, state)
  if (badControl !== null) return refuse(c, 'VMXERR_ENTRY_INVALID_CONTROL_FIELD', badControl.rule)
  const badHost = firstBroken(HOST_CHECKS, state)
  if (badHost !== null) return refuse(c, 'VMXERR_ENTRY_INVALID_HOST_STATE_FIELD', badHost.rule)
  return enterNonRootMode(c, state)
}

function enterNonRootMode(c: Context, state: EntryState): ExitOutcome {
  const { cpu, vcpu } = c
  cpu.spend('kvmNestedEntry')
  const badGuest = firstBroken(GUEST_CHECKS, state)
  if (badGuest !== null) {
    trace(c, 'kvm_nested_vmenter_failed', { msg: badGuest.rule, err: 0 }, 'guest')
    return failNestedEntry(c, 'EXIT_REASON_INVALID_STATE', BigInt(badGuest.qualification ?? 0))
  }
  trace(
    c,
    'kvm_nested_vmenter',
    {
      rip: cpu.vmread('GUEST_RIP'),
      vmcs: BigInt(vcpu.nested.currentVmptr),
      nested_rip: readVmcs12(c, 'GUEST_RIP'),
      event_inj: readVmcs12Number(c, 'VM_ENTRY_INTR_INFO_FIELD'),
      ept: vmcs12Has(c, 'SECONDARY_EXEC_ENABLE_EPT') ? 1 : 0,
    },
    'guest',
  )
  enterGuestMode(c, true)
  const badMsr = loadMsrArea(c, readVmcs12Number(c, 'VM_ENTRY_MSR_LOAD_ADDR'), readVmcs12Number(c, 'VM_ENTRY_MSR_LOAD_COUNT'))
  if (badMsr !== 0) return failNestedEntry(c, 'EXIT_REASON_MSR_LOAD_FAIL', BigInt(badMsr))
  startPreemptionTimer(c)
  afterNestedEntry(c)
  vcpu.stats.nested_run++
  vcpu.nested.runPending = true
  return isHalted(c) ? halt(c) : 'resume'
}

/** vmcs02 becomes current, merged from vmcs12 and L1's state, at L1's VM entry or where user space restores a running L2. */
export function enterGuestMode(c: Context, isEntry: boolean): void {
  const { cpu, vcpu } = c
  const { nested } = vcpu
  nested.vmcs01Dr7 = cpu.vmread('GUEST_DR7')
  nested.vmcs01DebugCtl = cpu.vmread('GUEST_IA32_DEBUGCTL')
  const ofL1 = readVmcs01State(c)
  beforeNestedEntry(c)
  nested.guestMode = true
  cpu.vmptrld(nested.vmcs02)
  prepareVmcs02(c, ofL1, isEntry)
}

const HLT = 1
const RFLAGS_IF = 1n << 9n

/** L2 is entered halted, and nothing that the entry brings wakes it. */
function isHalted(c: Context): boolean {
  if (readVmcs12Number(c, 'GUEST_ACTIVITY_STATE') !== HLT) return false
  const injects = readVmcs12Number(c, 'VM_ENTRY_INTR_INFO_FIELD') >>> 31 === 1
  const opensWindow = vmcs12Has(c, 'CPU_BASED_INTR_WINDOW_EXITING') && (readVmcs12(c, 'GUEST_RFLAGS') & RFLAGS_IF) !== 0n
  return !injects && !opensWindow && !vmcs12Has(c, 'CPU_BASED_NMI_WINDOW_EXITING')
}

function halt({ vcpu }: Context): ExitOutcome {
  vcpu.nested.runPending = false
  vcpu.nested.halted = true
  return 'block'
}
