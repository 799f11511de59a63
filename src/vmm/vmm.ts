/**
 * The user space around KVM: guest memory, boot, and the devices behind KVM_EXIT_IO. Its devices' state is the machine's own bus,
 * which nothing else uses while KVM runs the CPUs.
 */

import { PAGE_SIZE } from '../base/units.ts'
import { replacesLegacy } from '../devices/hpet.ts'
import { linesDue, pinOf, TIMER_LINE, TIMER_PIN } from '../devices/interrupt-lines.ts'
import { IO_APIC_PINS } from '../devices/ioapic.ts'
import { CASCADE_LINE } from '../devices/pic.ts'
import { mmioRead, mmioWrite, portRead, portWrite } from '../hw/devices.ts'
import type { Machine } from '../hw/machine.ts'
import { rootMachine } from '../hw/root-cpu.ts'
import type { DefectName } from '../kvm/defects.ts'
import type { KvmExit } from '../kvm/exit-reason.ts'
import type { IrqRoute } from '../kvm/irqchip.ts'
import { type Kvm, openKvm } from '../kvm/kvm.ts'
import type { KvmParameters } from '../kvm/parameters.ts'
import type { Vcpu } from '../kvm/vcpu.ts'
import type { Vm } from '../kvm/vm.ts'
import { MSRS } from '../spec/msrs.ts'
import type { BootEnvironment } from './boot.ts'

/** Guest memory starts here in the machine's; below lies what a host would use. */
export const GUEST_MEMORY_AT = 16 * 2 ** 20
/** For the host itself and KVM's pages. */
export const HOST_MEMORY_MIB = 32

/** What firmware leaves: locked, with VMXON allowed outside SMX; where the guest has no VMX, only locked. */
const FEATURE_CONTROL_BY_FIRMWARE = [5n, 1n]

export interface Vmm {
  readonly kvm: Kvm
  readonly vm: Vm
  /** The one that boots. */
  readonly vcpu: Vcpu
  /** One for each of the machine's CPUs. */
  readonly vcpus: readonly Vcpu[]
}

/** QEMU's wiring: line 0 is the I/O APIC's pin 2. */
const PIC_LINES = 16
const routes = (): IrqRoute[] =>
  Array.from({ length: IO_APIC_PINS }, (_, gsi) => gsi).flatMap((gsi): IrqRoute[] => [
    ...(gsi < PIC_LINES && gsi !== CASCADE_LINE ? [{ gsi, chip: 'pic', pin: gsi } as const] : []),
    ...(gsi === TIMER_PIN ? [] : [{ gsi, chip: 'ioapic', pin: pinOf(gsi) } as const]),
  ])

/** How KVM is loaded. */
export interface KvmOptions {
  readonly parameters: Partial<KvmParameters>
  readonly defects?: readonly DefectName[]
}

/** Creates the VM with its memory, interrupt controllers and vCPUs. */
export function createVmWithMemory(machine: Machine, memoryMiB: number, { parameters, defects }: KvmOptions): Vmm {
  const kvm = openKvm(rootMachine(machine), parameters, defects)
  const vm = kvm.createVm()
  vm.createIrqchip()
  vm.setUserMemoryRegion({ slot: 0, guestPhysAddr: 0, memorySize: memoryMiB * 2 ** 20, userspaceAddr: GUEST_MEMORY_AT })
  vm.createPit2()
  vm.setGsiRouting(routes())
  const vcpus = machine.cpus.map(({ index }) => vm.createVcpu(index))
  return { kvm, vm, vcpu: vcpus[0]!, vcpus }
}

/** Boots the guest on the first vCPU of a new VM. */
export function startVm(machine: Machine, environment: BootEnvironment, memoryMiB: number, options: KvmOptions): Vmm {
  const vmm = createVmWithMemory(machine, memoryMiB, options)
  const { vm, vcpu, vcpus } = vmm
  for (const { address, bytes } of environment.pieces) vm.writeMemory(address, bytes)
  if (environment.rom !== undefined) addRom(machine, vm, environment.rom, memoryMiB)
  for (const each of vcpus)
    for (const data of FEATURE_CONTROL_BY_FIRMWARE) if (each.setMsrs([{ index: MSRS.MSR_IA32_FEAT_CTL.index, data }]) === 1) break
  const { registers } = environment
  vcpu.setSregs(registers)
  const gpr = Array.from({ length: 16 }, (_, index) => (index === RSP ? registers.rsp : (registers.general?.[index] ?? 0n)))
  vcpu.setRegs({ rip: registers.rip, rflags: registers.rflags, gpr })
  return vmm
}

const RSP = 4
const FOUR_GIB = 2 ** 32

