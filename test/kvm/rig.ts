/** A guest under KVM whose vCPU a test sets up between boot and the first instruction, as the host part of a KVM selftest does. */

import { KvmError } from '../../src/kvm/error.ts'
import type { Vcpu } from '../../src/kvm/vcpu.ts'
import { type RunOptions, resolveRunConfig } from '../../src/session/config.ts'
import { drive, type GuestRun, type RunEnd, startRun } from '../../src/session/guest-run.ts'
import type { TraceEvent } from '../../src/spec/trace-events.ts'
import { guestImage } from '../recorded.ts'

export interface RigRun {
  readonly guest: GuestRun
  readonly end: RunEnd | null
  readonly events: readonly TraceEvent[]
  readonly console: string
}

/** A guest of the repository, at its first instruction. */
export function started(path: string, options: RunOptions & { defines?: Readonly<Record<string, string>> } = {}): GuestRun {
  return startRun(resolveRunConfig(options), guestImage(path, options.defines))
}

/** Runs it to its end. `setUp` gets the vCPU before. */
export function run(guest: GuestRun, setUp: (vcpu: Vcpu) => void = () => {}, maxInstructions = 5_000_000): RigRun {
  const events: TraceEvent[] = []
  guest.machine.observe = event => events.push(event)
  setUp(guest.vmm!.vcpu)
  const end = drive(guest, maxInstructions)
  const bytes = events.flatMap(event => (event.kind === 'console' ? [event.byte] : []))
  return { guest, end, events, console: Buffer.from(bytes).toString('latin1') }
}

/** A vCPU with memory and an in-kernel interrupt controller, which runs nothing. */
export const idleVcpu = (options: RunOptions = {}): Vcpu => started('examples/masked.asm', options).vmm!.vcpu

/** The value of an MSR, for user space. */
export const msrOf = (vcpu: Vcpu, index: number): bigint | undefined => vcpu.getMsrs([index])[0]?.data

export const setMsr = (vcpu: Vcpu, index: number, data: bigint): boolean => vcpu.setMsrs([{ index, data }]) === 1

/** The host's TSC, which no ioctl gives: the guest's less its offset, while its frequency is the host's. */
export function hostTscOf(vcpu: Vcpu): bigint {
  const khz = vcpu.getTscKhz()
  vcpu.setTscKhz(HOST_KHZ)
  const tsc = BigInt.asUintN(64, msrOf(vcpu, 0x10)! - vcpu.getTscOffset())
  vcpu.setTscKhz(khz)
  return tsc
}

const HOST_KHZ = 2_000_000

/** The errno that a misuse gives, `none` where it is accepted. */
export function errnoOf(misuse: () => unknown): string {
  try {
    misuse()
  } catch (thrown) {
    if (thrown instanceof KvmError) return thrown.errno
    throw thrown
  }
  return 'none'
}
