/**
 * L1's VMX instructions other than VM entries and field accesses (Linux `handle_vmxon` and its like in `nested.c`). Each is a row of
 * the exit table; the checks stand in the SDM's order.
 */

import { shiftRight } from '../../base/u64.ts'
import { PAGE_SIZE } from '../../base/units.ts'
import { isCanonical, PHYSICAL_ADDRESS_BITS } from '../../spec/address-width.ts'
import { CR4 } from '../../spec/cr-bits.ts'
import { MSRS } from '../../spec/msrs.ts'
import { eptPointerFits } from '../../spec/vmx-entry/execution-checks.ts'
import type { Context } from '../context.ts'
import { readCr0, readCr4 } from '../control-registers.ts'
import { hasFeature } from '../cpuid.ts'
import type { ExitOutcome } from '../exit-reason.ts'
import { readPhysical32, readPhysical64, writePhysical32, writePhysical64 } from '../guest-memory.ts'
import { queueGeneralProtection, queueUndefinedOpcode } from '../interrupts.ts'
import { zapShadowEpt } from './ept.ts'
import { isCr0Valid, isCr4Valid } from './fixed-bits.ts'
import { isLongMode, readMemoryOperand, readRegister, secondRegister, writeMemoryOperand } from './operands.ts'
import { collectShadowVmcs, disableShadowVmcs, enableShadowVmcs } from './shadow-vmcs.ts'
import { syncVmcs02ToVmcs12Rare } from './sync.ts'
import { VMCS12_LAUNCH_STATE, VMCS12_REVISION, VMCS12_SIZE } from './vmcs12.ts'
import { fail, failInvalid, succeed } from './vmx-outcome.ts'

const FEATURE_CONTROL_VMXON = 5n
const SS_DPL_SHIFT = 5

const isRingZero = ({ cpu }: Context): boolean => ((Number(cpu.vmread('GUEST_SS_AR_BYTES')) >> SS_DPL_SHIFT) & 3) === 0

/** #UD outside VMX operation, #GP outside ring 0: true when neither was queued (Linux `nested_vmx_check_permission`). */
export function checkPermission(c: Context): boolean {
  if (!c.vcpu.nested.vmxon) queueUndefinedOpcode(c)
  else if (!isRingZero(c)) queueGeneralProtection(c)
  else return true
  return false
}

const isPhysicalPage = (address: bigint): boolean => address % BigInt(PAGE_SIZE) === 0n && address < 1n << BigInt(PHYSICAL_ADDRESS_BITS)

export function handleVmxon(c: Context): ExitOutcome {
  const { vcpu } = c
  const { nested } = vcpu
  if (!hasFeature(vcpu.cpuid, 'vmx') || (readCr4(c) & (1n << BigInt(CR4.VMXE))) === 0n) {
    queueUndefinedOpcode(c)
    return 'resume'
  }
  if (!isRingZero(c)) {
    queueGeneralProtection(c)
    return 'resume'
  }
  if (nested.vmxon) return fail(c, 'VMXERR_VMXON_IN_VMX_ROOT_OPERATION')
  const permitted = (vcpu.featureControl & FEATURE_CONTROL_VMXON) === FEATURE_CONTROL_VMXON
  if (!permitted || !isCr0Valid(c, readCr0(c)) || !isCr4Valid(c, readCr4(c))) {
    queueGeneralProtection(c)
    return 'resume'
  }
  const pointer = readMemoryOperand(c, 8)
  if (pointer === null) return 'resume'
  if (!isPhysicalPage(pointer) || readPhysical32(c, Number(pointer)) !== VMCS12_REVISION) return failInvalid(c)
  nested.vmxon = true
  nested.vmxonPtr = Number(pointer)
  nested.currentVmptr = -1
  return succeed(c)
}

export function handleVmxoff(c: Context): ExitOutcome {
  if (!checkPermission(c)) return 'resume'
  leaveVmxOperation(c)
  return succeed(c)
}

/** Linux `free_nested`. */
export function leaveVmxOperation(c: Context): void {
  const { nested } = c.vcpu
  releaseVmcs12(c)
  nested.vmxon = false
  nested.vmxonPtr = -1
  zapShadowEpt(c)
}

/** The current VMCS goes back to L1's memory and stops being current (Linux `nested_release_vmcs12`). */
export function releaseVmcs12(c: Context): void {
  const { nested } = c.vcpu
  if (nested.currentVmptr < 0) return
  flushVmcs12(c)
  disableShadowVmcs(c)
  nested.currentVmptr = -1
}

/** L1's page gets what KVM's copy holds. */
export function flushVmcs12(c: Context): void {
  const { cpu, vcpu } = c
  const { nested } = vcpu
  syncVmcs02ToVmcs12Rare(c)
  collectShadowVmcs(c)
  for (let at = 0; at < VMCS12_SIZE; at += 8) writePhysical64(c, nested.currentVmptr + at, cpu.memory.read64(nested.vmcs12 + at))
}

