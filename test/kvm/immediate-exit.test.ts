/** `immediate_exit` of `struct kvm_run`, and the counters of KVM_GET_STATS_FD against the trace. */

import { describe, expect, test } from 'vitest'
import type { RunOptions } from '../../src/session/config.ts'
import { instructionsOf } from '../../src/session/guest-run.ts'
import type { TraceEvent } from '../../src/spec/trace-events.ts'
import { run, started } from './rig.ts'
import { userSpace } from './user-space.ts'

const RAX = 0

describe('KVM_RUN with immediate_exit', () => {
  test('returns EINTR without an instruction of the guest', () => {
    const { guest, vmm } = userSpace('nop')
    vmm.vcpu.setImmediateExit(true)
    expect([vmm.vcpu.step(), vmm.vcpu.step()]).toEqual(['interrupted', 'interrupted'])
    expect(instructionsOf(guest)).toBe(0)
    vmm.vcpu.setImmediateExit(false)
    expect(vmm.vcpu.step()).toBe('run')
  })
  test('first completes the IN that user space has answered', () => {
    const { vmm, gpr, run: runVcpu } = userSpace('mov eax, 0x11223344\nmov dx, 0x3f8\nin al, dx\nhlt')
    expect(runVcpu()).toMatchObject({ reason: 'KVM_EXIT_IO', write: false })
    const { rip } = vmm.vcpu.getRegs()
    vmm.vcpu.setImmediateExit(true)
    vmm.vcpu.resume(0xab)
    expect(vmm.vcpu.step()).toBe('interrupted')
    expect(gpr(RAX)).toBe(0x1122_33abn)
    expect(vmm.vcpu.getRegs().rip).toBe(rip + 1n)
  })
  test('first completes an access to a device, and returns with the next one that it needs', () => {
    const { guest, vmm, run: runVcpu } = userSpace('mov rbx, 0x30000000\nmov rax, [rbx]\nadd qword [rbx + 4], 5\nhlt')
    expect(runVcpu()).toMatchObject({ reason: 'KVM_EXIT_MMIO', write: false })
    const before = instructionsOf(guest)
    vmm.vcpu.setImmediateExit(true)
    vmm.vcpu.resume(0x1234n)
    expect(vmm.vcpu.step()).toBe('interrupted')
    expect(vmm.vcpu.getRegs().gpr[RAX]).toBe(0x1234n)
    vmm.vcpu.setImmediateExit(false)
    expect(runVcpu()).toMatchObject({ reason: 'KVM_EXIT_MMIO', write: false, physAddr: 0x3000_0004 })
    vmm.vcpu.setImmediateExit(true)
    vmm.vcpu.resume(1n)
    // The write belongs to the same instruction: nothing is left half done.
    expect(vmm.vcpu.step()).toBe('user')
    expect(vmm.vcpu.exit()).toMatchObject({ reason: 'KVM_EXIT_MMIO', write: true, data: 6n })
    vmm.vcpu.resume()
    expect(vmm.vcpu.step()).toBe('interrupted')
    expect(instructionsOf(guest)).toBe(before)
  })
  test('leaves a halted vCPU halted', () => {
    const { guest, vmm, runUntil } = userSpace('hlt')
    runUntil(() => guest.machine.cpus[0]!.hostIdle)
    vmm.vcpu.setImmediateExit(true)
    expect(vmm.vcpu.step()).toBe('interrupted')
    expect(vmm.vcpu.getMpState()).toBe('halted')
  })
})

describe('the counters', () => {
  const exits =
    (reason: number) =>
    (event: TraceEvent): boolean =>
      event.kind === 'kvm_exit' && event.reason === reason
  const COUNTED = {
    exits: event => event.kind === 'kvm_exit',
    io_exits: exits(30),
    halt_exits: exits(12),
    irq_exits: exits(1),
    irq_window_exits: exits(7),
    hypercalls: exits(18),
    pf_taken: exits(48),
    irq_injections: event => event.kind === 'kvm_inj_virq' && event.reinjected === 0,
    halt_wakeup: event => event.kind === 'kvm_vcpu_wakeup',
  } satisfies Record<string, (event: TraceEvent) => boolean>

  test.each<[string, RunOptions]>([
    ['examples/deadline-hlt.asm', {}],
    ['examples/deadline-hlt.asm', { parameters: { enable_apicv: false, preemption_timer: false } }],
    ['examples/one-shot.asm', { parameters: { halt_poll_ns: 0 } }],
  ])('of %s with %o are what the trace shows', (path, options) => {
    const { guest, events } = run(started(path, options))
    const stats = guest.vmm!.vcpu.getStats()
    for (const [name, isCounted] of Object.entries(COUNTED))
      expect([name, stats[name as keyof typeof COUNTED]]).toEqual([name, events.filter(isCounted).length])
    expect(stats.exits).toBeGreaterThan(stats.io_exits)
  })
  test('of nested entries, and of deadlines that KVM injects', () => {
    const nested = run(started('asm/apic-timer-nested-groups.asm'))
    const entries = nested.events.filter(event => event.kind === 'kvm_nested_vmenter').length
    expect(entries).toBeGreaterThan(3)
    expect(nested.guest.vmm!.vcpu.getStats().nested_run).toBe(entries)
    const [off, on] = [false, true].map(apic_timer_virt => run(started('examples/deadline-busy.asm', { parameters: { apic_timer_virt } })))
    expect(off!.guest.vmm!.vcpu.getStats().inject_tscdeadline).toBeGreaterThan(2)
    expect(on!.guest.vmm!.vcpu.getStats().inject_tscdeadline).toBe(0)
  })
})
