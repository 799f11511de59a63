/**
 * The monitor hardware (Intel SDM, "MONITOR—Set Up Monitor Address"; "MWAIT—Monitor Wait"): MONITOR arms it with a line of memory, MWAIT
 * waits for a store to that line, or for what else ends the wait. It stands apart from the instructions since stores of all CPUs meet it.
 */

import { PAGE_SIZE } from '../../base/units.ts'
import { isInterruptOffered } from '../apic/interrupts.ts'
import type { Machine } from '../machine.ts'
import type { Engine } from './engine.ts'

/** Bytes of a line: the smallest and the largest of CPUID leaf 05H. */
export const MONITOR_LINE = 64

export interface MonitorState {
  /** MONITOR was executed, and no MWAIT and no store since. */
  armed: boolean
  /** Physical address of the line, for MONITOR and the MWAIT that followed it; -1: none, or it was stored to. */
  line: number
  /** MWAIT's ECX[0]: an interrupt ends the wait although RFLAGS.IF is clear. */
  breaksMasked: boolean
}

export const disarmed = (): MonitorState => ({ armed: false, line: -1, breaksMasked: false })

export function armMonitor({ cpu, memory }: Engine, address: number): void {
  cpu.monitor = { ...disarmed(), armed: true, line: address - (address % MONITOR_LINE) }
  memory.markMonitored(cpu.monitor.line)
}

/** Marks what is monitored: memory has forgotten it. */
export function markMonitored({ cpus, memory }: Machine): void {
  for (const { monitor } of cpus) if (monitor.line >= 0) memory.markMonitored(monitor.line)
}

/** A store to a page with a monitored line. Returns whether the page has another one. */
export function storeToMonitored(machine: Machine, address: number, bytes: number): boolean {
  let others = false
  for (const [index, { monitor }] of machine.cpus.entries()) {
    const { line } = monitor
    if (line < 0) continue
    if (line < address + bytes && address < line + MONITOR_LINE) {
      machine.cpus[index]!.monitor = { ...monitor, armed: false, line: -1 }
      machine.engines[index]!.attention = true
    } else if (Math.floor(line / PAGE_SIZE) === Math.floor(address / PAGE_SIZE)) others = true
  }
  return others
}

/** Ends the wait that was for a store, or for an interrupt that is not taken now. */
export function attendMonitor(engine: Engine): boolean {
  const { cpu, machine } = engine
  if (cpu.activity !== 'mwait') return false
  const offered = isInterruptOffered(machine, engine.index) || cpu.vmx.virtualInterruptRecognised
  if (cpu.monitor.line >= 0 && !(cpu.monitor.breaksMasked && offered)) return false
  cpu.activity = 'active'
  machine.tick += machine.config.costs.haltWake
  return true
}
