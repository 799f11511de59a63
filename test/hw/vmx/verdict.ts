/** What a VM entry says to a VMCS that is good but for a few changes. One machine serves many questions. */

import { VmExit } from '../../../src/hw/cpu/faults.ts'
import { createMachine, type MachineConfig, resolveConfig } from '../../../src/hw/machine.ts'
import { vmExit } from '../../../src/hw/vmx/exit.ts'
import { MSRS } from '../../../src/spec/msrs.ts'
import { VMCS_FIELDS, type VmcsFieldName } from '../../../src/spec/vmcs-fields.ts'
import { allowedOneBit, type ControlName, VMX_CONTROLS } from '../../../src/spec/vmx-controls.ts'
import { type Rig, rigOf, VMCS } from './rig.ts'

/** Fields to be written, and controls to be set or cleared. */
export type Changes = Partial<Record<VmcsFieldName, bigint | number>> & {
  readonly set?: readonly ControlName[]
  readonly clear?: readonly ControlName[]
}

/** ok; or the number of VMfailValid; or the exit of a failed entry with its qualification; and the rule that was named. */
export interface Verdict {
  readonly end: 'ok' | `error ${number}` | `exit ${number}, ${number}`
  readonly rule: string
}

export interface Judge {
  readonly rig: Rig
  readonly verdict: (changes: Changes) => Verdict
}

const FIELDS = Object.keys(VMCS_FIELDS) as VmcsFieldName[]

/** A processor with every secondary control that has a name, one excepted: the rules are about all of them, whatever ours offers. */
function everyControl(): MachineConfig {
  const config = resolveConfig({ memoryMiB: 8 })
  const index = MSRS.MSR_IA32_VMX_PROCBASED_CTLS2.index
  const offered = Object.values(VMX_CONTROLS).reduce(
    (mask, { word, bit }) => (word === 'secondary' ? mask | (1n << BigInt(bit + 32)) : mask),
    0n,
  )
  return { ...config, vmxMsrs: { ...config.vmxMsrs, [index]: offered & ~(1n << BigInt(allowedOneBit(NOT_OFFERED))) } }
}

export const NOT_OFFERED: ControlName = 'SECONDARY_EXEC_ENCLS_EXITING'

/** Asks about VMCSs that differ from the one that `controls` and `base` make; `prepare` is done before each entry. */
export function judge(controls: readonly ControlName[] = [], base: Changes = {}, prepare: (rig: Rig) => void = () => {}): Judge {
  const rig = rigOf(createMachine(everyControl(), false), 'nop', controls)
  apply(rig, base)
  const good = FIELDS.map(name => [name, rig.read(name)] as const)
  const verdict = (changes: Changes): Verdict => {
    for (const [name, value] of good) rig.write(name, value)
    apply(rig, changes)
    prepare(rig)
    return ask(rig)
  }
  return { rig, verdict }
}

function apply(rig: Rig, { set = [], clear = [], ...fields }: Changes): void {
  for (const [name, value] of Object.entries(fields)) rig.write(name as VmcsFieldName, value)
  for (const control of set) rig.set(control, true)
  for (const control of clear) rig.set(control, false)
}

function ask(rig: Rig): Verdict {
  const { machine, events } = rig
  machine.memory.write32(VMCS + 8, 0) // clear, so that VMLAUNCH may enter
  events.length = 0
  const outcome = rig.launch()
  const rule = events.flatMap(event => (event.kind === 'vmx_entry_failed' ? [event.rule] : [])).join()
  if (outcome.kind === 'failed') return { end: `error ${outcome.error}`, rule }
  if (machine.cpus[0]!.vmx.mode === 'non-root') {
    vmExit(machine.engines[0]!, new VmExit('EXIT_REASON_PREEMPTION_TIMER'))
    return { end: 'ok', rule }
  }
  const reason = Number(rig.read('VM_EXIT_REASON'))
  if (reason >>> 31 === 0) return { end: 'ok', rule }
  return { end: `exit ${reason & 0xffff}, ${Number(rig.read('EXIT_QUALIFICATION'))}`, rule }
}

/** For each control a sentence that holds, and what shows it. */
export type ControlTests = Partial<Record<ControlName, readonly [sentence: string, run: () => void]>>
