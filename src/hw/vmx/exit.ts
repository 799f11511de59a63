/**
 * VM exits (Intel SDM, "VM Exits"): record why, save the guest, load the host. The steps stand in the manual's order.
 */

import { CR4, EFER } from '../../spec/cr-bits.ts'
import { EXIT_REASON_FAILED_VMENTRY, EXIT_REASONS } from '../../spec/exit-reasons.ts'
import { MSRS } from '../../spec/msrs.ts'
import type { Engine } from '../cpu/engine.ts'
import type { VmExit } from '../cpu/faults.ts'
import { disarmed } from '../cpu/monitor.ts'
import { CODE32_RIGHTS, CODE64_RIGHTS, DATA_RIGHTS, TSS_BUSY_RIGHTS, UNUSABLE_RIGHTS } from '../cpu/registers.ts'
import { emit } from '../observe.ts'
import { CR0_KEPT, saveGuestState } from './guest-state.ts'
import { disarmGuestTimer } from './guest-timer.ts'
import { loadMsrs, storeMsrs } from './msr-areas.ts'
import { stopPreemptionTimer } from './preemption-timer.ts'
import { isControlSet } from './state.ts'
import { readField, readNumber, SLOT, wideNumber, writeField, writeNarrow } from './vmcs.ts'

const VALID = 0x8000_0000

/** Leaves the guest. The CPU is in VMX root operation afterwards, at the host's RIP. */
export function vmExit(engine: Engine, exit: VmExit): void {
  const { cpu, machine, memory } = engine
  const vmcs = cpu.vmx.currentVmcs
  if (exit.details.trapLike) engine.registers.rip[0] = engine.target
  recordExit(engine, vmcs, EXIT_REASONS[exit.reason], exit)
  saveGuestState(engine, vmcs)
  disarmGuestTimer(engine, vmcs)
  stopPreemptionTimer(engine, vmcs)
  if (isControlSet(cpu.vmx.controls, 'SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY'))
    writeField(memory, vmcs, 'GUEST_INTR_STATUS', cpu.vmx.rvi | (cpu.vmx.svi << 8))
  if (cpu.vmx.rootSoftware === 'guest') observeExit(engine, vmcs)
  const stored = storeMsrs(engine, readNumber(memory, vmcs, 'VM_EXIT_MSR_STORE_ADDR'), readNumber(memory, vmcs, 'VM_EXIT_MSR_STORE_COUNT'))
  if (!stored) return abort(engine, vmcs, ABORT.storingMsrs)
  leaveNonRoot(engine, vmcs)
  machine.tick += machine.config.costs.vmExit
}

/** VMX-abort indicators (SDM, "VMX Aborts"). */
const ABORT = { storingMsrs: 1, loadingMsrs: 4 } as const

/** The exit cannot be completed: the indicator goes into the VMCS region and the processor shuts down. */
function abort(engine: Engine, vmcs: number, indicator: number): void {
  const { cpu, machine, memory } = engine
  memory.write32(vmcs + 4, indicator)
  cpu.vmx.mode = 'root'
  cpu.activity = 'shutdown'
  emit(machine, cpu, 'shutdown', { rip: engine.registers.rip[0]!, vector: 0 })
  machine.ended ??= { reason: 'shutdown', status: 0 }
}

/** A VM entry whose guest state is bad: an exit that saves nothing (SDM, "VM-Entry Failures During or After Loading Guest State"). */
export function failEntry(
  engine: Engine,
  qualification: bigint,
  reason: 'EXIT_REASON_INVALID_STATE' | 'EXIT_REASON_MSR_LOAD_FAIL' = 'EXIT_REASON_INVALID_STATE',
): void {
  const { cpu, machine, memory } = engine
  const vmcs = cpu.vmx.currentVmcs
  writeField(memory, vmcs, 'VM_EXIT_REASON', (EXIT_REASONS[reason] | EXIT_REASON_FAILED_VMENTRY) >>> 0)
  writeField(memory, vmcs, 'EXIT_QUALIFICATION', qualification)
  if (cpu.vmx.rootSoftware === 'guest') observeExit(engine, vmcs)
  leaveNonRoot(engine, vmcs)
  machine.tick += machine.config.costs.vmExit
}

/** "NMI unblocking due to IRET": bit 12 of the interruption information, or of the qualification of these exits. */
const NMI_UNBLOCKING = 1 << 12
const QUALIFIED_BY_IRET: ReadonlySet<number> = new Set([EXIT_REASONS.EXIT_REASON_EPT_VIOLATION, EXIT_REASONS.EXIT_REASON_PML_FULL])

