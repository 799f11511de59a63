/**
 * The driver: a loop over `machine.run` and `kvm.step`. Where everything stands is in the machine, so the loop may be left at any
 * turn and entered again, also after a restore.
 */

import { flatImage, type Image } from '../assembler/image.ts'
import { receiveInput } from '../hw/devices.ts'
import { createMachine, type Machine, type MachineEnd } from '../hw/machine.ts'
import { isHostIdle, retired, run } from '../hw/run.ts'
import { NEVER } from '../hw/time/event-queue.ts'
import type { EventOf } from '../spec/trace-events.ts'
import { bootBare } from '../vmm/bare.ts'
import type { BootEnvironment } from '../vmm/boot.ts'
import { bootEnvironmentOf } from '../vmm/loaders/load.ts'
import { HYPERVISOR_MEMORY_MIB, nest } from '../vmm/nested-guest.ts'
import { attachVm, canWake, driveLines, handleUserExit, startVm, type Vmm } from '../vmm/vmm.ts'
import { applyEdit } from './apply-edit.ts'
import type { RunConfig } from './config.ts'
import { EDIT_DEVICE } from './edit.ts'

/** A machine with its guest; `vmm` is null on the bare CPU. */
export interface GuestRun {
  readonly config: RunConfig
  readonly machine: Machine
  vmm: Vmm | null
}

/**
 * exit-port: the guest wrote its status. power-off: it switched the machine off by ACPI. reset: it reset the machine, `why` says how.
 * shutdown: triple fault. halted: HLT, and nothing is left that could wake it. unsupported: the guest asked for what this machine
 * refuses, `why` names it. exception-loop: exceptions (`why` tells of which vector) without an instruction between them.
 * budget: `maxInstructions` are used up. internal-error: KVM cannot go on, `why` says what happened.
 */
export interface RunEnd {
  readonly reason:
    | 'exit-port'
    | 'power-off'
    | 'shutdown'
    | 'reset'
    | 'unsupported'
    | 'exception-loop'
    | 'halted'
    | 'budget'
    | 'internal-error'
  readonly status: number
  readonly why: string
}

/** Who reset the machine, what it refuses, which exception never ends. */
function detailOf(end: MachineEnd): string {
  if (end.reason === 'reset') return end.by
  if (end.reason === 'exception-loop') return `vector ${end.vector}`
  return end.reason === 'unsupported' ? end.what : ''
}

const endOf = (reason: RunEnd['reason'], status = 0, why = ''): RunEnd => ({ reason, status, why })

/** What the program finds at its start; a `LoadError` where it cannot be booted as the configuration says. */
export const environmentOf = (config: RunConfig, image: Image): BootEnvironment =>
  bootEnvironmentOf({
    image,
    boot: config.boot,
    memoryMiB: config.guestMemoryMiB,
    cpus: config.machine.cpus,
    signature: config.machine.signature,
  })

/** Makes the machine and boots the guest in it; nothing has run yet. */
export function startRun(config: RunConfig, image: Image, observe?: Machine['observe'], caching = true): GuestRun {
  const machine = createMachine(config.machine, caching)
  machine.observe = observe
  const environment = environmentOf(config, image)
  if (config.mode === 'kvm') return { config, machine, vmm: bootVm(config, machine, environment) }
  bootBare(machine, environment)
  return { config, machine, vmm: null }
}

function bootVm({ hypervisor, guestMemoryMiB, ...kvm }: RunConfig, machine: Machine, environment: BootEnvironment): Vmm {
  if (hypervisor === null) return startVm(machine, environment, guestMemoryMiB, kvm)
  const l1 = nest(flatImage(hypervisor.bytes, hypervisor.origin, 64), environment, guestMemoryMiB)
  return startVm(machine, l1, guestMemoryMiB + HYPERVISOR_MEMORY_MIB, kvm)
}

/** A machine made for a state that is about to be restored. */
export function emptyRun(config: RunConfig, image: Image, caching = true): GuestRun {
  const machine = createMachine(config.machine, caching)
  if (config.boot.kind === 'rom') machine.rom = image.bytes
  return { config, machine, vmm: null }
}

/** The machine is not looked at any more: its memory serves the next one. */
export const endRun = ({ machine }: GuestRun): void => machine.memory.release()

/** To be called after a restore: handles are made anew. */
export function reattach(guest: GuestRun): void {
  guest.vmm = guest.config.mode === 'kvm' ? attachVm(guest.machine) : null
}

/** A person's input reaches the machine now. False: the machine refuses what it is to set. */
export function deliverInput({ machine, vmm }: GuestRun, device: string, bytes: Uint8Array): boolean {
  const event: EventOf<'input'> = {
    kind: 'input',
    tick: machine.tick,
    cpu: 0,
    level: 0,
    device,
    bytes,
    instructions: retired(machine),
  }
  machine.observe?.(event)
  if (device === EDIT_DEVICE) return applyEdit(machine, vmm, Buffer.from(bytes).toString())
  receiveInput(machine, device, bytes)
  return true
}

/** Instructions that the guest's CPUs have retired. */
export const instructionsOf = ({ machine }: GuestRun): number => retired(machine)

/** Whether the host's software, not the CPU, is to act next. */
function isHostsTurn({ machine, vmm }: GuestRun): boolean {
  const { vmx, hostIdle } = machine.cpus[machine.turn.cpu]!
  return vmm !== null && vmx.mode !== 'non-root' && !hostIdle
}

/**
 * Whether the guest, which has retired `instructions`, begins its next one now. Does what comes before: events that are due,
 * interrupts that are delivered.
 */
export function isAboutToExecute(guest: GuestRun, instructions: number): boolean {
  const { machine } = guest
  if (machine.ended !== null || isHostsTurn(guest)) return false
  for (;;) {
    machine.pause = false
    const result = run(machine, instructions)
    if (result !== 'paused') return result === 'budget'
  }
}

/**
 * One turn: a step of KVM with its user space, or a stretch of guest code that ends at the latest when `instructions` have been
 * retired. Null: there is more to do.
 */
export function turn(guest: GuestRun, instructions: number): RunEnd | null {
  const { machine, vmm } = guest
  if (machine.ended !== null) return endOf(machine.ended.reason, machine.ended.status, detailOf(machine.ended))
  if (vmm !== null && isHostsTurn(guest)) {
    driveLines(machine, vmm.vm)
    const vcpu = vmm.vcpus[machine.turn.cpu]!
    if (vcpu.step() !== 'user') return null
    const end = handleUserExit(machine, vcpu)
    return end?.kind === 'internal-error' ? endOf('internal-error', 0, end.why) : null
  }
  if (vmm !== null && isHostIdle(machine) && !canWake(machine, vmm.vm)) return endOf('halted')
  return run(machine, instructions) === 'idle' ? endOf('halted') : null
}

/** Turns until the run ends, the instructions are used up, or `isDone` says so after a turn (null). */
export function drive(guest: GuestRun, maxInstructions = NEVER, isDone: () => boolean = () => false): RunEnd | null {
  for (;;) {
    const end = turn(guest, maxInstructions)
    if (end !== null) return end
    if (isDone()) return null
    if (instructionsOf(guest) >= maxInstructions && !isHostsTurn(guest)) return endOf('budget')
  }
}
