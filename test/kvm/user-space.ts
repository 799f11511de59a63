/** A guest under KVM whose exits the test answers itself, as the user space of a KVM selftest does. */

import type { KvmExit } from '../../src/kvm/exit-reason.ts'
import type { StepResult } from '../../src/kvm/step.ts'
import { resolveRunConfig } from '../../src/session/config.ts'
import { drive, type GuestRun, startRun, turn } from '../../src/session/guest-run.ts'
import type { TraceEvent } from '../../src/spec/trace-events.ts'
import type { Vmm } from '../../src/vmm/vmm.ts'
import { assembled, guestSource } from '../hw/bare.ts'

export interface UserSpace {
  readonly guest: GuestRun
  readonly vmm: Vmm
  readonly events: readonly TraceEvent[]
  gpr(index: number): bigint
  /** Runs until a step of KVM's ends as `isThere` says. */
  runUntil(isThere: (step: StepResult) => boolean): void
  /** KVM_RUN: runs until it returns; nothing is answered. */
  run(): KvmExit
  /** To the end, with the devices that there are. */
  finish(): void
}

const MAX_TURNS = 100_000

/** `body` is a guest program without its first and last lines. */
export function userSpace(body: string): UserSpace {
  const guest = startRun(resolveRunConfig({}), assembled(guestSource(body)))
  const events: TraceEvent[] = []
  guest.machine.observe = event => events.push(event)
  const vmm = guest.vmm!
  const runUntil = (isThere: (step: StepResult) => boolean): void => {
    for (let turns = 0; turns < MAX_TURNS; turns++) {
      const { vmx, hostIdle } = guest.machine.cpus[0]!
      if (vmx.mode === 'non-root' || hostIdle) turn(guest, Number.MAX_SAFE_INTEGER)
      else if (isThere(vmm.vcpu.step())) return
    }
    throw new Error('it does not come to that')
  }
  const run = (): KvmExit => {
    runUntil(step => step === 'user')
    return vmm.vcpu.exit()
  }
  const finish = (): void => {
    drive(guest, 1_000_000)
  }
  return { guest, vmm, events, gpr: index => guest.machine.registers[0]!.gpr[index]!, runUntil, run, finish }
}
