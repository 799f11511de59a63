/**
 * The state of a vCPU after reset, and INIT and start-up messages (Linux `kvm_vcpu_reset`, `kvm_apic_accept_events`; Intel SDM, "Processor State
 * After Reset"). Messages pend in the vCPU and are looked at before it enters its guest, or while it waits.
 */

import type { VmcsFieldName } from '../spec/vmcs-fields.ts'
import type { Context } from './context.ts'
import { setCr0, setCr4, setEfer } from './control-registers.ts'
import { lookupCpuid } from './cpuid.ts'
import { resetApic } from './lapic.ts'
import { disableTimer } from './lapic-timer.ts'
import { SEGMENTS } from './registers.ts'
import { updateApicVirtualization } from './vmcs01.ts'

const CR0_AT_RESET = 0x6000_0010n
const LIMIT = 0xffff
const RIGHTS = { CS: 0x9b, LDTR: 0x82, TR: 0x8b, data: 0x93 } as const
const RESET_VECTOR = 0xfff0
const RESET_CODE_BASE = 0xffff_0000
const RDX = 2
const DR7_AT_RESET = 0x400

/** Real-address mode at the reset vector; what INIT leaves alone is left alone. */
export function resetVcpu(c: Context): void {
  const { cpu, vcpu } = c
  const signature = BigInt(lookupCpuid(vcpu.cpuid, 1, 0).eax)
  for (let index = 0; index < 16; index++) cpu.setGpr(index, index === RDX ? signature : 0n)
  for (const name of SEGMENTS) {
    const put = (part: string, value: number) => cpu.vmwrite(`GUEST_${name}_${part}` as VmcsFieldName, value)
    put('SELECTOR', name === 'CS' ? RESET_CODE_BASE >>> 16 : 0)
    put('BASE', name === 'CS' ? RESET_CODE_BASE : 0)
    put('LIMIT', LIMIT)
    put('AR_BYTES', name === 'CS' || name === 'LDTR' || name === 'TR' ? RIGHTS[name] : RIGHTS.data)
  }
  for (const table of ['GDTR', 'IDTR'] as const) {
    cpu.vmwrite(`GUEST_${table}_BASE`, 0)
    cpu.vmwrite(`GUEST_${table}_LIMIT`, LIMIT)
  }
  cpu.vmwrite('GUEST_RSP', 0)
  cpu.vmwrite('GUEST_RIP', RESET_VECTOR)
  cpu.vmwrite('GUEST_RFLAGS', 2)
  cpu.vmwrite('GUEST_DR7', DR7_AT_RESET)
  cpu.vmwrite('GUEST_CR3', 0)
  cpu.vmwrite('GUEST_INTERRUPTIBILITY_INFO', 0)
  cpu.vmwrite('GUEST_PENDING_DBG_EXCEPTIONS', 0)
  setCr0(c, CR0_AT_RESET)
  setCr4(c, 0n)
  setEfer(c, 0n)
}

/** Deals with messages that pend. Afterwards the vCPU runs, or waits for a start-up message. */
export function acceptApicEvents(c: Context): void {
  const { vcpu } = c
  // VMX operation holds INIT back; of L2 it is a VM exit.
  if (vcpu.initPending && !vcpu.nested.vmxon) {
    vcpu.initPending = false
    initialise(c)
  }
  if (vcpu.mpState !== 'wait-for-sipi' || vcpu.startUpVector < 0) return
  c.cpu.vmwrite('GUEST_CS_SELECTOR', vcpu.startUpVector << 8)
  c.cpu.vmwrite('GUEST_CS_BASE', vcpu.startUpVector << 12)
  c.cpu.vmwrite('GUEST_RIP', 0)
  vcpu.startUpVector = -1
  vcpu.mpState = 'runnable'
}

function initialise(c: Context): void {
  const { vcpu } = c
  vcpu.exception = null
  vcpu.injected = null
  vcpu.nmiPending = false
  vcpu.emulation = null
  disableTimer(c)
  resetApic(c)
  resetVcpu(c)
  updateApicVirtualization(c)
  vcpu.mpState = vcpu.id === 0 ? 'runnable' : 'wait-for-sipi'
}
