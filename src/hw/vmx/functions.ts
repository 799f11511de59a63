/** What the guest does with VMX of itself: VMFUNC, and PAUSE in a loop (Intel SDM, "VM Functions"; "PAUSE-Loop Exiting"). */

import { low32 } from '../../base/u64.ts'
import { MSRS } from '../../spec/msrs.ts'
import { eptPointerFits } from '../../spec/vmx-entry/execution-checks.ts'
import type { Engine } from '../cpu/engine.ts'
import { undefinedOpcode, VmExit } from '../cpu/faults.ts'
import { cplOf } from '../cpu/registers.ts'
import { guestHas, isControlSet } from './state.ts'
import { readField, readNumber, writeField } from './vmcs.ts'

const FUNCTIONS = 64
const EPTP_SWITCHING = 0
const EPTP_LIST_ENTRIES = 512

/** VMFUNC: function 0 switches the EPT pointer to an entry of the list; any other that there may be exits. */
export function vmfunc(engine: Engine): void {
  const { cpu, memory, registers, machine } = engine
  const { vmx } = cpu
  const number = low32(registers.gpr[0]!)
  if (!guestHas(vmx, 'SECONDARY_EXEC_ENABLE_VMFUNC') || number >= FUNCTIONS) throw undefinedOpcode()
  const enabled = readField(memory, vmx.currentVmcs, 'VM_FUNCTION_CONTROL')
  const index = low32(registers.gpr[1]!)
  const exit = new VmExit('EXIT_REASON_VMFUNC', { byInstruction: true })
  if (number !== EPTP_SWITCHING || (enabled & 1n) === 0n || index >= EPTP_LIST_ENTRIES) throw exit
  const pointer = memory.read64(readNumber(memory, vmx.currentVmcs, 'EPTP_LIST_ADDRESS') + index * 8)
  if (!eptPointerFits(pointer, machine.config.vmxMsrs[MSRS.MSR_IA32_VMX_EPT_VPID_CAP.index] ?? 0n)) throw exit
  vmx.controls = { ...vmx.controls, eptPointer: pointer }
  writeField(memory, vmx.currentVmcs, 'EPT_POINTER', pointer)
  engine.reloadAddressSpace()
}

/** PAUSE at CPL 0: two of them farther apart than the gap begin a new loop; a loop longer than the window exits. */
export function pause(engine: Engine): void {
  const { cpu, machine } = engine
  const { vmx } = cpu
  if (vmx.mode !== 'non-root' || !isControlSet(vmx.controls, 'SECONDARY_EXEC_PAUSE_LOOP_EXITING') || cplOf(cpu) !== 0) return
  const now = machine.tick
  if (now - vmx.lastPause > vmx.controls.pauseGap) vmx.firstPause = now
  else if (now - vmx.firstPause > vmx.controls.pauseWindow) throw new VmExit('EXIT_REASON_PAUSE_INSTRUCTION', { byInstruction: true })
  vmx.lastPause = now
}
