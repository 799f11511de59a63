/** Guest state between the CPU and the VMCS, as VM entries load it and VM exits save it (Intel SDM, "Guest-State Area"). */

import { bit, withBit } from '../../base/bits.ts'
import { TF } from '../../isa/status-flags.ts'
import { CR0, EFER } from '../../spec/cr-bits.ts'
import { MSRS } from '../../spec/msrs.ts'
import { BLOCKING } from '../../spec/vmcs-fields.ts'
import { VMX_CONTROLS } from '../../spec/vmx-controls.ts'
import { pagingFormatOf } from '../cpu/address-space.ts'
import type { Engine } from '../cpu/engine.ts'
import { disarmed } from '../cpu/monitor.ts'
import type { Activity } from '../cpu/registers.ts'
import { isControlSet } from './state.ts'
import { readField, SLOT, writeNarrow } from './vmcs.ts'

export const SEGMENT_FIELDS = ['ES', 'CS', 'SS', 'DS', 'FS', 'GS', 'LDTR', 'TR'] as const

/** Where the four fields of each segment register lie in the VMCS. */
const SEGMENT_SLOTS = SEGMENT_FIELDS.map(name => ({
  selector: SLOT[`GUEST_${name}_SELECTOR`],
  limit: SLOT[`GUEST_${name}_LIMIT`],
  accessRights: SLOT[`GUEST_${name}_AR_BYTES`],
  base: SLOT[`GUEST_${name}_BASE`],
}))

const ACTIVITIES = ['active', 'hlt', 'shutdown', 'wait-for-sipi'] as const
/** The field never tells of MWAIT. */
const activityNumber = (activity: Activity): number => (activity === 'mwait' ? 0 : ACTIVITIES.indexOf(activity))

/** The NMI blocking that the guest sees: of virtual NMIs where it has them. */
const blocksNmi = ({ cpu }: Engine): boolean =>
  isControlSet(cpu.vmx.controls, 'PIN_BASED_VIRTUAL_NMIS') ? cpu.vmx.virtualNmiBlocking : cpu.nmiBlocking

export function saveGuestState(engine: Engine, vmcs: number): void {
  const { cpu, memory, registers } = engine
  memory.write64(vmcs + SLOT.GUEST_CR0, registers.cr[0]!)
  memory.write64(vmcs + SLOT.GUEST_CR3, registers.cr[3]!)
  memory.write64(vmcs + SLOT.GUEST_CR4, registers.cr[4]!)
  memory.write64(vmcs + SLOT.GUEST_RSP, registers.gpr[4]!)
  memory.write64(vmcs + SLOT.GUEST_RIP, registers.rip[0]!)
  writeNarrow(memory, vmcs + SLOT.GUEST_RFLAGS, engine.materialised() >>> 0)
  for (const [index, slots] of SEGMENT_SLOTS.entries()) {
    const segment = cpu.segments[index]!
    writeNarrow(memory, vmcs + slots.selector, segment.selector)
    writeNarrow(memory, vmcs + slots.limit, segment.limit)
    writeNarrow(memory, vmcs + slots.accessRights, segment.accessRights)
    memory.write64(vmcs + slots.base, registers.segmentBase[index]!)
  }
  memory.write64(vmcs + SLOT.GUEST_GDTR_BASE, cpu.gdtr.base)
  writeNarrow(memory, vmcs + SLOT.GUEST_GDTR_LIMIT, cpu.gdtr.limit)
  memory.write64(vmcs + SLOT.GUEST_IDTR_BASE, cpu.idtr.base)
  writeNarrow(memory, vmcs + SLOT.GUEST_IDTR_LIMIT, cpu.idtr.limit)
  const blocking = (cpu.stiBlocking ? BLOCKING.sti : 0) | (cpu.movSsBlocking ? BLOCKING.movSs : 0) | (blocksNmi(engine) ? BLOCKING.nmi : 0)
  writeNarrow(memory, vmcs + SLOT.GUEST_INTERRUPTIBILITY_INFO, blocking)
  writeNarrow(memory, vmcs + SLOT.GUEST_ACTIVITY_STATE, activityNumber(cpu.activity))
  writeNarrow(memory, vmcs + SLOT.GUEST_PENDING_DBG_EXCEPTIONS, cpu.vmx.pendingDebug | heldSingleStep(engine))
  saveGuestMsrs(engine, vmcs)
}

const PENDING_SINGLE_STEP = 1 << 14
const SINGLE_STEP_BRANCHES = 1n << 1n

/**
 * MOV SS holds back the trap of single-stepping; an exit behind it saves the trap as pending (SDM, "Saving Non-Register State"), as the
 * next entry demands it with RFLAGS.TF.
 */