/** Host memory that a ROM takes behind the guest's. */
export const romMemoryMiB = (romBytes: number): number => Math.ceil(romBytes / 2 ** 20)

/** Whole pages that end at 4 GiB; the ROM's own bytes are the last. */
function addRom({ memory }: Machine, vm: Vm, rom: Uint8Array, memoryMiB: number): void {
  const memorySize = Math.ceil(rom.length / PAGE_SIZE) * PAGE_SIZE
  const userspaceAddr = GUEST_MEMORY_AT + memoryMiB * 2 ** 20
  memory.writeBytes(userspaceAddr + memorySize - rom.length, rom)
  vm.setUserMemoryRegion({ slot: 1, guestPhysAddr: FOUR_GIB - memorySize, memorySize, userspaceAddr, readonly: true })
}

/** The handles for a machine whose state was restored. */
export function attachVm(machine: Machine): Vmm {
  const kvm = openKvm(rootMachine(machine))
  const vm = kvm.vm(0)
  return { kvm, vm, vcpu: vm.vcpu(0), vcpus: machine.cpus.map(({ index }) => vm.vcpu(index)) }
}

/** Tells KVM how its devices drove the interrupt lines since it was told last. Line 0 is the in-kernel PIT's, unless the HPET has taken it over. */
export function driveLines({ bus }: Machine, vm: Vm): void {
  if (bus.outbox.length === 0) return
  const levels = bus.outbox.splice(0)
  const legacy = replacesLegacy(bus.hpet)
  vm.setPit2({ hpetLegacy: legacy })
  for (const level of levels) {
    const changed = level ^ bus.told
    bus.told = level
    for (let line = 0; line < IO_APIC_PINS; line++)
      if (((changed >> line) & 1) === 1 && (line !== TIMER_LINE || legacy)) vm.irqLine(line, ((level >> line) & 1) === 1)
  }
}

/** Whether anything could wake the guest, all of whose vCPUs wait. */
export const canWake = ({ bus, config }: Machine, vm: Vm): boolean =>
  vm.canWake(linesDue(bus, { tick: bus.settled, hertz: config.tscKhz * 1000 }))

/** Why a VM cannot go on, in words. */
export type VmEnd = { readonly kind: 'shutdown' } | { readonly kind: 'internal-error'; readonly why: string }

/** Deals with an exit to user space. Returns null when the vCPU runs on. */
export function handleUserExit(machine: Machine, vcpu: Vcpu): VmEnd | null {
  const exit = vcpu.exit()
  switch (exit.reason) {
    case 'KVM_EXIT_IO':
      handleIo(machine, vcpu, exit)
      return null
    case 'KVM_EXIT_MMIO':
      handleMmio(machine, vcpu, exit)
      return null
    // This user space has no MSRs of its own.
    case 'KVM_EXIT_X86_RDMSR':
    case 'KVM_EXIT_X86_WRMSR':
      vcpu.resume('error')
      return null
    case 'KVM_EXIT_SHUTDOWN':
      machine.ended = { reason: 'shutdown', status: 0 }
      return { kind: 'shutdown' }
    case 'KVM_EXIT_HLT':
      vcpu.resume()
      return null
    case 'KVM_EXIT_FAIL_ENTRY':
      return { kind: 'internal-error', why: `VM entry failed with hardware reason 0x${exit.hardwareReason.toString(16)}` }
    case 'KVM_EXIT_INTERNAL_ERROR':
      return { kind: 'internal-error', why: exit.why }
  }
}

function handleIo(machine: Machine, vcpu: Vcpu, { write, port, size, data }: Extract<KvmExit, { reason: 'KVM_EXIT_IO' }>): void {
  if (!write) {
    vcpu.resume(portRead(machine, vcpu.id, port, size))
    return
  }
  portWrite(machine, vcpu.id, port, size, data)
  vcpu.resume()
}

/** Devices see accesses of 1, 2 and 4 bytes; any other is one of each byte, and 8 bytes are two of 4. */
function handleMmio(machine: Machine, vcpu: Vcpu, { write, physAddr, size, data }: Extract<KvmExit, { reason: 'KVM_EXIT_MMIO' }>): void {
  const width = size === 8 ? 4 : size === 1 || size === 2 || size === 4 ? size : 1
  let value = 0n
  for (let at = 0; at < size; at += width) {
    const shift = BigInt(8 * at)
    if (write) mmioWrite(machine, vcpu.id, physAddr + at, width, Number((data >> shift) & 0xffff_ffffn) % 2 ** (8 * width))
    else value |= BigInt(mmioRead(machine, vcpu.id, physAddr + at, width)) << shift
  }
  vcpu.resume(value)
}
