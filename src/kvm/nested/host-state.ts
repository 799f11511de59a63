/** L1 goes on at vmcs12's host state (Linux `load_vmcs12_host_state`; Intel SDM, "Loading Host State"). vmcs01 is current. */

import { BLOCKING, type VmcsFieldName } from '../../spec/vmcs-fields.ts'
import type { Context } from '../context.ts'
import { setCr0, setCr4, setEfer } from '../control-registers.ts'
import { loadMsrArea } from './msr-areas.ts'
import { CR0_KEPT } from './vmcs02.ts'
import { readVmcs12, readVmcs12Number, vmcs12Has } from './vmcs12.ts'

const LONG = 0x500n
const CR4_PAE = 0x20n
const DR7_AFTER_EXIT = 0x400n
const RFLAGS_AFTER_EXIT = 2n
const CODE64 = 0xa09b
const CODE32 = 0xc09b
const DATA = 0xc093
const UNUSABLE = 0x10000
const TSS_BUSY = 0x8b

function loadSegments(c: Context): void {
  const { cpu } = c
  const put = (name: string, selector: bigint, base: bigint, limit: number, rights: number): void => {
    cpu.vmwrite(`GUEST_${name}_SELECTOR` as VmcsFieldName, selector)
    cpu.vmwrite(`GUEST_${name}_BASE` as VmcsFieldName, base)
    cpu.vmwrite(`GUEST_${name}_LIMIT` as VmcsFieldName, limit)
    cpu.vmwrite(`GUEST_${name}_AR_BYTES` as VmcsFieldName, rights)
  }
  const isLong = vmcs12Has(c, 'VM_EXIT_HOST_ADDR_SPACE_SIZE')
  put('CS', readVmcs12(c, 'HOST_CS_SELECTOR'), 0n, 0xffff_ffff, isLong ? CODE64 : CODE32)
  for (const name of ['SS', 'DS', 'ES', 'FS', 'GS'] as const) {
    const selector = readVmcs12(c, `HOST_${name}_SELECTOR`)
    const base = name === 'FS' || name === 'GS' ? readVmcs12(c, `HOST_${name}_BASE`) : 0n
    put(name, selector, base, 0xffff_ffff, selector === 0n ? DATA | UNUSABLE : DATA)
  }
  put('TR', readVmcs12(c, 'HOST_TR_SELECTOR'), readVmcs12(c, 'HOST_TR_BASE'), 0x67, TSS_BUSY)
  put('LDTR', 0n, 0n, 0, UNUSABLE)
  for (const table of ['GDTR', 'IDTR'] as const) {
    cpu.vmwrite(`GUEST_${table}_BASE`, readVmcs12(c, `HOST_${table}_BASE`))
    cpu.vmwrite(`GUEST_${table}_LIMIT`, 0xffff)
  }
}

/** False when an MSR cannot be loaded: a VMX abort. `blocksNmi`: the exit was an NMI's. */
export function loadHostState(c: Context, blocksNmi: boolean): boolean {
  const { cpu, vcpu } = c
  const isLong = vmcs12Has(c, 'VM_EXIT_HOST_ADDR_SPACE_SIZE')
  const efer = vmcs12Has(c, 'VM_EXIT_LOAD_IA32_EFER') ? readVmcs12(c, 'HOST_IA32_EFER') : vcpu.efer
  setEfer(c, isLong ? efer | LONG : efer & ~LONG)
  setCr0(c, (readVmcs12(c, 'HOST_CR0') & ~CR0_KEPT) | (vcpu.cr0 & CR0_KEPT))
  setCr4(c, readVmcs12(c, 'HOST_CR4') | (isLong ? CR4_PAE : 0n))
  cpu.vmwrite('GUEST_CR3', readVmcs12(c, 'HOST_CR3'))
  cpu.vmwrite('GUEST_RSP', readVmcs12(c, 'HOST_RSP'))
  cpu.vmwrite('GUEST_RIP', readVmcs12(c, 'HOST_RIP'))
  cpu.vmwrite('GUEST_RFLAGS', RFLAGS_AFTER_EXIT)
  const nmi = blocksNmi ? BLOCKING.nmi : Number(cpu.vmread('GUEST_INTERRUPTIBILITY_INFO')) & BLOCKING.nmi
  cpu.vmwrite('GUEST_INTERRUPTIBILITY_INFO', nmi)
  cpu.vmwrite('GUEST_SYSENTER_CS', readVmcs12(c, 'HOST_IA32_SYSENTER_CS'))
  cpu.vmwrite('GUEST_SYSENTER_ESP', readVmcs12(c, 'HOST_IA32_SYSENTER_ESP'))
  cpu.vmwrite('GUEST_SYSENTER_EIP', readVmcs12(c, 'HOST_IA32_SYSENTER_EIP'))
  cpu.vmwrite('GUEST_DR7', DR7_AFTER_EXIT)
  cpu.vmwrite('GUEST_IA32_DEBUGCTL', 0)
  if (vmcs12Has(c, 'VM_EXIT_LOAD_IA32_PAT')) cpu.vmwrite('GUEST_IA32_PAT', readVmcs12(c, 'HOST_IA32_PAT'))
  loadSegments(c)
  return loadMsrArea(c, readVmcs12Number(c, 'VM_EXIT_MSR_LOAD_ADDR'), readVmcs12Number(c, 'VM_EXIT_MSR_LOAD_COUNT')) === 0
}
