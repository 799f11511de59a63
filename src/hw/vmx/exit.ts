/**
 * VM exits (Intel SDM, "VM Exits"): record why, save the guest, load the host. The steps stand in the manual's order.
 */

import { CR4, EFER } from '../../spec/cr-bits.ts'
import { EXIT_REASON_FAILED_VMENTRY, EXIT_REASONS } from '../../spec/exit-reasons.ts'
import { MSRS } from '../../spec/msrs.ts'
import type { VmcsFieldName } from '../../spec/vmcs-fields.ts'
import type { Engine } from '../cpu/engine.ts'
import type { VmExit } from '../cpu/faults.ts'
import { CODE64_RIGHTS, DATA_RIGHTS, TSS_BUSY_RIGHTS, UNUSABLE_RIGHTS } from '../cpu/registers.ts'
import { emit } from '../observe.ts'
import { CR0_KEPT, saveGuestState } from './guest-state.ts'
import { disarmGuestTimer } from './guest-timer.ts'
import { loadMsrs, storeMsrs } from './msr-areas.ts'
import { stopPreemptionTimer } from './preemption-timer.ts'
import { isControlSet } from './state.ts'
import { readField, readNumber, writeField } from './vmcs.ts'

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

function recordExit(engine: Engine, vmcs: number, reason: number, { details }: VmExit): void {
  const { memory, delivering, current } = engine
  const put = (name: VmcsFieldName, value: bigint | number) => writeField(memory, vmcs, name, value)
  put('VM_EXIT_REASON', reason)
  put('EXIT_QUALIFICATION', details.qualification ?? 0n)
  if (details.guestLinear !== undefined) put('GUEST_LINEAR_ADDRESS', details.guestLinear)
  if (details.guestPhysical !== undefined) put('GUEST_PHYSICAL_ADDRESS', details.guestPhysical)
  put('VM_EXIT_INTR_INFO', details.interruption ?? 0)
  put('VM_EXIT_INTR_ERROR_CODE', details.interruptionError ?? 0)
  put('IDT_VECTORING_INFO_FIELD', delivering?.info ?? 0)
  put('IDT_VECTORING_ERROR_CODE', delivering?.errorCode ?? 0)
  const length = details.byInstruction ? current.length : (delivering?.length ?? 0)
  put('VM_EXIT_INSTRUCTION_LEN', length)
  put('VMX_INSTRUCTION_INFO', details.instructionInformation ?? 0)
  // An exit makes the injected event a thing of the past.
  put('VM_ENTRY_INTR_INFO_FIELD', readNumber(memory, vmcs, 'VM_ENTRY_INTR_INFO_FIELD') & ~VALID)
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
  const get = (name: VmcsFieldName): bigint => readField(memory, vmcs, name)
  const { controls } = cpu.vmx
  registers.cr[0] = (get('HOST_CR0') & ~CR0_KEPT) | (registers.cr[0]! & CR0_KEPT)
  registers.cr[3] = get('HOST_CR3')
  registers.cr[4] = get('HOST_CR4') | bitOf(CR4.PAE)
  registers.dr[7] = 0x400n
  cpu.msrs[MSRS.MSR_IA32_DEBUGCTLMSR.index] = 0n
  cpu.msrs[MSRS.MSR_IA32_SYSENTER_CS.index] = get('HOST_IA32_SYSENTER_CS')
  cpu.msrs[MSRS.MSR_IA32_SYSENTER_ESP.index] = get('HOST_IA32_SYSENTER_ESP')
  cpu.msrs[MSRS.MSR_IA32_SYSENTER_EIP.index] = get('HOST_IA32_SYSENTER_EIP')
  if (isControlSet(controls, 'VM_EXIT_LOAD_IA32_PAT')) cpu.msrs[MSRS.MSR_IA32_CR_PAT.index] = get('HOST_IA32_PAT')
  const efer = isControlSet(controls, 'VM_EXIT_LOAD_IA32_EFER') ? get('HOST_IA32_EFER') : cpu.msrs[MSRS.MSR_EFER.index]!
  cpu.msrs[MSRS.MSR_EFER.index] = efer | bitOf(EFER.LMA) | bitOf(EFER.LME)
  loadHostSegments(engine, get)
  registers.gpr[4] = get('HOST_RSP')
  registers.rip[0] = get('HOST_RIP')
  engine.target = get('HOST_RIP')
  engine.replaceFlags(2)
  cpu.activity = 'active'
  cpu.stiBlocking = false
  cpu.movSsBlocking = false
  cpu.midRepeat = false
  if (
    readNumber(memory, vmcs, 'VM_EXIT_REASON') === EXIT_REASONS.EXIT_REASON_EXCEPTION_NMI &&
    isNmi(readNumber(memory, vmcs, 'VM_EXIT_INTR_INFO'))
  )
    cpu.nmiBlocking = true
  cpu.vmx.mode = 'root'
  cpu.vmx.virtualInterruptRecognised = false
  cpu.vmx.trapPending = false
  engine.attention = true
  engine.reloadAddressSpace()
  const badMsr = loadMsrs(engine, readNumber(memory, vmcs, 'VM_EXIT_MSR_LOAD_ADDR'), readNumber(memory, vmcs, 'VM_EXIT_MSR_LOAD_COUNT'))
  if (badMsr !== 0) abort(engine, vmcs, ABORT.loadingMsrs)
}

const isNmi = (information: number): boolean => ((information >>> 8) & 7) === 2

function loadHostSegments(engine: Engine, get: (name: VmcsFieldName) => bigint): void {
  const { cpu, registers } = engine
  const selectors = [
    'HOST_ES_SELECTOR',
    'HOST_CS_SELECTOR',
    'HOST_SS_SELECTOR',
    'HOST_DS_SELECTOR',
    'HOST_FS_SELECTOR',
    'HOST_GS_SELECTOR',
  ] as const
  for (const [index, name] of selectors.entries()) {
    const selector = Number(get(name))
    const rights = index === 1 ? CODE64_RIGHTS : selector === 0 ? DATA_RIGHTS | UNUSABLE_RIGHTS : DATA_RIGHTS
    cpu.segments[index] = { selector, limit: 0xffff_ffff, accessRights: rights }
    registers.segmentBase[index] = index === 4 ? get('HOST_FS_BASE') : index === 5 ? get('HOST_GS_BASE') : 0n
  }
  cpu.segments[6] = { selector: 0, limit: 0, accessRights: UNUSABLE_RIGHTS }
  registers.segmentBase[6] = 0n
  cpu.segments[7] = { selector: Number(get('HOST_TR_SELECTOR')), limit: 0x67, accessRights: TSS_BUSY_RIGHTS }
  registers.segmentBase[7] = get('HOST_TR_BASE')
  cpu.gdtr = { base: get('HOST_GDTR_BASE'), limit: 0xffff }
  cpu.idtr = { base: get('HOST_IDTR_BASE'), limit: 0xffff }
}
