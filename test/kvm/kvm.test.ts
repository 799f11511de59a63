/** The ioctls: what they do, and the errno of each misuse. */

import { describe, expect, test } from 'vitest'
import { createMachine, resolveConfig } from '../../src/hw/machine.ts'
import { rootMachine } from '../../src/hw/root-cpu.ts'
import { type Kvm, openKvm } from '../../src/kvm/kvm.ts'
import type { KvmParameters } from '../../src/kvm/parameters.ts'
import type { Vm } from '../../src/kvm/vm.ts'
import { resolveRunConfig } from '../../src/session/config.ts'
import { record } from '../../src/session/record.ts'
import { assembled, guestSource } from '../hw/bare.ts'
import { errnoOf } from './rig.ts'

const MIB = 2 ** 20

function opened(): { kvm: Kvm; vm: Vm } {
  const kvm = openKvm(rootMachine(createMachine(resolveConfig({ memoryMiB: 64 }))))
  return { kvm, vm: kvm.createVm() }
}

const region = (change: Partial<Parameters<Vm['setUserMemoryRegion']>[0]> = {}) => ({
  slot: 0,
  guestPhysAddr: 0,
  memorySize: MIB,
  userspaceAddr: 16 * MIB,
  ...change,
})

describe('misuse gives the errno of the ioctl', () => {
  test.each<[string, string, (vm: Vm) => unknown]>([
    ['a region that starts inside a page', 'EINVAL', vm => vm.setUserMemoryRegion(region({ guestPhysAddr: 1 }))],
    ['a region larger than the machine', 'ENOMEM', vm => vm.setUserMemoryRegion(region({ memorySize: 1024 * MIB }))],
    ['memory written outside the slots', 'EFAULT', vm => vm.writeMemory(0x1000, new Uint8Array(1))],
    ['a second vCPU of the same number', 'EEXIST', vm => [vm.createVcpu(0), vm.createVcpu(0)]],
    ['a vCPU without a physical CPU', 'EINVAL', vm => vm.createVcpu(1)],
    ['an interrupt controller after a vCPU', 'EINVAL', vm => [vm.createVcpu(0), vm.createIrqchip()]],
    ['a second interrupt controller', 'EEXIST', vm => [vm.createIrqchip(), vm.createIrqchip()]],
    ['a PIT without an interrupt controller', 'ENXIO', vm => vm.createPit2()],
    ['a second PIT', 'EEXIST', vm => [vm.createIrqchip(), vm.createPit2(), vm.createPit2()]],
    ['a line without an interrupt controller', 'ENXIO', vm => vm.irqLine(4, true)],
    ['KVM_RUN entered again though it has not returned', 'EINVAL', vm => vm.createVcpu(0).resume()],
    ['the exit of a vCPU that has not run', 'EINVAL', vm => vm.createVcpu(0).exit()],
    ['a vCPU that is not there', 'ENOENT', vm => vm.vcpu(3).step()],
  ])('%s: %s', (_title, errno, misuse) => {
    expect(errnoOf(() => misuse(opened().vm))).toBe(errno)
  })

  test('overlapping slots: EEXIST, but a slot may be moved', () => {
    const { vm } = opened()
    vm.setUserMemoryRegion(region())
    expect(errnoOf(() => vm.setUserMemoryRegion(region({ slot: 1, guestPhysAddr: MIB / 2 })))).toBe('EEXIST')
    expect(errnoOf(() => vm.setUserMemoryRegion(region({ guestPhysAddr: 2 * MIB })))).toBe('none')
  })
})

/** Runs a guest under KVM and gives the registers it left, and the counts of its exits. */
function runKvm(body: string, parameters: Partial<KvmParameters> = {}) {
  const exits: Record<number, number> = {}
  const observe = (event: { kind: string; reason?: unknown }): void => {
    if (event.kind === 'kvm_exit') exits[event.reason as number] = (exits[event.reason as number] ?? 0) + 1
  }
  const { guest, end } = record(resolveRunConfig({ parameters }), assembled(guestSource(body)), { observe, maxInstructions: 1_000_000 })
  return { gpr: (index: number) => guest.machine.registers[0]!.gpr[index]!, exits, end }
}

