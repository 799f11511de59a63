/** Guest state between the CPU and the VMCS, as VM entries load it and VM exits save it (Intel SDM, "Guest-State Area"). */

import { CR0, EFER } from '../../spec/cr-bits.ts'
import { MSRS } from '../../spec/msrs.ts'
import { BLOCKING, type VmcsFieldName } from '../../spec/vmcs-fields.ts'
import type { Engine } from '../cpu/engine.ts'
import { isControlSet } from './state.ts'
import { readField, readNumber, writeField } from './vmcs.ts'

export const SEGMENT_FIELDS = ['ES', 'CS', 'SS', 'DS', 'FS', 'GS', 'LDTR', 'TR'] as const

const segmentField = (index: number, part: 'SELECTOR' | 'LIMIT' | 'AR_BYTES' | 'BASE'): VmcsFieldName =>
  `GUEST_${SEGMENT_FIELDS[index]!}_${part}` as VmcsFieldName

const ACTIVITIES = ['active', 'hlt', 'shutdown', 'wait-for-sipi'] as const

/** The NMI blocking that the guest sees: of virtual NMIs where it has them. */
const blocksNmi = ({ cpu }: Engine): boolean =>
  isControlSet(cpu.vmx.controls, 'PIN_BASED_VIRTUAL_NMIS') ? cpu.vmx.virtualNmiBlocking : cpu.nmiBlocking

export function saveGuestState(engine: Engine, vmcs: number): void {
  const { cpu, memory, registers } = engine
  const put = (name: VmcsFieldName, value: bigint | number) => writeField(memory, vmcs, name, value)
  put('GUEST_CR0', registers.cr[0]!)
  put('GUEST_CR3', registers.cr[3]!)
  put('GUEST_CR4', registers.cr[4]!)
  put('GUEST_RSP', registers.gpr[4]!)
  put('GUEST_RIP', registers.rip[0]!)
  put('GUEST_RFLAGS', BigInt(engine.materialised() >>> 0))
  for (const [index, segment] of cpu.segments.entries()) {
    put(segmentField(index, 'SELECTOR'), segment.selector)
    put(segmentField(index, 'LIMIT'), segment.limit)
    put(segmentField(index, 'AR_BYTES'), segment.accessRights)
    put(segmentField(index, 'BASE'), registers.segmentBase[index]!)
  }
  put('GUEST_GDTR_BASE', cpu.gdtr.base)
  put('GUEST_GDTR_LIMIT', cpu.gdtr.limit)
  put('GUEST_IDTR_BASE', cpu.idtr.base)
  put('GUEST_IDTR_LIMIT', cpu.idtr.limit)
  put('GUEST_SYSENTER_CS', cpu.msrs[MSRS.MSR_IA32_SYSENTER_CS.index] ?? 0n)
  put('GUEST_SYSENTER_ESP', cpu.msrs[MSRS.MSR_IA32_SYSENTER_ESP.index] ?? 0n)
  put('GUEST_SYSENTER_EIP', cpu.msrs[MSRS.MSR_IA32_SYSENTER_EIP.index] ?? 0n)
  const blocking = (cpu.stiBlocking ? BLOCKING.sti : 0) | (cpu.movSsBlocking ? BLOCKING.movSs : 0) | (blocksNmi(engine) ? BLOCKING.nmi : 0)
  put('GUEST_INTERRUPTIBILITY_INFO', blocking)
  put('GUEST_ACTIVITY_STATE', ACTIVITIES.indexOf(cpu.activity))
  put('GUEST_PENDING_DBG_EXCEPTIONS', 0)
  const { controls } = cpu.vmx
  if (isControlSet(controls, 'VM_EXIT_SAVE_DEBUG_CONTROLS')) {
    put('GUEST_DR7', registers.dr[7]!)
    put('GUEST_IA32_DEBUGCTL', cpu.msrs[MSRS.MSR_IA32_DEBUGCTLMSR.index] ?? 0n)
  }
  if (isControlSet(controls, 'VM_EXIT_SAVE_IA32_PAT')) put('GUEST_IA32_PAT', cpu.msrs[MSRS.MSR_IA32_CR_PAT.index]!)
  if (isControlSet(controls, 'VM_EXIT_SAVE_IA32_EFER')) put('GUEST_IA32_EFER', cpu.msrs[MSRS.MSR_EFER.index]!)
  // With unrestricted guests (which this CPU lacks) the entry control would be updated too.
}

