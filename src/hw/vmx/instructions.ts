/**
 * The VMX instructions as functions of their operands (Intel SDM, "VMX Instruction Reference"). The decoded instructions and the
 * door for KVM both call these.
 */

import { shiftRight } from '../../base/u64.ts'
import { PAGE_SIZE } from '../../base/units.ts'
import { isCanonical, PHYSICAL_ADDRESS_BITS, widestLinear } from '../../spec/address-width.ts'
import { CR4 } from '../../spec/cr-bits.ts'
import { MSRS } from '../../spec/msrs.ts'
import { hasField } from '../../spec/vmcs-field-controls.ts'
import { VMCS_FIELDS, type VmcsFieldName, vmcsFieldOf } from '../../spec/vmcs-fields.ts'
import { allowedOneBit } from '../../spec/vmx-controls.ts'
import { eptPointerFits } from '../../spec/vmx-entry/execution-checks.ts'
import { VMX_INSTRUCTION_ERRORS as ERROR } from '../../spec/vmx-instruction-errors.ts'
import type { Engine } from '../cpu/engine.ts'
import { generalProtection, undefinedOpcode } from '../cpu/faults.ts'
import { cplOf } from '../cpu/registers.ts'
import { fail, SUCCEEDED, type VmxOutcome } from './outcome.ts'
import { isShadowHeader, readEncoding, revisionOf, setLaunched, writeEncoding } from './vmcs.ts'

/** #UD outside VMX operation, #GP outside ring 0: what every VMX instruction but VMXON checks first. */
export function requireVmxOperation(engine: Engine): void {
  if (engine.cpu.vmx.mode === 'off') throw undefinedOpcode()
  if (cplOf(engine.cpu) !== 0) throw generalProtection()
}

const isPhysicalPage = (address: bigint): boolean => address % BigInt(PAGE_SIZE) === 0n && address >> BigInt(PHYSICAL_ADDRESS_BITS) === 0n

/** The VMCS revision identifier that this processor's IA32_VMX_BASIC names. */
const ownRevision = ({ machine }: Engine): number => Number(machine.config.vmxMsrs[MSRS.MSR_IA32_VMX_BASIC.index]! & 0x7fff_ffffn)

export function vmxon(engine: Engine, address: bigint): VmxOutcome {
  const { cpu, registers, memory, machine } = engine
  const { vmx } = cpu
  if ((registers.cr[4]! & (1n << BigInt(CR4.VMXE))) === 0n) throw undefinedOpcode()
  if (cplOf(cpu) !== 0) throw generalProtection()
  if (vmx.mode !== 'off') return fail(engine, ERROR.VMXERR_VMXON_IN_VMX_ROOT_OPERATION.number)
  const fixed0 = machine.config.vmxMsrs[MSRS.MSR_IA32_VMX_CR0_FIXED0.index]!
  const permitted = (cpu.msrs[MSRS.MSR_IA32_FEAT_CTL.index]! & 5n) === 5n
  if ((registers.cr[0]! & fixed0) !== fixed0 || !permitted) throw generalProtection()
  if (!isPhysicalPage(address) || memory.read32(Number(address)) !== ownRevision(engine)) return { kind: 'invalid' }
  vmx.mode = 'root'
  vmx.vmxonRegion = Number(address)
  vmx.currentVmcs = -1
  return SUCCEEDED
}

export function vmxoff(engine: Engine): VmxOutcome {
  const { vmx } = engine.cpu
  vmx.mode = 'off'
  vmx.vmxonRegion = -1
  vmx.currentVmcs = -1
  return SUCCEEDED
}

export function vmclear(engine: Engine, address: bigint): VmxOutcome {
  const { vmx } = engine.cpu
  if (!isPhysicalPage(address)) return fail(engine, ERROR.VMXERR_VMCLEAR_INVALID_ADDRESS.number)
  if (Number(address) === vmx.vmxonRegion) return fail(engine, ERROR.VMXERR_VMCLEAR_VMXON_POINTER.number)
  setLaunched(engine.memory, Number(address), false)
  if (vmx.currentVmcs === Number(address)) vmx.currentVmcs = -1
  return SUCCEEDED
}

const offersShadowing = ({ machine }: Engine): boolean =>
  (machine.config.vmxMsrs[MSRS.MSR_IA32_VMX_PROCBASED_CTLS2.index]! & (1n << BigInt(allowedOneBit('SECONDARY_EXEC_SHADOW_VMCS')))) !== 0n

export function vmptrld(engine: Engine, address: bigint): VmxOutcome {
  const { vmx } = engine.cpu
  if (!isPhysicalPage(address)) return fail(engine, ERROR.VMXERR_VMPTRLD_INVALID_ADDRESS.number)
  if (Number(address) === vmx.vmxonRegion) return fail(engine, ERROR.VMXERR_VMPTRLD_VMXON_POINTER.number)
  const header = engine.memory.read32(Number(address))
  if (revisionOf(header) !== ownRevision(engine) || (isShadowHeader(header) && !offersShadowing(engine)))
    return fail(engine, ERROR.VMXERR_VMPTRLD_INCORRECT_VMCS_REVISION_ID.number)
  vmx.currentVmcs = Number(address)
  return SUCCEEDED
}

