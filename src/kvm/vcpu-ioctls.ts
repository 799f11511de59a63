/**
 * What user space saves and restores of a vCPU besides MSRs and nested state: KVM_GET_REGS, KVM_GET_SREGS, KVM_GET/SET_LAPIC,
 * KVM_GET/SET_VCPU_EVENTS, KVM_GET/SET_MP_STATE, KVM_SET_TSC_KHZ and the TSC-offset attribute.
 */

import { APIC_REGISTERS } from '../spec/apic-registers.ts'
import { BLOCKING, type VmcsFieldName } from '../spec/vmcs-fields.ts'
import { setApicvInhibit } from './apicv.ts'
import { type Context, contextsOf } from './context.ts'
import { isPaePaging, PDPTES, readCr0, readCr4 } from './control-registers.ts'
import { KvmError } from './error.ts'
import { isX2apic } from './lapic.ts'
import { cancelTimer, currentCount, injectTimerInterrupts, readDeadline, restoreTimer } from './lapic-timer.ts'
import { checkApicId } from './lapic-write.ts'
import { type Registers, SEGMENTS, type SpecialRegisters } from './registers.ts'
import { acceptApicEvents } from './startup.ts'
import type { InjectedEvent, VcpuState } from './state.ts'
import { spinToDeadline } from './timer-advance.ts'
import { MULTIPLIER_ONE, setTscOffset, writeTscControls } from './tsc.ts'
import { withTscChange } from './tsc-change.ts'

const RSP = 4

export const getRegisters = ({ cpu }: Context): Registers => ({
  rip: cpu.vmread('GUEST_RIP'),
  rflags: cpu.vmread('GUEST_RFLAGS'),
  gpr: Array.from({ length: 16 }, (_, index) => (index === RSP ? cpu.vmread('GUEST_RSP') : cpu.gpr(index))),
})

export function getSpecialRegisters(c: Context): SpecialRegisters {
  const { cpu, vcpu } = c
  const read = (name: string, part: string): bigint => cpu.vmread(`GUEST_${name}_${part}` as VmcsFieldName)
  const table = (name: 'GDTR' | 'IDTR') => ({ base: read(name, 'BASE'), limit: Number(read(name, 'LIMIT')) })
  return {
    cr0: readCr0(c),
    cr2: cpu.cr2(),
    cr3: cpu.vmread('GUEST_CR3'),
    cr4: readCr4(c),
    efer: vcpu.efer,
    segments: SEGMENTS.map(name => ({
      selector: Number(read(name, 'SELECTOR')),
      base: read(name, 'BASE'),
      limit: Number(read(name, 'LIMIT')),
      accessRights: Number(read(name, 'AR_BYTES')),
    })),
    gdtr: table('GDTR'),
    idtr: table('IDTR'),
    ...(isPaePaging(c) ? { pdptes: PDPTES.map(field => cpu.vmread(field)) } : {}),
  }
}

/** `struct kvm_vcpu_events`. */
export interface VcpuEvents {
  readonly exception: VcpuState['exception']
  readonly injected: InjectedEvent | null
  readonly nmiPending: boolean
  /** Of the interruptibility state: STI, MOV-SS and NMI blocking. */
  readonly blocking: number
  /** INIT waits until VMX operation ends. */
  readonly initPending: boolean
}

export const getVcpuEvents = ({ cpu, vcpu }: Context): VcpuEvents => ({
  exception: vcpu.exception,
  injected: vcpu.injected,
  nmiPending: vcpu.nmiPending,
  blocking: Number(cpu.vmread('GUEST_INTERRUPTIBILITY_INFO')),
  initPending: vcpu.initPending,
})

export function setVcpuEvents({ cpu, vcpu }: Context, { exception, injected, nmiPending, blocking, initPending }: VcpuEvents): void {
  if ((blocking & ~(BLOCKING.sti | BLOCKING.movSs | BLOCKING.nmi)) !== 0) throw new KvmError('EINVAL', 'no such blocking')
  vcpu.exception = exception
  vcpu.injected = injected
  vcpu.nmiPending = nmiPending
  cpu.vmwrite('GUEST_INTERRUPTIBILITY_INFO', blocking)
  vcpu.initPending = initPending
}