function heldSingleStep({ cpu, flagsWord }: Engine): number {
  const byInstruction = (flagsWord & TF) !== 0 && ((cpu.msrs[MSRS.MSR_IA32_DEBUGCTLMSR.index] ?? 0n) & SINGLE_STEP_BRANCHES) === 0n
  return cpu.movSsBlocking && byInstruction ? PENDING_SINGLE_STEP : 0
}

function saveGuestMsrs(engine: Engine, vmcs: number): void {
  const { cpu, memory, registers } = engine
  const { controls } = cpu.vmx
  memory.write64(vmcs + SLOT.GUEST_SYSENTER_CS, cpu.msrs[MSRS.MSR_IA32_SYSENTER_CS.index] ?? 0n)
  memory.write64(vmcs + SLOT.GUEST_SYSENTER_ESP, cpu.msrs[MSRS.MSR_IA32_SYSENTER_ESP.index] ?? 0n)
  memory.write64(vmcs + SLOT.GUEST_SYSENTER_EIP, cpu.msrs[MSRS.MSR_IA32_SYSENTER_EIP.index] ?? 0n)
  if (isControlSet(controls, 'VM_EXIT_SAVE_DEBUG_CONTROLS')) {
    memory.write64(vmcs + SLOT.GUEST_DR7, registers.dr[7]!)
    memory.write64(vmcs + SLOT.GUEST_IA32_DEBUGCTL, cpu.msrs[MSRS.MSR_IA32_DEBUGCTLMSR.index] ?? 0n)
  }
  if (isControlSet(controls, 'VM_EXIT_SAVE_IA32_PAT')) memory.write64(vmcs + SLOT.GUEST_IA32_PAT, cpu.msrs[MSRS.MSR_IA32_CR_PAT.index]!)
  if (isControlSet(controls, 'VM_EXIT_SAVE_IA32_EFER')) memory.write64(vmcs + SLOT.GUEST_IA32_EFER, cpu.msrs[MSRS.MSR_EFER.index]!)
  savePdptes(engine, vmcs)
  saveMode(engine, vmcs)
}

const PDPTES = [SLOT.GUEST_PDPTR0, SLOT.GUEST_PDPTR1, SLOT.GUEST_PDPTR2, SLOT.GUEST_PDPTR3] as const

const usesPdpteFields = ({ cpu, registers }: Engine): boolean =>
  isControlSet(cpu.vmx.controls, 'SECONDARY_EXEC_ENABLE_EPT') && pagingFormatOf(cpu, registers) === 'PAE'

function savePdptes(engine: Engine, vmcs: number): void {
  if (!usesPdpteFields(engine)) return
  for (const [index, slot] of PDPTES.entries()) engine.memory.write64(vmcs + slot, engine.registers.pdpte[index]!)
}

/** With PAE paging the PDPTEs come from their fields, without EPT from where CR3 points. */
function loadPdptes({ cpu, memory, registers }: Engine, vmcs: number): void {
  if (pagingFormatOf(cpu, registers) !== 'PAE') return
  const table = Number(registers.cr[3]! & 0xffff_ffe0n)
  const fromFields = isControlSet(cpu.vmx.controls, 'SECONDARY_EXEC_ENABLE_EPT')
  for (const [index, slot] of PDPTES.entries()) registers.pdpte[index] = memory.read64(fromFields ? vmcs + slot : table + index * 8)
}

/** IA32_VMX_MISC bit 5: the "IA-32e mode guest" control follows IA32_EFER.LMA, which an unrestricted guest may change. */
function saveMode({ cpu, memory }: Engine, vmcs: number): void {
  if (!isControlSet(cpu.vmx.controls, 'SECONDARY_EXEC_UNRESTRICTED_GUEST')) return
  const controls = memory.read32(vmcs + SLOT.VM_ENTRY_CONTROLS)
  const isLong = (cpu.msrs[MSRS.MSR_EFER.index]! & bitOf(EFER.LMA)) !== 0n
  const position = VMX_CONTROLS.VM_ENTRY_IA32E_MODE.bit
  if (bit(controls, position) !== isLong) writeNarrow(memory, vmcs + SLOT.VM_ENTRY_CONTROLS, withBit(controls, position, isLong))
}

const bitOf = (position: number): bigint => 1n << BigInt(position)

/** CR0 bits that VM entries and exits leave alone: ET, CD, NW, 15:6, 17 and 28:19 (SDM, "Loading Guest Control Registers"). */
export const CR0_KEPT = bitOf(CR0.ET) | bitOf(CR0.CD) | bitOf(CR0.NW) | 0xffc0n | 0x2_0000n | 0x1ff8_0000n

