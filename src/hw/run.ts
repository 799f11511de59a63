/**
 * Running the machine: guest code until a CPU leaves VMX non-root operation to a KVM above the door, idles there, reaches its
 * budget, or ends. Returns values; may be called again at any time.
 */

import { timerExpired } from './apic/apic-timer.ts'
import { offeredVector } from './apic/interrupts.ts'
import { canWake } from './apic/wake.ts'
import { attend } from './cpu/boundary.ts'
import type { Engine } from './cpu/engine.ts'
import { IF } from './cpu/lazy-flags.ts'
import { step } from './cpu/step.ts'
import { devicesDue } from './devices.ts'
import type { Machine } from './machine.ts'
import { NEVER, nextTick, type PendingEvent } from './time/event-queue.ts'

/**
 * host: the CPU is in VMX root operation and KVM is to act (after a VM exit, or because an interrupt came while it idled).
 * budget: the given number of instructions has been retired. idle: nothing is left that could wake the CPU.
 * paused: an observer asked for it. ended: the exit port was written or the CPU shut down (`machine.ended`).
 */
export type RunResult = 'host' | 'budget' | 'idle' | 'paused' | 'ended'

/** Runs until `instructions` in all are retired (counted from the machine's beginning), or something else ends it. */
export function run(machine: Machine, instructions = NEVER): RunResult {
  const engine = machine.engines[0]!
  engine.reload()
  try {
    for (;;) {
      const result = advance(machine, engine, instructions)
      if (result !== null) return result
    }
  } finally {
    engine.flush()
  }
}

/** One turn of the loop: due events, then idling, an event between instructions, or a stretch of instructions. */
function advance(machine: Machine, engine: Engine, instructions: number): RunResult | null {
  const { cpu } = engine
  dispatchDue(machine)
  if (machine.ended !== null) return 'ended'
  if (machine.pause) return paused(machine)
  if (cpu.vmx.rootSoftware === 'kvm' && cpu.vmx.mode !== 'non-root') return idleInHost(machine, engine)
  if (engine.attention && attend(engine)) return null
  if (cpu.activity === 'hlt')
    return canWake(machine, engine.index, (engine.flagsWord & IF) !== 0) ? jumpToNextEvent(machine, engine) : 'idle'
  do {
    if (cpu.instructions >= instructions) return 'budget'
    step(engine)
  } while (!engine.attention && machine.tick < nextTick(machine.queue) && machine.ended === null && !machine.pause)
  return null
}

function paused(machine: Machine): RunResult {
  machine.pause = false
  return 'paused'
}

function idleInHost(machine: Machine, engine: Engine): RunResult | null {
  const { cpu } = engine
  if (!cpu.hostIdle || offeredVector(machine, engine.index) >= 0) {
    cpu.hostIdle = false
    return 'host'
  }
  return jumpToNextEvent(machine, engine)
}

/** HLT: time passes to the next event; without one the CPU would wait for ever. */
function jumpToNextEvent(machine: Machine, engine: Engine): RunResult | null {
  const next = nextTick(machine.queue)
  if (next === NEVER) return 'idle'
  machine.tick = Math.max(machine.tick, next)
  engine.attention = true
  return null
}

function dispatchDue(machine: Machine): void {
  while (nextTick(machine.queue) <= machine.tick) dispatch(machine, machine.queue.rows.shift()!)
}

function dispatch(machine: Machine, event: PendingEvent): void {
  machine.engines[event.cpu]!.attention = true
  if (event.kind === 'apic-timer') timerExpired(machine, event.cpu)
  else if (event.kind === 'devices') devicesDue(machine)
  // The guest timer and the preemption timer are looked at between instructions, by their own state.
}