/** Makes an address the current VMCS: its page is copied (Linux `set_current_vmptr`). */
export function setCurrentVmcs(c: Context, pointer: number): void {
  const { cpu, vcpu } = c
  const { nested } = vcpu
  for (let at = 0; at < VMCS12_SIZE; at += 8) cpu.memory.write64(nested.vmcs12 + at, readPhysical64(c, pointer + at))
  nested.currentVmptr = pointer
  nested.guestTimerDirty = true
  nested.needSyncRare = false
  enableShadowVmcs(c)
}

export function handleVmclear(c: Context): ExitOutcome {
  if (!checkPermission(c)) return 'resume'
  const { nested } = c.vcpu
  const pointer = readMemoryOperand(c, 8)
  if (pointer === null) return 'resume'
  if (!isPhysicalPage(pointer)) return fail(c, 'VMXERR_VMCLEAR_INVALID_ADDRESS')
  if (Number(pointer) === nested.vmxonPtr) return fail(c, 'VMXERR_VMCLEAR_VMXON_POINTER')
  if (Number(pointer) === nested.currentVmptr) releaseVmcs12(c)
  writePhysical32(c, Number(pointer) + VMCS12_LAUNCH_STATE, 0)
  return succeed(c)
}

export function handleVmptrld(c: Context): ExitOutcome {
  if (!checkPermission(c)) return 'resume'
  const { nested } = c.vcpu
  const pointer = readMemoryOperand(c, 8)
  if (pointer === null) return 'resume'
  if (!isPhysicalPage(pointer)) return fail(c, 'VMXERR_VMPTRLD_INVALID_ADDRESS')
  if (Number(pointer) === nested.vmxonPtr) return fail(c, 'VMXERR_VMPTRLD_VMXON_POINTER')
  if (Number(pointer) === nested.currentVmptr) return succeed(c)
  if (readPhysical32(c, Number(pointer)) !== VMCS12_REVISION) return fail(c, 'VMXERR_VMPTRLD_INCORRECT_VMCS_REVISION_ID')
  releaseVmcs12(c)
  setCurrentVmcs(c, Number(pointer))
  return succeed(c)
}

export function handleVmptrst(c: Context): ExitOutcome {
  if (!checkPermission(c)) return 'resume'
  const { currentVmptr } = c.vcpu.nested
  const pointer = currentVmptr < 0 ? 0xffff_ffff_ffff_ffffn : BigInt(currentVmptr)
  return writeMemoryOperand(c, pointer, 8) ? succeed(c) : 'resume'
}

const INVEPT_SINGLE = 1n
const INVEPT_GLOBAL = 2n
const INVVPID_TYPES = 4n
const INVVPID_ADDRESS = 0n
const INVVPID_GLOBAL = 2n

/** Whether a type of invalidation is among those that IA32_VMX_EPT_VPID_CAP reports from bit `first` on. */
const isOffered = ({ vcpu }: Context, first: number, type: bigint): boolean =>
  type < 8n && (shiftRight(vcpu.nested.msrs[MSRS.MSR_IA32_VMX_EPT_VPID_CAP.index]!, first + Number(type)) & 1n) === 1n

const typeOperand = (c: Context): bigint => {
  const value = readRegister(c, secondRegister(c))
  return isLongMode(c) ? value : value & 0xffff_ffffn
}

export function handleInvept(c: Context): ExitOutcome {
  if (!checkPermission(c)) return 'resume'
  const type = typeOperand(c)
  const descriptor = readMemoryOperand(c, 16)
  if (descriptor === null) return 'resume'
  const capability = c.vcpu.nested.msrs[MSRS.MSR_IA32_VMX_EPT_VPID_CAP.index]!
  const isContext = type === INVEPT_SINGLE && eptPointerFits(descriptor & 0xffff_ffff_ffff_ffffn, capability)
  if (!(isContext || type === INVEPT_GLOBAL) || !isOffered(c, 24, type)) return fail(c, 'VMXERR_INVALID_OPERAND_TO_INVEPT_INVVPID')
  zapShadowEpt(c)
  return succeed(c)
}

export function handleInvvpid(c: Context): ExitOutcome {
  if (!checkPermission(c)) return 'resume'
  const type = typeOperand(c)
  const descriptor = readMemoryOperand(c, 16)
  if (descriptor === null) return 'resume'
  const vpid = descriptor & 0xffffn
  const reserved = shiftRight(descriptor & 0xffff_ffff_ffff_ffffn, 16)
  const address = descriptor / 2n ** 64n
  const valid =
    type < INVVPID_TYPES &&
    isOffered(c, 40, type) &&
    reserved === 0n &&
    (type === INVVPID_GLOBAL || vpid !== 0n) &&
    (type !== INVVPID_ADDRESS || isCanonical(address))
  return valid ? succeed(c) : fail(c, 'VMXERR_INVALID_OPERAND_TO_INVEPT_INVVPID')
}
