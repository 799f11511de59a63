/**
 * The checks of a VM entry, without going through all of them each time.
 *
 * A verdict is a function of what the rule looked at. So a rule that held and looked at settled fields only (see `vmcs.ts`) holds
 * again while their bytes and the modes are the same, and only the others are asked anew, in their order. Nothing has to be told that a field was
 * written, and what is remembered can be dropped at any time: a snapshot need not hold it.
 */

import { bit } from '../../base/bits.ts'
import { PAGE_SIZE } from '../../base/units.ts'
import { widestLinear } from '../../spec/address-width.ts'
import { EFER } from '../../spec/cr-bits.ts'
import { MSRS } from '../../spec/msrs.ts'
import { RFLAGS } from '../../spec/rflags.ts'
import type { VmcsFieldName } from '../../spec/vmcs-fields.ts'
import { type ControlWord, VMX_CONTROLS } from '../../spec/vmx-controls.ts'
import type { EntryCheck, EntryState } from '../../spec/vmx-entry/entry-check.ts'
import type { Cpu } from '../cpu/registers.ts'
import type { Machine } from '../machine.ts'
import type { Memory } from '../memory.ts'
import type { Controls } from './state.ts'
import { readField, readNumber, SETTLED_FROM, SETTLED_TO, SLOT } from './vmcs.ts'

export type CheckGroup = 'control' | 'host' | 'guest'
type Checks = Readonly<Record<CheckGroup, readonly EntryCheck[]>>

/** What a CPU remembers of a VMCS that passed, and of what it was then: the controls, and the rules to be asked anew. */
export interface CheckedVmcs {
  readonly controls: Readonly<Controls>
  readonly again: Checks
}

interface Remembered extends CheckedVmcs {
  readonly vmcs: number
  readonly modes: number
  readonly settled: Uint8Array
}

/** A host runs few VMCSs, and changes each between few states, as when a timer is armed and disarmed; beyond these some are checked in full again. */
const REMEMBERED = 16

/** The VMCSs that lately passed, in each of the states in which they did. */
export class CheckedVmcses {
  readonly #remembered: Remembered[] = []

  /** What is remembered of this VMCS with its settled bytes as they are. */
  find(memory: Memory, cpu: Cpu): CheckedVmcs | undefined {
    const vmcs = cpu.vmx.currentVmcs
    const modes = modesOf(memory, cpu)
    const settled = settledBytes(memory, vmcs)
    return this.#remembered.find(known => known.vmcs === vmcs && known.modes === modes && Buffer.compare(known.settled, settled) === 0)
  }

  remember(memory: Memory, cpu: Cpu, checked: CheckedVmcs): void {
    const vmcs = cpu.vmx.currentVmcs
    if (vmcs + PAGE_SIZE > memory.size) return
    if (this.#remembered.length === REMEMBERED) this.#remembered.shift()
    this.#remembered.push({ ...checked, vmcs, modes: modesOf(memory, cpu), settled: settledBytes(memory, vmcs).slice() })
  }
}

const settledBytes = (memory: Memory, vmcs: number): Uint8Array => memory.ram.subarray(vmcs + SETTLED_FROM, vmcs + SETTLED_TO)

const LMA = 1n << BigInt(EFER.LMA)

const isLongMode = (cpu: Cpu): boolean => (cpu.msrs[MSRS.MSR_EFER.index]! & LMA) !== 0n
const isVirtual8086 = (memory: Memory, vmcs: number): boolean => bit(memory.read32(vmcs + SLOT.GUEST_RFLAGS), RFLAGS.VM)

/** The modes of the CPU and of the guest: they change rarely, and half of the rules ask for them. */
const modesOf = (memory: Memory, cpu: Cpu): number => (isLongMode(cpu) ? 1 : 0) | (isVirtual8086(memory, cpu.vmx.currentVmcs) ? 2 : 0)

/** A VMCS under check, and whether the rule under way looked at anything but settled fields, the modes and what never changes. */
export interface StateUnderCheck extends EntryState {
  unsettled: boolean
}

export function stateUnderCheck(machine: Machine, cpu: Cpu, words: Readonly<Record<ControlWord, number>>): StateUnderCheck {
  const { memory, config } = machine
  const vmcs = cpu.vmx.currentVmcs
  const lookAt = (name: VmcsFieldName): void => {
    if (SLOT[name] < SETTLED_FROM) state.unsettled = true
  }
  const state: StateUnderCheck = {
    unsettled: false,
    get: name => {
      lookAt(name)
      return readField(memory, vmcs, name)
    },
    number: name => {
      lookAt(name)
      return readNumber(memory, vmcs, name)
    },
    has: control => bit(words[VMX_CONTROLS[control].word], VMX_CONTROLS[control].bit),
    pointer: BigInt(vmcs),
    linearBits: widestLinear(config.features),
    isLongMode: () => isLongMode(cpu),
    isVirtual8086: () => isVirtual8086(memory, vmcs),
    capability: name => config.vmxMsrs[MSRS[name].index] ?? 0n,
    read32: address => {
      state.unsettled = true
      return memory.read32(address)
    },
    read64: address => {
      state.unsettled = true
      return memory.read64(address)
    },
  }
  return state
}

/** The first check that does not hold, or null. Those that held and are to be asked anew next time go into `again`. */
export function firstBroken(checks: readonly EntryCheck[], state: StateUnderCheck, again: EntryCheck[]): EntryCheck | null {
  for (const check of checks) {
    state.unsettled = false
    if (!check.holds(state)) return check
    if (state.unsettled) again.push(check)
  }
  return null
}