export function loadGuestState(engine: Engine, vmcs: number): void {
  const { cpu, memory, registers } = engine
  registers.cr[0] = (memory.read64(vmcs + SLOT.GUEST_CR0) & ~CR0_KEPT) | (registers.cr[0]! & CR0_KEPT)
  registers.cr[3] = memory.read64(vmcs + SLOT.GUEST_CR3)
  registers.cr[4] = memory.read64(vmcs + SLOT.GUEST_CR4)
  loadGuestMsrs(engine, vmcs)
  for (const [index, slots] of SEGMENT_SLOTS.entries()) {
    cpu.segments[index] = {
      selector: memory.read32(vmcs + slots.selector),
      limit: memory.read32(vmcs + slots.limit),
      accessRights: memory.read32(vmcs + slots.accessRights),
    }
    registers.segmentBase[index] = memory.read64(vmcs + slots.base)
  }
  cpu.gdtr = { base: memory.read64(vmcs + SLOT.GUEST_GDTR_BASE), limit: memory.read32(vmcs + SLOT.GUEST_GDTR_LIMIT) }
  cpu.idtr = { base: memory.read64(vmcs + SLOT.GUEST_IDTR_BASE), limit: memory.read32(vmcs + SLOT.GUEST_IDTR_LIMIT) }
  registers.gpr[4] = memory.read64(vmcs + SLOT.GUEST_RSP)
  registers.rip[0] = memory.read64(vmcs + SLOT.GUEST_RIP)
  engine.replaceFlags(memory.read32(vmcs + SLOT.GUEST_RFLAGS))
  const blocking = memory.read32(vmcs + SLOT.GUEST_INTERRUPTIBILITY_INFO)
  cpu.stiBlocking = (blocking & BLOCKING.sti) !== 0
  cpu.movSsBlocking = (blocking & BLOCKING.movSs) !== 0
  if (isControlSet(cpu.vmx.controls, 'PIN_BASED_VIRTUAL_NMIS')) cpu.vmx.virtualNmiBlocking = (blocking & BLOCKING.nmi) !== 0
  else cpu.nmiBlocking = (blocking & BLOCKING.nmi) !== 0
  cpu.monitor = disarmed()
  cpu.activity = ACTIVITIES[memory.read32(vmcs + SLOT.GUEST_ACTIVITY_STATE)]!
  cpu.vmx.pendingDebug = memory.read32(vmcs + SLOT.GUEST_PENDING_DBG_EXCEPTIONS)
  loadPdptes(engine, vmcs)
}

function loadGuestMsrs({ cpu, memory, registers }: Engine, vmcs: number): void {
  const { controls } = cpu.vmx
  if (isControlSet(controls, 'VM_ENTRY_LOAD_DEBUG_CONTROLS')) {
    registers.dr[7] = memory.read64(vmcs + SLOT.GUEST_DR7)
    cpu.msrs[MSRS.MSR_IA32_DEBUGCTLMSR.index] = memory.read64(vmcs + SLOT.GUEST_IA32_DEBUGCTL)
  }
  cpu.msrs[MSRS.MSR_IA32_SYSENTER_CS.index] = readField(memory, vmcs, 'GUEST_SYSENTER_CS')
  cpu.msrs[MSRS.MSR_IA32_SYSENTER_ESP.index] = memory.read64(vmcs + SLOT.GUEST_SYSENTER_ESP)
  cpu.msrs[MSRS.MSR_IA32_SYSENTER_EIP.index] = memory.read64(vmcs + SLOT.GUEST_SYSENTER_EIP)
  if (isControlSet(controls, 'VM_ENTRY_LOAD_IA32_PAT')) cpu.msrs[MSRS.MSR_IA32_CR_PAT.index] = memory.read64(vmcs + SLOT.GUEST_IA32_PAT)
  const index = MSRS.MSR_EFER.index
  cpu.msrs[index] = isControlSet(controls, 'VM_ENTRY_LOAD_IA32_EFER')
    ? memory.read64(vmcs + SLOT.GUEST_IA32_EFER)
    : eferByEntryControl(cpu.msrs[index]!, isControlSet(controls, 'VM_ENTRY_IA32E_MODE'))
}

/** Without a field of its own IA32_EFER keeps its value, but for LMA and LME, which follow the "IA-32e mode guest" control. */
const eferByEntryControl = (efer: bigint, isLong: boolean): bigint => {
  const long = bitOf(EFER.LMA) | bitOf(EFER.LME)
  return isLong ? efer | long : efer & ~bitOf(EFER.LMA)
}
