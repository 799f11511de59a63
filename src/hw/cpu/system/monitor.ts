/** MONITOR and MWAIT (Intel SDM, their pages; "Changes to Instruction Behavior in VMX Non-Root Operation"). */

import { shiftRight } from '../../../base/u64.ts'
import type { Instruction } from '../../../isa/instruction.ts'
import { IF } from '../../../isa/status-flags.ts'
import { MSRS } from '../../../spec/msrs.ts'
import { guestHas } from '../../vmx/state.ts'
import type { Engine } from '../engine.ts'
import { generalProtection, undefinedOpcode } from '../faults.ts'
import { armMonitor } from '../monitor.ts'
import { readMsr } from '../msrs.ts'
import { cplOf } from '../registers.ts'

const DS = 3
const BREAKS_MASKED = 1n
const ENABLE_MONITOR = 1n << 18n

/** IA32_MISC_ENABLE has not taken them away. */
export const isMonitorEnabled = (engine: Engine): boolean => (readMsr(engine, MSRS.MSR_IA32_MISC_ENABLE.index) & ENABLE_MONITOR) !== 0n

/** Besides their feature they need ring 0 and IA32_MISC_ENABLE: else #UD, also before a VM exit. */
export function requireMonitor(engine: Engine): void {
  if (cplOf(engine.cpu) !== 0 || !isMonitorEnabled(engine)) throw undefinedOpcode()
}

/** RCX in 64-bit mode, else ECX. */
const extensions = ({ registers, bits }: Engine): bigint => (bits === 64 ? registers.gpr[1]! : registers.gpr[1]! & 0xffff_ffffn)

/** DS:rAX, which is read as by a load of one byte. */
export function monitor(engine: Engine, { addressSize, segment }: Instruction): void {
  requireMonitor(engine)
  if (extensions(engine) !== 0n) throw generalProtection()
  const address = BigInt.asUintN(addressSize, engine.registers.gpr[0]!)
  const linear = engine.linear(segment === -1 ? DS : segment, address, 1, 'read')
  armMonitor(engine, engine.translate(linear, 'read'))
}

/** Does nothing where the monitor is not armed. */
export function mwait(engine: Engine): void {
  const { cpu } = engine
  requireMonitor(engine)
  const wanted = extensions(engine)
  if (shiftRight(wanted, 1) !== 0n) throw generalProtection()
  const breaksMasked = wanted === BREAKS_MASKED
  const { armed } = cpu.monitor
  cpu.monitor = { ...cpu.monitor, armed: false, breaksMasked }
  if (!armed || (breaksMasked && endsAtOnce(engine))) return
  cpu.activity = 'mwait'
  engine.attention = true
}

/** In a guest with interrupts off the wait would end by what the window, or a virtual interrupt, is for. */
const endsAtOnce = ({ cpu, flagsWord }: Engine): boolean =>
  (flagsWord & IF) === 0 &&
  cpu.vmx.mode === 'non-root' &&
  (guestHas(cpu.vmx, 'CPU_BASED_INTR_WINDOW_EXITING') || cpu.vmx.virtualInterruptRecognised)
