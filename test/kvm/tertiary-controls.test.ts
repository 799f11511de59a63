/** The tertiary controls of a guest hypervisor, in a VM with an in-kernel interrupt controller and in one without: there the timer is absent. */

import { describe, expect, test } from 'vitest'
import { createMachine } from '../../src/hw/machine.ts'
import { rootMachine } from '../../src/hw/root-cpu.ts'
import { openKvm } from '../../src/kvm/kvm.ts'
import { resolveRunConfig } from '../../src/session/config.ts'
import type { GuestRun } from '../../src/session/guest-run.ts'
import { longModeBoot } from '../../src/vmm/boot.ts'
import { guestImage } from '../recorded.ts'
import { msrOf, run, setMsr, started } from './rig.ts'

const GUEST = 'asm/tertiary-controls.asm'
const MIB = 2 ** 20
const TRUE_PROCBASED = 0x48e
const TERTIARY = 0x492
const BIT_17_ALLOWED = 1n << 49n
const TIMER = 0x100n

/** The guest in a VM whose local APIC would be user space's. */
function withoutIrqchip(): GuestRun {
  const config = resolveRunConfig({})
  const machine = createMachine(config.machine)
  const { pieces, registers } = longModeBoot(guestImage(GUEST, { NO_APIC: '' }))
  const kvm = openKvm(rootMachine(machine))
  const vm = kvm.createVm()
  vm.setUserMemoryRegion({ slot: 0, guestPhysAddr: 0, memorySize: 8 * MIB, userspaceAddr: 16 * MIB })
  const vcpu = vm.createVcpu(0)
  for (const { address, bytes } of pieces) vm.writeMemory(address, bytes)
  setMsr(vcpu, 0x3a, 5n)
  vcpu.setSregs(registers)
  vcpu.setRegs({
    rip: registers.rip,
    rflags: registers.rflags,
    gpr: Array.from({ length: 16 }, (_, at) => (at === 4 ? registers.rsp : 0n)),
  })
  return { config, machine, vmm: { kvm, vm, vcpu, vcpus: [vcpu] } }
}

describe.each([
  { title: 'with an in-kernel local APIC', make: () => started(GUEST), timer: true, tests: 5 },
  { title: 'without one', make: withoutIrqchip, timer: false, tests: 7 },
])('$title', ({ make, timer, tests }) => {
  test('the host sets bit 17, and the timer bit exactly when there is a timer', () => {
    const { vcpu } = make().vmm!
    expect(setMsr(vcpu, TRUE_PROCBASED, msrOf(vcpu, TRUE_PROCBASED)! | BIT_17_ALLOWED)).toBe(true)
    expect(setMsr(vcpu, TERTIARY, TIMER)).toBe(timer)
    expect(msrOf(vcpu, TERTIARY)).toBe(timer ? TIMER : 0n)
  })
  test('the guest finds the fields and the check of VM entry so', () => {
    const { console, end } = run(make())
    expect(console).not.toContain('FAIL')
    expect(console).toContain(`SUMMARY: ${tests} tests\n`)
    expect(end).toMatchObject({ reason: 'exit-port', status: 0 })
  })
})
