/** Makes an edit, on the CPU whose turn it is, between two instructions of its guest. */

import type { Engine } from '../hw/cpu/engine.ts'
import { Fault, VmExit } from '../hw/cpu/faults.ts'
import { writeMsr } from '../hw/cpu/msrs.ts'
import type { Machine } from '../hw/machine.ts'
import { retired } from '../hw/run.ts'
import { vmExit } from '../hw/vmx/exit.ts'
import { guestWriteMsr } from '../hw/vmx/msr-access.ts'
import { writeField } from '../hw/vmx/vmcs.ts'
import { RSP } from '../isa/operands.ts'
import type { VmcsFieldName } from '../spec/vmcs-fields.ts'
import type { Vmm } from '../vmm/vmm.ts'
import { parseEdit, type Settable } from './edit.ts'
import type { TimelineView } from './timeline.ts'
import { guestRegisters, levelOf } from './timeline-guest.ts'
import { pageWalk } from './timeline-memory.ts'
import { savedIn } from './timeline-segments.ts'

type Of<K extends Settable['kind']> = Extract<Settable, { kind: K }>

const viewOf = (machine: Machine): TimelineView => ({
  machine,
  cpu: machine.turn.cpu,
  tick: machine.tick,
  instructions: retired(machine),
  eventIndex: 0,
})

/** Makes the edit that a trace keeps. False: the machine refuses it, and stays as it was. */
export function applyEdit(machine: Machine, vmm: Vmm | null, text: string): boolean {
  const edit = parseEdit(text)
  if ('problem' in edit) return false
  const { location, value } = edit
  switch (location.kind) {
    case 'register':
      return setRegister(machine, location, value)
    case 'system':
      return setHeld(machine, location.name, value)
    case 'memory':
      return setMemory(machine, location, value)
    case 'msr':
      return setMsr(machine, vmm, location.index, value)
  }
}

function setRegister(machine: Machine, { index, low, size }: Of<'register'>, value: bigint): boolean {
  const mask = ((1n << BigInt(size)) - 1n) << BigInt(low)
  const before = guestRegisters(viewOf(machine)).gpr[index]!
  const after = size >= 32 ? value : (before & ~mask) | (value << BigInt(low)) // a 32-bit write clears the upper half
  if (index === RSP) return setHeld(machine, 'rsp', after)
  machine.registers[machine.turn.cpu]!.gpr[index] = after
  return true
}

const SAVED_IN = { rip: 'GUEST_RIP', rsp: 'GUEST_RSP', rflags: 'GUEST_RFLAGS' } as const satisfies Record<string, VmcsFieldName>

/** Registers that the VMCS holds while KVM has the CPU. */
function setHeld(machine: Machine, name: keyof typeof SAVED_IN, value: bigint): boolean {
  const vmcs = savedIn(viewOf(machine))
  const { gpr, rip, rflags } = machine.registers[machine.turn.cpu]!
  if (vmcs !== undefined) writeField(machine.memory, vmcs, SAVED_IN[name], value)
  else if (name === 'rsp') gpr[RSP] = value
  else if (name === 'rip') rip[0] = value
  else rflags[0] = value
  return true
}

/** All of it is mapped, or nothing is written. */
function setMemory(machine: Machine, { address, bytes }: Of<'memory'>, value: bigint): boolean {
  const view = viewOf(machine)
  const registers = guestRegisters(view)
  const hosts = Array.from({ length: bytes }, (_, i) => pageWalk(view, registers, BigInt.asUintN(64, address + BigInt(i))).host)
  if (hosts.includes(undefined)) return false
  for (const [i, host] of hosts.entries()) machine.memory.write8(host!, Number(BigInt.asUintN(8, value >> BigInt(8 * i))))
  return true
}

/**
 * As the guest's WRMSR, where that does not exit. Where it does, KVM's user space sets it by KVM_SET_MSRS, for which the vCPU leaves the
 * guest; but what L2's hypervisor would be asked for is in its own memory, and refused.
 */
function setMsr(machine: Machine, vmm: Vmm | null, index: number, value: bigint): boolean {
  const engine = machine.engines[machine.turn.cpu]!
  const { mode } = engine.cpu.vmx
  if (vmm === null || mode === 'non-root') {
    const isWritten = writesMsr(() => (vmm === null ? writeMsr : guestWriteMsr)(engine, index, value))
    if (isWritten || vmm === null || levelOf(machine, engine.index) === 2) return isWritten
    leaveGuest(engine)
  }
  return vmm.vcpus[engine.index]!.setMsrs([{ index, data: value }]) === 1
}

function writesMsr(write: () => void): boolean {
  try {
    write()
    return true
  } catch (thrown) {
    if (thrown instanceof Fault || thrown instanceof VmExit) return false
    throw thrown
  }
}

/** Linux's vector for "reschedule", with which a vCPU is kicked, as a valid external interrupt. */
const KICK = 0x8000_00fd

const leaveGuest = (engine: Engine): void => vmExit(engine, new VmExit('EXIT_REASON_EXTERNAL_INTERRUPT', { interruption: KICK }))