const bitOf = (position: number): bigint => 1n << BigInt(position)

/** CR0 bits that VM entries and exits leave alone: ET, CD, NW, 15:6, 17 and 28:19 (SDM, "Loading Guest Control Registers"). */
export const CR0_KEPT = bitOf(CR0.ET) | bitOf(CR0.CD) | bitOf(CR0.NW) | 0xffc0n | 0x2_0000n | 0x1ff8_0000n

export function loadGuestState(engine: Engine, vmcs: number): void {
  const { cpu, memory, registers } = engine
  const get = (name: VmcsFieldName): bigint => readField(memory, vmcs, name)
  const number = (name: VmcsFieldName): number => readNumber(memory, vmcs, name)
  const { controls } = cpu.vmx
  registers.cr[0] = (get('GUEST_CR0') & ~CR0_KEPT) | (registers.cr[0]! & CR0_KEPT)
  registers.cr[3] = get('GUEST_CR3')
  registers.cr[4] = get('GUEST_CR4')
  if (isControlSet(controls, 'VM_ENTRY_LOAD_DEBUG_CONTROLS')) {
    registers.dr[7] = get('GUEST_DR7')
    cpu.msrs[MSRS.MSR_IA32_DEBUGCTLMSR.index] = get('GUEST_IA32_DEBUGCTL')
  }
  cpu.msrs[MSRS.MSR_IA32_SYSENTER_CS.index] = get('GUEST_SYSENTER_CS')
  cpu.msrs[MSRS.MSR_IA32_SYSENTER_ESP.index] = get('GUEST_SYSENTER_ESP')
  cpu.msrs[MSRS.MSR_IA32_SYSENTER_EIP.index] = get('GUEST_SYSENTER_EIP')
  if (isControlSet(controls, 'VM_ENTRY_LOAD_IA32_PAT')) cpu.msrs[MSRS.MSR_IA32_CR_PAT.index] = get('GUEST_IA32_PAT')
  loadGuestEfer(engine, get)
  for (const index of cpu.segments.keys()) {
    cpu.segments[index] = {
      selector: number(segmentField(index, 'SELECTOR')),
      limit: number(segmentField(index, 'LIMIT')),
      accessRights: number(segmentField(index, 'AR_BYTES')),
    }
    registers.segmentBase[index] = get(segmentField(index, 'BASE'))
  }
  cpu.gdtr = { base: get('GUEST_GDTR_BASE'), limit: number('GUEST_GDTR_LIMIT') }
  cpu.idtr = { base: get('GUEST_IDTR_BASE'), limit: number('GUEST_IDTR_LIMIT') }
  registers.gpr[4] = get('GUEST_RSP')
  registers.rip[0] = get('GUEST_RIP')
  engine.replaceFlags(Number(get('GUEST_RFLAGS')))
  const blocking = number('GUEST_INTERRUPTIBILITY_INFO')
  cpu.stiBlocking = (blocking & BLOCKING.sti) !== 0
  cpu.movSsBlocking = (blocking & BLOCKING.movSs) !== 0
  if (isControlSet(controls, 'PIN_BASED_VIRTUAL_NMIS')) cpu.vmx.virtualNmiBlocking = (blocking & BLOCKING.nmi) !== 0
  else cpu.nmiBlocking = (blocking & BLOCKING.nmi) !== 0
  cpu.activity = ACTIVITIES[number('GUEST_ACTIVITY_STATE')]!
}

/** IA32_EFER from its field, or else LMA and LME by the "IA-32e mode guest" control. */
function loadGuestEfer(engine: Engine, get: (name: VmcsFieldName) => bigint): void {
  const { cpu } = engine
  const index = MSRS.MSR_EFER.index
  if (isControlSet(cpu.vmx.controls, 'VM_ENTRY_LOAD_IA32_EFER')) {
    cpu.msrs[index] = get('GUEST_IA32_EFER')
    return
  }
  const long = bitOf(EFER.LMA) | bitOf(EFER.LME)
  const isLong = isControlSet(cpu.vmx.controls, 'VM_ENTRY_IA32E_MODE')
  cpu.msrs[index] = isLong ? cpu.msrs[index]! | long : cpu.msrs[index]! & ~bitOf(EFER.LMA)
}