function recordExit(engine: Engine, vmcs: number, reason: number, { details }: VmExit): void {
  const { memory, delivering, current } = engine
  const unblocking = engine.unblockedNmi ? NMI_UNBLOCKING : 0
  engine.unblockedNmi = false
  writeNarrow(memory, vmcs + SLOT.VM_EXIT_REASON, reason)
  const qualification = details.qualification ?? 0n
  memory.write64(vmcs + SLOT.EXIT_QUALIFICATION, QUALIFIED_BY_IRET.has(reason) ? qualification | BigInt(unblocking) : qualification)
  if (details.guestLinear !== undefined) memory.write64(vmcs + SLOT.GUEST_LINEAR_ADDRESS, details.guestLinear)
  if (details.guestPhysical !== undefined) memory.write64(vmcs + SLOT.GUEST_PHYSICAL_ADDRESS, BigInt(details.guestPhysical))
  writeNarrow(memory, vmcs + SLOT.VM_EXIT_INTR_INFO, details.interruption === undefined ? 0 : details.interruption | unblocking)
  writeNarrow(memory, vmcs + SLOT.VM_EXIT_INTR_ERROR_CODE, details.interruptionError ?? 0)
  writeNarrow(memory, vmcs + SLOT.IDT_VECTORING_INFO_FIELD, delivering?.info ?? 0)
  writeNarrow(memory, vmcs + SLOT.IDT_VECTORING_ERROR_CODE, delivering?.errorCode ?? 0)
  const length = details.byInstruction ? current.length : (delivering?.length ?? 0)
  writeNarrow(memory, vmcs + SLOT.VM_EXIT_INSTRUCTION_LEN, length)
  writeNarrow(memory, vmcs + SLOT.VMX_INSTRUCTION_INFO, details.instructionInformation ?? 0)
  // An exit makes the injected event a thing of the past.
  writeNarrow(memory, vmcs + SLOT.VM_ENTRY_INTR_INFO_FIELD, memory.read32(vmcs + SLOT.VM_ENTRY_INTR_INFO_FIELD) & ~VALID)
  engine.delivering = null
}

function observeExit(engine: Engine, vmcs: number): void {
  const { cpu, machine, memory } = engine
  if (machine.observe === undefined) return
  emit(machine, cpu, 'vmx_exit', {
    reason: readNumber(memory, vmcs, 'VM_EXIT_REASON'),
    rip: readField(memory, vmcs, 'GUEST_RIP'),
    info1: readField(memory, vmcs, 'EXIT_QUALIFICATION'),
    info2: readField(memory, vmcs, 'GUEST_PHYSICAL_ADDRESS'),
    intr_info: readNumber(memory, vmcs, 'VM_EXIT_INTR_INFO'),
    error_code: readNumber(memory, vmcs, 'VM_EXIT_INTR_ERROR_CODE'),
    length: readNumber(memory, vmcs, 'VM_EXIT_INSTRUCTION_LEN'),
  })
}

const bitOf = (position: number): bigint => 1n << BigInt(position)

/** Loads the host state and goes on in VMX root operation. */
function leaveNonRoot(engine: Engine, vmcs: number): void {
  const { cpu, memory, registers } = engine
  registers.cr[0] = (memory.read64(vmcs + SLOT.HOST_CR0) & ~CR0_KEPT) | (registers.cr[0]! & CR0_KEPT)
  registers.cr[3] = memory.read64(vmcs + SLOT.HOST_CR3)
  const isLong = isControlSet(cpu.vmx.controls, 'VM_EXIT_HOST_ADDR_SPACE_SIZE')
  const cr4 = memory.read64(vmcs + SLOT.HOST_CR4)
  registers.cr[4] = isLong ? cr4 | bitOf(CR4.PAE) : cr4 & ~bitOf(CR4.PCIDE)
  registers.dr[7] = 0x400n
  loadHostMsrs(engine, vmcs)
  loadHostSegments(engine, vmcs)
  registers.gpr[4] = memory.read64(vmcs + SLOT.HOST_RSP)
  registers.rip[0] = memory.read64(vmcs + SLOT.HOST_RIP)
  engine.target = registers.rip[0]!
  engine.replaceFlags(2)
  cpu.activity = 'active'
  cpu.monitor = disarmed()
  cpu.stiBlocking = false
  cpu.movSsBlocking = false
  cpu.midRepeat = false
  if (
    memory.read32(vmcs + SLOT.VM_EXIT_REASON) === EXIT_REASONS.EXIT_REASON_EXCEPTION_NMI &&
    isNmi(memory.read32(vmcs + SLOT.VM_EXIT_INTR_INFO))
  )
    cpu.nmiBlocking = true
  cpu.vmx.mode = 'root'
  cpu.vmx.virtualInterruptRecognised = false
  cpu.vmx.trapPending = false
  cpu.vmx.apicWrite = -1
  cpu.vmx.pendingDebug = 0
  engine.attention = true
  // A KVM above the door executes no instruction of the machine's memory: only code in memory needs the host's address space.
  if (cpu.vmx.rootSoftware === 'guest') engine.reloadAddressSpace()
  const badMsr = loadMsrs(engine, wideNumber(memory, vmcs + SLOT.VM_EXIT_MSR_LOAD_ADDR), memory.read32(vmcs + SLOT.VM_EXIT_MSR_LOAD_COUNT))
  if (badMsr !== 0) abort(engine, vmcs, ABORT.loadingMsrs)
}

