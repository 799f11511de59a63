/**
 * The checks of a VM entry, without going through all of them each time.
 *
 * A verdict is a function of what the rule looked at. So a rule that held and looked at settled fields only (see `vmcs.ts`) holds
 * again while their bytes are the same, and only the others are asked anew, in their order. Nothing has to be told that a field was
 * written, and what is remembered can be dropped at any time: a snapshot need not hold it.
 */

import { bit } from '../../base/bits.ts'
import { PAGE_SIZE } from '../../base/units.ts'
import { widestLinear } from '../../spec/address-width.ts'
import { EFER } from '../../spec/cr-bits.ts'
import { MSRS } from '../../spec/msrs.ts'
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

/** What a CPU remembers of a VMCS that passed: its settled bytes, the controls they say, and the rules to be asked anew. */
export interface CheckedVmcs {
  readonly settled: Uint8Array
  readonly controls: Readonly<Controls>
  readonly again: Checks
}

/** A host runs few VMCSs; with more than these some are checked in full again. */
const REMEMBERED = 8

/** The VMCSs that lately passed, by address. */
export class CheckedVmcses {
  readonly #byAddress = new Map<number, CheckedVmcs>()

  /** What is remembered of this VMCS if its settled bytes are what they were. */
  find(memory: Memory, vmcs: number): CheckedVmcs | undefined {
    const known = this.#byAddress.get(vmcs)
    return known !== undefined && Buffer.compare(known.settled, settledBytes(memory, vmcs)) === 0 ? known : undefined
  }

  remember(memory: Memory, vmcs: number, checked: Omit<CheckedVmcs, 'settled'>): void {
    if (vmcs + PAGE_SIZE > memory.size) return
    if (this.#byAddress.size >= REMEMBERED && !this.#byAddress.has(vmcs)) this.#byAddress.clear()
    this.#byAddress.set(vmcs, { ...checked, settled: settledBytes(memory, vmcs).slice() })
  }
}

const settledBytes = (memory: Memory, vmcs: number): Uint8Array => memory.ram.subarray(vmcs + SETTLED_FROM, vmcs + SETTLED_TO)

/** A VMCS under check, and whether the rule under way looked at anything but settled fields and what never changes. */
export interface StateUnderCheck extends EntryState {
  unsettled: boolean
}

const LMA = 1n << BigInt(EFER.LMA)

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
    isLongMode: () => {
      state.unsettled = true
      return (cpu.msrs[MSRS.MSR_EFER.index]! & LMA) !== 0n
    },
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
