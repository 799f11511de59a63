/**
 * KVM's handles, with methods named after the ioctls. They hold no state: everything is plain data in `machine.host`, found anew
 * at each call, so that a restored snapshot needs no new handles.
 */

import type { RootCpu, RootMachine } from '../hw/root-cpu.ts'
import { MSRS } from '../spec/msrs.ts'
import { kvmStateOf } from './context.ts'
import { hasFeature, supportedCpuid } from './cpuid.ts'
import type { DefectName } from './defects.ts'
import { KvmError } from './error.ts'
import { initializeHostTimer, noHostTimers } from './host-timer.ts'
import type { MsrEntry } from './msr-ioctls.ts'
import { getFeatureMsrs, msrFeatureIndexList, msrIndexList } from './msr-lists.ts'
import { followCpuid, nestedVmxMsrs } from './nested/capabilities.ts'
import { DEFAULT_PARAMETERS, type KvmParameters } from './parameters.ts'
import type { KvmState } from './state.ts'
import * as virtTimer from './virt-timer.ts'
import { createVm, type Vm, vmHandle } from './vm.ts'
import { newVmcsPage } from './vmcs-page.ts'

export interface Kvm {
  readonly parameters: KvmParameters
  /** The MSRs that belong to a vCPU's state. */
  getMsrIndexList(): number[]
  /** The MSRs that tell what KVM can do, and their values. */
  getMsrFeatureIndexList(): number[]
  getMsrs(indices: readonly number[]): MsrEntry[]
  createVm(): Vm
  /** The VM that a restored state contains. */
  vm(index: number): Vm
}

/** Loads KVM on a machine: VMXON on every CPU. */
export function openKvm(machine: RootMachine, parameters: Partial<KvmParameters> = {}, defects: readonly DefectName[] = []): Kvm {
  if (machine.host === null) initialize(machine, { ...DEFAULT_PARAMETERS, ...parameters }, defects)
  return {
    parameters: kvmStateOf(machine).parameters,
    getMsrIndexList: () => msrIndexList(machine),
    getMsrFeatureIndexList: () => msrFeatureIndexList(machine),
    getMsrs: indices => getFeatureMsrs(machine, indices),
    createVm: () => createVm(machine),
    vm: index => vmHandle(machine, index),
  }
}

function initialize(machine: RootMachine, parameters: KvmParameters, defects: readonly DefectName[]): void {
  const [cpu] = machine.cpus
  const nested = parameters.nested && hasFeature(supportedCpuid(cpu!, true), 'vmx')
  const state: KvmState = {
    parameters: { ...parameters, nested },
    ...(defects.length === 0 ? {} : { defects }),
    lowestHostPage: machine.memory.size,
    vms: [],
    hostTimers: machine.cpus.map(noHostTimers),
    nestedMsrs: nested ? nestedVmxMsrs(msr => capability(cpu!, msr), parameters) : {},
  }
  followCpuid(state.nestedMsrs, supportedCpuid(cpu!, nested))
  machine.host = state
  for (const cpu of machine.cpus) {
    const region = newVmcsPage(machine)
    if (cpu.vmxon(region).kind !== 'succeeded') throw new KvmError('ENXIO', 'VMXON failed')
    initializeHostTimer(cpu)
  }
}

/** A capability MSR of the processor; what it does not have offers nothing. */
function capability(cpu: RootCpu, msr: number): bigint {
  const hasTertiary = virtTimer.hasTertiaryControls(cpu)
  return msr === MSRS.MSR_IA32_VMX_PROCBASED_CTLS3.index && !hasTertiary ? 0n : cpu.rdmsr(msr)
}