function loadHostMsrs({ cpu, memory }: Engine, vmcs: number): void {
  const { controls } = cpu.vmx
  cpu.msrs[MSRS.MSR_IA32_DEBUGCTLMSR.index] = 0n
  cpu.msrs[MSRS.MSR_IA32_SYSENTER_CS.index] = readField(memory, vmcs, 'HOST_IA32_SYSENTER_CS')
  cpu.msrs[MSRS.MSR_IA32_SYSENTER_ESP.index] = memory.read64(vmcs + SLOT.HOST_IA32_SYSENTER_ESP)
  cpu.msrs[MSRS.MSR_IA32_SYSENTER_EIP.index] = memory.read64(vmcs + SLOT.HOST_IA32_SYSENTER_EIP)
  if (isControlSet(controls, 'VM_EXIT_LOAD_IA32_PAT')) cpu.msrs[MSRS.MSR_IA32_CR_PAT.index] = memory.read64(vmcs + SLOT.HOST_IA32_PAT)
  const loaded = isControlSet(controls, 'VM_EXIT_LOAD_IA32_EFER')
  const efer = loaded ? memory.read64(vmcs + SLOT.HOST_IA32_EFER) : cpu.msrs[MSRS.MSR_EFER.index]!
  const long = bitOf(EFER.LMA) | bitOf(EFER.LME)
  cpu.msrs[MSRS.MSR_EFER.index] = isControlSet(controls, 'VM_EXIT_HOST_ADDR_SPACE_SIZE') ? efer | long : efer & ~long
}

const isNmi = (information: number): boolean => ((information >>> 8) & 7) === 2

const HOST_SELECTORS = (['ES', 'CS', 'SS', 'DS', 'FS', 'GS'] as const).map(name => SLOT[`HOST_${name}_SELECTOR`])

function loadHostSegments({ cpu, registers, memory }: Engine, vmcs: number): void {
  const codeRights = isControlSet(cpu.vmx.controls, 'VM_EXIT_HOST_ADDR_SPACE_SIZE') ? CODE64_RIGHTS : CODE32_RIGHTS
  for (const [index, slot] of HOST_SELECTORS.entries()) {
    const selector = memory.read32(vmcs + slot)
    const accessRights = index === 1 ? codeRights : selector === 0 ? DATA_RIGHTS | UNUSABLE_RIGHTS : DATA_RIGHTS
    cpu.segments[index] = { selector, limit: 0xffff_ffff, accessRights }
    registers.segmentBase[index] = 0n
  }
  registers.segmentBase[4] = memory.read64(vmcs + SLOT.HOST_FS_BASE)
  registers.segmentBase[5] = memory.read64(vmcs + SLOT.HOST_GS_BASE)
  cpu.segments[6] = { selector: 0, limit: 0, accessRights: UNUSABLE_RIGHTS }
  registers.segmentBase[6] = 0n
  cpu.segments[7] = { selector: memory.read32(vmcs + SLOT.HOST_TR_SELECTOR), limit: 0x67, accessRights: TSS_BUSY_RIGHTS }
  registers.segmentBase[7] = memory.read64(vmcs + SLOT.HOST_TR_BASE)
  cpu.gdtr = { base: memory.read64(vmcs + SLOT.HOST_GDTR_BASE), limit: 0xffff }
  cpu.idtr = { base: memory.read64(vmcs + SLOT.HOST_IDTR_BASE), limit: 0xffff }
}
