/** L1's VMREAD and VMWRITE (Linux `handle_vmread`, `handle_vmwrite`), and which fields its processor has. */

import { bitField, high32 } from '../../base/u64.ts'
import { groupOf, isHighHalf, VMCS_FIELDS, type VmcsFieldName, widthOf } from '../../spec/vmcs-fields.ts'
import type { Context } from '../context.ts'
import { hasDefect } from '../defects.ts'
import type { ExitOutcome } from '../exit-reason.ts'
import { offersGuestTimer, offersTertiary } from './capabilities.ts'
import { checkPermission } from './instructions.ts'
import {
  firstRegister,
  isLongMode,
  isRegisterForm,
  readMemoryOperand,
  readRegister,
  secondRegister,
  writeMemoryOperand,
  writeRegister,
} from './operands.ts'
import { collectShadowVmcs, isReadOnlyShadowField } from './shadow-vmcs.ts'
import { isRareField, syncVmcs02ToVmcs12Rare } from './sync.ts'
import { readVmcs12, vmcs12FieldOf, writeVmcs12 } from './vmcs12.ts'
import { fail, failInvalid, succeed } from './vmx-outcome.ts'

const TIMER_FIELDS: ReadonlySet<VmcsFieldName> = new Set(['GUEST_APIC_TIMER_VECTOR', 'GUEST_DEADLINE_PHY', 'GUEST_DEADLINE_VIR'])
const DEADLINES: ReadonlySet<VmcsFieldName> = new Set(['GUEST_DEADLINE_PHY', 'GUEST_DEADLINE_VIR'])

const MISC_VMWRITE_ANY = 29

/** The field that an encoding names, if this vCPU's processor has it. */
export function supportedField({ vcpu }: Context, encoding: bigint): VmcsFieldName | undefined {
  const name = vmcs12FieldOf(encoding)
  if (name === undefined) return undefined
  if (name === 'TERTIARY_VM_EXEC_CONTROL') return offersTertiary(vcpu.nested.msrs) ? name : undefined
  return !TIMER_FIELDS.has(name) || offersGuestTimer(vcpu.nested.msrs) ? name : undefined
}

/** Whether software may write a field: those of exit information only where IA32_VMX_MISC says so. */
const isWritable = ({ vcpu }: Context, name: VmcsFieldName): boolean =>
  groupOf(VMCS_FIELDS[name].encoding) !== 'exit-information' || bitField(vcpu.nested.msrs[0x485]!, MISC_VMWRITE_ANY, 1) === 1

export function handleVmread(c: Context): ExitOutcome {
  if (!checkPermission(c)) return 'resume'
  if (c.vcpu.nested.currentVmptr < 0) return failInvalid(c)
  const long = isLongMode(c)
  const register = readRegister(c, secondRegister(c))
  const encoding = long ? register : register & 0xffff_ffffn
  const name = supportedField(c, encoding)
  if (name === undefined) return fail(c, 'VMXERR_UNSUPPORTED_VMCS_COMPONENT')
  if (isRareField(name) && !(isHighHalf(Number(encoding)) && hasDefect(c, 'stale-high-half'))) syncVmcs02ToVmcs12Rare(c)
  const whole = readVmcs12(c, name)
  const half = isHighHalf(Number(encoding)) ? BigInt(high32(whole)) : whole
  const value = long ? half : half & 0xffff_ffffn
  if (isRegisterForm(c)) writeRegister(c, firstRegister(c), value)
  else if (!writeMemoryOperand(c, value, long ? 8 : 4)) return 'resume'
  return succeed(c)
}

export function handleVmwrite(c: Context): ExitOutcome {
  if (!checkPermission(c)) return 'resume'
  const { nested } = c.vcpu
  if (nested.currentVmptr < 0) return failInvalid(c)
  const long = isLongMode(c)
  const source = isRegisterForm(c) ? readRegister(c, firstRegister(c)) : readMemoryOperand(c, long ? 8 : 4)
  if (source === null) return 'resume'
  const value = long ? source : source & 0xffff_ffffn
  const register = readRegister(c, secondRegister(c))
  const encoding = long ? register : register & 0xffff_ffffn
  const name = supportedField(c, encoding)
  if (name === undefined) return fail(c, 'VMXERR_UNSUPPORTED_VMCS_COMPONENT')
  if (!isWritable(c, name)) return fail(c, 'VMXERR_VMWRITE_READ_ONLY_VMCS_COMPONENT')
  if (isRareField(name)) syncVmcs02ToVmcs12Rare(c)
  if (isReadOnlyShadowField(name)) collectShadowVmcs(c)
  writeVmcs12(c, name, writtenValue(c, name, Number(encoding), value))
  if (DEADLINES.has(name)) nested.guestTimerDirty = true
  return succeed(c)
}

/** A high half leaves the low one; a narrow field takes the low bits. */
function writtenValue(c: Context, name: VmcsFieldName, encoding: number, value: bigint): bigint {
  if (isHighHalf(encoding)) return (readVmcs12(c, name) & 0xffff_ffffn) | ((value & 0xffff_ffffn) << 32n)
  const width = widthOf(encoding)
  return width === 16 ? value & 0xffffn : width === 32 ? value & 0xffff_ffffn : value
}