/** The current-VMCS pointer, all ones for none. */
export const vmptrst = (engine: Engine): bigint =>
  engine.cpu.vmx.currentVmcs < 0 ? 0xffff_ffff_ffff_ffffn : BigInt(engine.cpu.vmx.currentVmcs)

/** Fields that only some processors have: tertiary controls, and those of the guest timer. */
const TERTIARY_FIELDS: ReadonlySet<number> = new Set([0x2034, 0x2035])
const TIMER_FIELDS: ReadonlySet<number> = new Set([0x000a, 0x2830, 0x2831, 0x204e, 0x204f])

/** Whether this processor supports the component that an encoding names. */
export function supportsEncoding({ machine }: Engine, encoding: bigint): boolean {
  const name = encoding <= 0x7fffn ? vmcsFieldOf(Number(encoding)) : undefined
  return name !== undefined && hasField(machine.config.vmxMsrs, name)
}

function hasFeatureOf({ machine }: Engine, encoding: number): boolean {
  const { features } = machine.config
  if (TERTIARY_FIELDS.has(encoding)) return features.includes('vmx-tertiary-ctls')
  return !TIMER_FIELDS.has(encoding) || features.includes('apic-timer-virt')
}

/** The current VMCS, where it has this field; else how VMREAD or VMWRITE of it fails. */
export function vmcsWith(engine: Engine, field: VmcsFieldName): number | VmxOutcome {
  const { currentVmcs } = engine.cpu.vmx
  if (currentVmcs < 0) return { kind: 'invalid' }
  return hasFeatureOf(engine, VMCS_FIELDS[field].encoding) ? currentVmcs : fail(engine, ERROR.VMXERR_UNSUPPORTED_VMCS_COMPONENT.number)
}

/** What VMREAD and VMWRITE are about: the current VMCS; in a guest that got here, the shadow VMCS. */
const accessedVmcs = ({ cpu: { vmx } }: Engine): number => (vmx.mode === 'non-root' ? vmx.controls.linkPointer : vmx.currentVmcs)

/** The value, or how the instruction failed. */
export function vmread(engine: Engine, encoding: bigint): bigint | VmxOutcome {
  const vmcs = accessedVmcs(engine)
  if (vmcs < 0) return { kind: 'invalid' }
  if (!supportsEncoding(engine, encoding)) return fail(engine, ERROR.VMXERR_UNSUPPORTED_VMCS_COMPONENT.number, vmcs)
  return readEncoding(engine.memory, vmcs, Number(encoding))
}

export function vmwrite(engine: Engine, encoding: bigint, value: bigint): VmxOutcome {
  const vmcs = accessedVmcs(engine)
  if (vmcs < 0) return { kind: 'invalid' }
  if (!supportsEncoding(engine, encoding)) return fail(engine, ERROR.VMXERR_UNSUPPORTED_VMCS_COMPONENT.number, vmcs)
  // IA32_VMX_MISC bit 29 is 1: exit-information fields may be written too.
  writeEncoding(engine.memory, vmcs, Number(encoding), value)
  return SUCCEEDED
}

export interface InvalidationDescriptor {
  readonly low: bigint
  readonly high: bigint
}

const invalidated = (engine: Engine, isValid: boolean): VmxOutcome =>
  isValid ? SUCCEEDED : fail(engine, ERROR.VMXERR_INVALID_OPERAND_TO_INVEPT_INVVPID.number)

const INVEPT = { context: 1n, all: 2n } as const

/** Of one context, whose EPT pointer a VM entry must take (SDM, INVEPT, its operation), or of all. The TLB has nothing stale to drop. */
export function invept(engine: Engine, type: bigint, { low }: InvalidationDescriptor): VmxOutcome {
  const capability = engine.machine.config.vmxMsrs[MSRS.MSR_IA32_VMX_EPT_VPID_CAP.index]!
  return invalidated(engine, type === INVEPT.all || (type === INVEPT.context && eptPointerFits(low, capability)))
}

const INVVPID = { address: 0n, context: 1n, all: 2n, contextButGlobal: 3n } as const

/**
 * INVVPID (SDM, its operation): bits 63:16 of the descriptor are reserved, the VPID is not 0 unless all are meant, the address is
 * canonical where there is one.
 */
export function invvpid(engine: Engine, type: bigint, { low, high }: InvalidationDescriptor): VmxOutcome {
  const isKnown = type <= INVVPID.contextButGlobal && shiftRight(low, 16) === 0n
  const hasVpid = type === INVVPID.all || low !== 0n
  const hasAddress = type !== INVVPID.address || isCanonical(high, widestLinear(engine.machine.config.features))
  return invalidated(engine, isKnown && hasVpid && hasAddress)
}