describe('a guest', () => {
  test('sees a hypervisor, KVM by name, and with nested=0 no VMX', () => {
    const { gpr } = runKvm('mov eax, 1\ncpuid\nmov r8, rcx\nmov eax, 0x40000000\ncpuid\nmov r9, rbx\nmov eax, 0x40000000', {
      nested: false,
    })
    expect((gpr(8) >> BigInt(31)) & 1n).toBe(1n)
    expect((gpr(8) >> BigInt(5)) & 1n).toBe(0n)
    expect(gpr(9)).toBe(0x4b4d_564bn)
  })
  test('gets #UD for VMX instructions with nested=0', () => {
    const { gpr } = runKvm('set_gate 6, handler\nload_idt\nvmxoff\njmp finish\nhandler: mov r8, 6\nexit 0\nfinish:', { nested: false })
    expect(gpr(8)).toBe(6n)
  })
  test('gets #GP for an MSR that KVM does not know', () => {
    const { gpr } = runKvm('set_gate 13, handler\nload_idt\nmov ecx, 0x12345\nrdmsr\nhandler: pop r8\nmov r9, 13\nexit 0')
    expect([gpr(8), gpr(9)]).toEqual([0n, 13n])
  })
  test('cannot set CR4.VMXE with nested=0, and reads CR4 without it', () => {
    const { gpr } = runKvm(
      'mov r8, cr4\nset_gate 13, handler\nload_idt\nmov rax, cr4\nor rax, 1 << 13\nmov cr4, rax\nhandler: mov r9, 13\nexit 0',
      { nested: false },
    )
    expect([gpr(8), gpr(9)]).toEqual([0x20n, 13n])
  })
  test('reads its TSC without an exit, from near 0', () => {
    const { gpr, exits } = runKvm('read_tsc\nmov r8, rax\nread_tsc\nmov r9, rax')
    expect(gpr(8)).toBeLessThan(1_000_000n)
    expect(gpr(9)).toBeGreaterThan(gpr(8))
    expect(exits[16]).toBeUndefined()
  })
  test('writes its TSC, and IA32_TSC_ADJUST follows', () => {
    const { gpr } = runKvm('write_msr MSR_IA32_TSC, 0x10000000\nread_tsc\nmov r8, rax\nread_msr MSR_IA32_TSC_ADJUST\nmov r9, rax')
    expect(gpr(8) - 0x1000_0000n).toBeLessThan(100_000n)
    expect(gpr(9)).toBeGreaterThan(0x0f00_0000n)
  })
  test('touches each page once for an EPT violation', () => {
    const { exits } = runKvm('mov ecx, 10\nmov rbx, 0x400000\n.l: mov [rbx], rcx\nmov rax, [rbx]\nadd rbx, 4096\nloop .l')
    const none = runKvm('nop').exits[48]!
    expect(exits[48]! - none).toBe(10)
  })
  test('prints a string by REP OUTSB, one exit for each byte', () => {
    const { exits } = runKvm('lea rsi, [text]\nmov ecx, 5\nmov dx, 0x3f8\nrep outsb\njmp finish\ntext: db "hello"\nfinish:')
    expect(exits[30]).toBe(6)
  })
  test('reads all ones where it has no memory, as on a bus, and what it writes is lost', () => {
    const { gpr, end } = runKvm('mov rbx, 0x30000000\nmov qword [rbx], 1\nmov r8, [rbx]\nadd word [rbx], 2\nmovzx r9d, byte [rbx+1]')
    expect(end).toMatchObject({ reason: 'exit-port' })
    expect([gpr(8), gpr(9)]).toEqual([0xffff_ffff_ffff_ffffn, 0xffn])
  })
  test('that touches a device with an instruction that KVM does not emulate ends the run in words', () => {
    const { end } = runKvm('mov rax, cr4\nor eax, 0x200\nmov cr4, rax\nmov rax, 0x30000000\nmovups xmm0, [rax]')
    expect(end).toMatchObject({ reason: 'internal-error', why: expect.stringContaining('does not emulate') })
  })
  test('whose page tables have no memory ends the run where an exception is to be delivered', () => {
    const { end } = runKvm('lidt [idtr]\nmov eax, 0x30000000\nmov cr3, rax\nidtr: dw 0xfff\ndq 0')
    expect(end).toMatchObject({ reason: 'internal-error', why: expect.stringContaining('delivery of event 0x80000b0e') })
  })
})
