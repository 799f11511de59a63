/**
 * A guest that is taken from its machine and set going in a new one at sync points, as a KVM selftest's state test does; and the same guest
 * left where it is. A sync point is where KVM_RUN has come back to user space and what it came for is done.
 */

import { createHash } from 'node:crypto'
import { createMachine, type MachineConfig } from '../../src/hw/machine.ts'
import { type CostTable, defaultCosts } from '../../src/hw/time/costs.ts'
import type { KvmState, VcpuState } from '../../src/kvm/state.ts'
import type { RunOptions } from '../../src/session/config.ts'
import { deliverInput, drive, endRun, type GuestRun, type RunEnd, turn } from '../../src/session/guest-run.ts'
import type { TraceEvent } from '../../src/spec/trace-events.ts'
import { restoreVm, type SavedVm, saveVm } from '../../src/vmm/migration.ts'
import { HYPERVISOR_MEMORY_MIB } from '../../src/vmm/nested-guest.ts'
import { GUEST_MEMORY_AT, handleUserExit } from '../../src/vmm/vmm.ts'
import { started } from './rig.ts'

const isHostsWork = (name: string): boolean => name.startsWith('kvm') || name === 'vmEntry' || name === 'vmExit'

/** Neither entries and exits nor the host's work take time: what a guest sees does not depend on how often it exits. */
export const freeHost = (): CostTable =>
  Object.fromEntries(Object.entries(defaultCosts()).map(([name, ticks]) => [name, isHostsWork(name) ? 0 : ticks])) as CostTable

export interface Journey {
  readonly end: RunEnd
  readonly console: string
  /** Of the guest's registers and memory, at each sync point and at the end. */
  readonly digests: readonly string[]
  readonly migrations: number
}

export interface JourneyOptions extends RunOptions {
  readonly input?: string
  /** At which sync points the guest leaves its machine. */
  readonly leavesAt?: (point: number) => boolean
  /** One digest for so many sync points, and one at the end. */
  readonly digestEvery?: number
  /** Points behind every VM exit and in every halt too: user space does not wait until KVM_RUN comes back. */
  readonly kicked?: boolean
  /** The machine that it goes to. */
  readonly nextMachine?: (machine: MachineConfig) => MachineConfig
}

/** Far beyond what any of the guests needs. */
const MAX_INSTRUCTIONS = 5_000_000
/** The next machine is older by so many ticks: a multiple of what the preemption timer counts in. */
const OLDER = 2 ** 24

const vcpuOf = ({ machine }: GuestRun): VcpuState => (machine.host as KvmState).vms[0]!.vcpus[0]!

const memoryOf = ({ guestMemoryMiB, hypervisor }: GuestRun['config']): number =>
  guestMemoryMiB + (hypervisor === null ? 0 : HYPERVISOR_MEMORY_MIB)

const spelled = (_key: string, value: unknown): unknown => (typeof value === 'bigint' ? `${value}n` : value)

function digest({ machine, vmm, config }: GuestRun): string {
  const hash = createHash('sha256')
  const { vcpu } = vmm!
  hash.update(JSON.stringify([vcpu.getRegs(), vcpu.getSregs(), vcpu.getMsrs(vmm!.kvm.getMsrIndexList())], spelled))
  const first = GUEST_MEMORY_AT / 4096
  for (const page of machine.memory.writtenPages()) {
    if (page < first || page >= first + memoryOf(config) * 256) continue
    const bytes = machine.memory.page(page)
    if (bytes.some(byte => byte !== 0)) hash.update(String(page)).update(bytes)
  }
  return hash.digest('hex')
}

/** KVM_RUN does what is begun and comes back with EINTR. */
function settle({ machine, vmm }: GuestRun): void {
  const { vcpu } = vmm!
  vcpu.setImmediateExit(true)
  while (vcpu.step() === 'user') handleUserExit(machine, vcpu)
  vcpu.setImmediateExit(false)
}

export const save = ({ machine, vmm, config }: GuestRun): SavedVm => saveVm(machine, vmm!, memoryOf(config))

export function moved(guest: GuestRun, nextMachine: NonNullable<JourneyOptions['nextMachine']> = same => same): GuestRun {
  const saved = save(guest)
  const config = { ...guest.config, machine: nextMachine(guest.config.machine) }
  const machine = createMachine(config.machine)
  machine.tick = guest.machine.tick + OLDER
  machine.observe = guest.machine.observe
  const vmm = restoreVm(machine, saved, guest.config)
  endRun(guest)
  return { config, machine, vmm }
}

/** Runs to where KVM_RUN comes back by itself, or with `kicked` to where it can be made to: behind the next VM exit, or in a halt. */
function toNextPoint(guest: GuestRun, kicked: boolean, isAtSyncPoint: () => boolean): RunEnd | null {
  if (!kicked) return drive(guest, MAX_INSTRUCTIONS, isAtSyncPoint)
  const begun = turn(guest, MAX_INSTRUCTIONS)
  if (begun !== null || isAtSyncPoint()) return begun
  guest.vmm!.vcpu.setImmediateExit(true)
  const end = drive(guest, MAX_INSTRUCTIONS, () => isAtSyncPoint() || vcpuOf(guest).phase !== 'guest')
  guest.vmm!.vcpu.setImmediateExit(false)
  return end
}

export function journey(
  path: string,
  { input, leavesAt = () => false, nextMachine, kicked = false, digestEvery = 1, ...options }: JourneyOptions,
): Journey {
  let guest = started(path, options)
  const bytes: number[] = []
  let isAtSyncPoint = false
  guest.machine.observe = (event: TraceEvent) => {
    if (event.kind === 'console') bytes.push(event.byte)
    else if (event.kind === 'kvm_userspace_exit') isAtSyncPoint = true
  }
  if (input !== undefined) deliverInput(guest, 'uart', Buffer.from(input))
  const digests: string[] = []
  let migrations = 0
  let syncPoints = 0
  for (let point = 0; ; point++) {
    isAtSyncPoint = false
    const end = toNextPoint(guest, kicked, () => isAtSyncPoint)
    if (end === null) settle(guest)
    if (isAtSyncPoint) syncPoints++
    if (end !== null || (isAtSyncPoint && syncPoints % digestEvery === 0)) digests.push(digest(guest))
    if (end !== null) return { end, console: Buffer.from(bytes).toString('latin1'), digests, migrations }
    if (guest.machine.ended !== null || !leavesAt(point)) continue
    guest = moved(guest, nextMachine)
    migrations++
  }
}
