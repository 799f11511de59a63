/**
 * Running the machine: guest code until a CPU leaves VMX non-root operation to a KVM above the door, idles there, reaches its
 * budget, or ends. Returns values; may be called again at any time.
 */

import { IF } from '../isa/status-flags.ts'
import { timerExpired } from './apic/apic-timer.ts'
import { offeredVector } from './apic/interrupts.ts'
import { canWake } from './apic/wake.ts'
import { attend } from './cpu/boundary.ts'
import type { Engine } from './cpu/engine.ts'
import { step } from './cpu/step.ts'
import { devicesDue } from './devices.ts'
import { type Machine, turnEnd } from './machine.ts'
import { cancel, NEVER, nextTick, type PendingEvent } from './time/event-queue.ts'

/**
 * host: the CPU is in VMX root operation and KVM is to act (after a VM exit, or because an interrupt came while it idled).
 * budget: the given number of instructions has been retired. idle: nothing is left that could wake the CPU.
 * paused: an observer asked for it. ended: the exit port was written or the CPU shut down (`machine.ended`).
 */
export type RunResult = 'host' | 'budget' | 'idle' | 'paused' | 'ended'

/** Instructions that all CPUs have retired since the machine was made: how far it has come. */
export const retired = (machine: Machine): number => machine.cpus.reduce((sum, { instructions }) => sum + instructions, 0)

/**
 * Runs until `instructions` in all are retired (by all CPUs, counted from the machine's beginning), or something else ends it.
 *
 * There is one clock, and CPUs take turns: while one runs, it moves the clock and the others stand. A turn ends after the configured
 * ticks, or when its CPU has nothing to do; the next in order that has something to do follows. Turns change between instructions
 * only, so an instruction is atomic for the other CPUs with or without a LOCK prefix.
 */
export function run(machine: Machine, instructions = NEVER): RunResult {
  for (const engine of machine.engines) engine.reload()
  try {
    for (;;) {
      const result = advance(machine, instructions)
      if (result !== null) return result
    }
  } finally {
    for (const engine of machine.engines) engine.flush()
  }
}

/** One step of the loop: due events, then idling, an event between instructions, or a stretch of instructions. */
function advance(machine: Machine, instructions: number): RunResult | null {
  dispatchDue(machine)
  if (machine.ended !== null) return 'ended'
  if (machine.pause) return paused(machine)
  const engine = machine.engines[machine.turn.cpu]!
  const { cpu } = engine
  machine.running = engine.index
  if (isInHost(engine)) return idleInHost(machine, engine)
  if (engine.attention && attend(engine)) return null
  if (cpu.activity !== 'active' || machine.tick >= machine.turn.ends) return passTurn(machine)
  const last = instructions - (retired(machine) - cpu.instructions)
  if (machine.look !== undefined) return advanceLooking(machine, engine, last, machine.look)
  engine.lastInstruction = last
  do {
    if (cpu.instructions >= last) return 'budget'
    step(engine)
  } while (!engine.attention && machine.tick < nextStop(machine) && machine.ended === null && !machine.pause)
  return null
}

/** The same stretch with somebody looking at each instruction, iterations of a REP singly. */
function advanceLooking(machine: Machine, engine: Engine, last: number, look: NonNullable<Machine['look']>): RunResult | null {
  const { cpu } = engine
  do {
    if (cpu.instructions >= last) return 'budget'
    if (look(engine)) return 'paused'
    engine.lastInstruction = cpu.instructions + 1
    step(engine)
  } while (!engine.attention && machine.tick < nextStop(machine) && machine.ended === null && !machine.pause)
  return null
}

/** The end of the turn, or the next event if that is earlier. */
const nextStop = ({ queue, turn }: Machine): number => Math.min(nextTick(queue), turn.ends)

/** The next CPU in order that runs, or has something to wake for; without one, time passes to the next event that wakes one. */
function passTurn(machine: Machine): RunResult | null {
  const { engines, turn } = machine
  for (let distance = 1; distance <= engines.length; distance++) {
    const engine = engines[(turn.cpu + distance) % engines.length]!
    machine.running = engine.index
    if (!hasWork(machine, engine)) continue
    turn.cpu = engine.index
    turn.ends = turnEnd(machine.config, machine.tick)
    return null
  }
  return engines.some(engine => isInHost(engine) || canWake(machine, engine.index, (engine.flagsWord & IF) !== 0))
    ? jumpToNextEvent(machine)
    : 'idle'
}

/** In VMX root operation, with KVM above the door. */
const isInHost = ({ cpu }: Engine): boolean => cpu.vmx.rootSoftware === 'kvm' && cpu.vmx.mode !== 'non-root'

/** KVM has to act on the CPU: it does not idle there, or an interrupt came while it did. */
const isHostAwake = (machine: Machine, { cpu, index }: Engine): boolean => !cpu.hostIdle || offeredVector(machine, index) >= 0

function hasWork(machine: Machine, engine: Engine): boolean {
  if (isInHost(engine)) return isHostAwake(machine, engine)
  return engine.cpu.activity === 'active' || (engine.attention && attend(engine))
}

function paused(machine: Machine): RunResult {
  machine.pause = false
  return 'paused'
}

function idleInHost(machine: Machine, engine: Engine): RunResult | null {
  if (!isHostAwake(machine, engine)) return passTurn(machine)
  engine.cpu.hostIdle = false
  cancel(machine.queue, 'host-poll', engine.index)
  return 'host'
}

/** Every CPU idles in the host: its software alone knows whether what may come is worth waiting for. */
export const isHostIdle = (machine: Machine): boolean => machine.engines.every(engine => isInHost(engine) && !isHostAwake(machine, engine))

/** Every CPU waits: time passes to the next event; without one they would wait for ever. */
function jumpToNextEvent(machine: Machine): RunResult | null {
  const next = nextTick(machine.queue)
  if (next === NEVER) return 'idle'
  machine.tick = Math.max(machine.tick, next)
  for (const engine of machine.engines) engine.attention = true
  return null
}

function dispatchDue(machine: Machine): void {
  while (nextTick(machine.queue) <= machine.tick) dispatch(machine, machine.queue.rows.shift()!)
}

function dispatch(machine: Machine, event: PendingEvent): void {
  machine.engines[event.cpu]!.attention = true
  if (event.kind === 'apic-timer') timerExpired(machine, event.cpu)
  else if (event.kind === 'devices') devicesDue(machine)
  else if (event.kind === 'host-poll') machine.cpus[event.cpu]!.hostIdle = false
  // The guest timer and the preemption timer are looked at between instructions, by their own state.
}