/** `enum kvm_mp_state`: runs, is halted, or waits for a start-up message. */
export type MpState = 'runnable' | 'halted' | 'init-received'

const isHalted = ({ phase }: VcpuState): boolean => phase === 'halting' || phase === 'polling' || phase === 'blocked'

export function getMpState(c: Context): MpState {
  acceptApicEvents(c)
  if (c.vcpu.mpState !== 'runnable') return 'init-received'
  return isHalted(c.vcpu) ? 'halted' : 'runnable'
}

export function setMpState({ vcpu }: Context, state: MpState): void {
  vcpu.mpState = state === 'init-received' ? 'wait-for-sipi' : 'runnable'
  vcpu.phase = state === 'halted' ? 'halting' : 'enter'
}

/** The registers of a local APIC: the first 1 KByte of its page. */
const LAPIC_BYTES = 0x400

/**
 * A timer that has run out counts as an interrupt request here: nothing else tells of it. One set early by its advance is waited for, so
 * that the guest does not get it before its deadline where it goes on.
 */
export function getLapic(c: Context): Uint8Array {
  const { cpu, vcpu, vm } = c
  if (!vm.irqchip) throw new KvmError('EINVAL', 'the VM has no in-kernel local APIC')
  injectTimerInterrupts(c)
  spinToDeadline(c)
  const bytes = Uint8Array.from({ length: LAPIC_BYTES }, (_, at) => cpu.memory.read8(vcpu.apicPage + at))
  new DataView(bytes.buffer).setUint32(APIC_REGISTERS.APIC_TMCCT.offset, currentCount(c), true)
  return bytes
}

export function setLapic(c: Context, bytes: Uint8Array): void {
  if (!c.vm.irqchip || bytes.length !== LAPIC_BYTES) throw new KvmError('EINVAL', 'a local APIC has 1 KByte, in the kernel')
  const named = isX2apic(c) ? readLittleEndian(bytes, APIC_REGISTERS.APIC_ID.offset) : c.vcpu.id
  if (named !== c.vcpu.id) throw new KvmError('EINVAL', `in x2APIC mode the ID is the vCPU's, ${c.vcpu.id}`)
  const deadline = readDeadline(c)
  cancelTimer(c)
  for (const [at, byte] of bytes.entries()) c.cpu.memory.write8(c.vcpu.apicPage + at, byte)
  checkApicId(c)
  c.vcpu.scanIoApic = true
  restoreTimer(c, deadline)
}

const readLittleEndian = (bytes: Uint8Array, at: number): number => new DataView(bytes.buffer, bytes.byteOffset).getUint32(at, true)

const MAX_TSC_KHZ = 0x7fff_ffff

/** The guest's TSC runs at this frequency from now on; it jumps, as under Linux, until user space writes it or its offset. */
export function setTscKhz(c: Context, khz: number): void {
  const { machine, vcpu } = c
  const isFrequency = Number.isInteger(khz) && khz >= 1 && khz <= MAX_TSC_KHZ
  const multiplier = isFrequency ? (BigInt(khz) * MULTIPLIER_ONE) / BigInt(machine.tscKhz) : 0n
  if (multiplier === 0n || multiplier >= 1n << 64n) throw new KvmError('EINVAL', `the CPU cannot scale its TSC to ${khz} kHz`)
  withTscChange(c, 'host', () => {
    vcpu.tscKhz = khz
    vcpu.tscMultiplier = multiplier
    writeTscControls(c)
  })
}

/** KVM_VCPU_TSC_OFFSET. */
export function changeTscOffset(c: Context, offset: bigint): void {
  withTscChange(c, 'host', () => setTscOffset(c, offset))
}

/** KVM_SET_GUEST_DEBUG. While one vCPU takes no interrupts, the CPU may deliver none by itself (Linux `kvm_arch_vcpu_guestdbg_update_apicv_inhibit`). */
export function setGuestDebug(c: Context, blockIrq: boolean): void {
  c.vcpu.blockIrq = blockIrq
  setApicvInhibit(
    c,
    'blockIrq',
    contextsOf(c).some(({ vcpu }) => vcpu.blockIrq),
  )
}
