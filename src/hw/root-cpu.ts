/**
 * The door: all that software in VMX root operation can do to the silicon. KVM gets these objects and nothing else. Nothing here
 * calls back or blocks: a VM entry only sets the CPU's state, and `machine.run` executes the guest.
 */

import type { HostTsc } from '../base/units.ts'
import { hostTsc } from '../base/units.ts'
import type { Observe } from '../spec/trace-events.ts'
import type { VmcsFieldName } from '../spec/vmcs-fields.ts'
import { acknowledge, offeredVector } from './apic/interrupts.ts'
import { type CpuidResult, cpuid } from './cpu/cpuid.ts'
import type { Engine } from './cpu/engine.ts'
import { ownTsc, readMsr, writeMsr } from './cpu/msrs.ts'
import { isXcr0 } from './cpu/system/extended-state.ts'
import { cpuidContext } from './cpu/system/state.ts'
import { loadXsaveImage, xsaveImage } from './cpu/xsave-image.ts'
import { enterHostMode } from './host-mode.ts'
import type { Machine } from './machine.ts'
import type { CostName } from './time/costs.ts'
import { schedule } from './time/event-queue.ts'
import { jittered } from './time/jitter.ts'
import { vmEntry } from './vmx/entry.ts'
import * as vmx from './vmx/instructions.ts'
import type { VmxOutcome } from './vmx/outcome.ts'
import { readField, writeField } from './vmx/vmcs.ts'

/** Host-physical memory: little-endian, addresses as numbers; beyond its end reads are all ones and writes are dropped. */
export interface PhysicalMemory {
  readonly size: number
  read8(address: number): number
  read32(address: number): number
  read64(address: number): bigint
  write8(address: number, value: number): void
  write32(address: number, value: number): void
  write64(address: number, value: bigint): void
  writeBytes(address: number, bytes: Uint8Array): void
}

export interface RootCpu {
  readonly index: number
  readonly memory: PhysicalMemory
  vmxon(region: number): VmxOutcome
  vmclear(vmcs: number): VmxOutcome
  vmptrld(vmcs: number): VmxOutcome
  vmread(field: VmcsFieldName): bigint
  vmwrite(field: VmcsFieldName, value: bigint | number): void
  vmlaunch(): VmxOutcome
  vmresume(): VmxOutcome
  rdmsr(index: number): bigint
  wrmsr(index: number, value: bigint): void
  rdtsc(): HostTsc
  cpuid(leaf: number, subleaf: number): CpuidResult
  /** XSETBV of XCR0; the value must be one that the CPU takes. */
  xsetbv(value: bigint): void
  xgetbv(): bigint
  /** The x87, SSE and AVX registers as an XSAVE area in the standard format, and back: `bytes` is one that `xsave` gave. */
  xsave(): Uint8Array
  xrstor(bytes: Uint8Array): void
  /** DR0 to DR3 and DR6. */
  dr(index: number): bigint
  setDr(index: number, value: bigint): void
  gpr(index: number): bigint
  setGpr(index: number, value: bigint): void
  cr2(): bigint
  setCr2(value: bigint): void
  /** Whether the physical APIC offers an interrupt. */
  interruptPending(): boolean
  /** Takes the offered interrupt as the host's IDT would: its vector, now in service; -1 if there is none. */
  takeInterrupt(): number
  /** HLT in the host: `machine.run` lets time pass until an interrupt is offered. */
  idle(): void
  /** PAUSE in a loop in the host, with interrupts on: `machine.run` lets time pass until one is offered or the TSC reads so much. */
  pollUntil(tsc: HostTsc): void
  /** Busy waiting until the TSC reads at least this much. */
  spinUntil(tsc: HostTsc): void
  /** Whether the CPU is executing a guest: what the kernel knows by running elsewhere. */
  inGuest(): boolean
  /** Tells observers how deep the guest of the next VM entry is; nothing else depends on it. */
  nameLevel(level: 1 | 2): void
  /** The software's own work takes time; the cost table says how much. */
  spend(why: CostName): void
}

/** The machine as a host kernel has it. */
export interface RootMachine {
  readonly cpus: readonly RootCpu[]
  readonly memory: PhysicalMemory
  readonly tscKhz: number
  /** Where the software above the door keeps its state, as host memory does. */
  host: unknown
  readonly observe: Observe | undefined
  readonly tick: number
}

/** Gives the CPUs to root software above the door: VMX enabled, x2APIC on, in 64-bit mode. */
export function rootMachine(machine: Machine): RootMachine {
  for (const engine of machine.engines) if (engine.cpu.vmx.rootSoftware !== 'kvm') enterHostMode(engine)
  const cpus = machine.engines.map(engine => rootCpu(machine, engine))
  return {
    cpus,
    memory: machine.memory,
    tscKhz: machine.config.tscKhz,
    get host() {
      return machine.host
    },
    set host(value) {
      machine.host = value
    },
    get observe() {
      return machine.observe
    },
    get tick() {
      return machine.tick
    },
  }
}

function rootCpu(machine: Machine, engine: Engine): RootCpu {
  const { registers, index } = engine
  return {
    index,
    memory: machine.memory,
    vmxon: region => vmx.vmxon(engine, BigInt(region)),
    vmclear: vmcs => vmx.vmclear(engine, BigInt(vmcs)),
    vmptrld: vmcs => vmx.vmptrld(engine, BigInt(vmcs)),
    vmread: field => {
      const vmcs = vmx.vmcsWith(engine, field)
      if (typeof vmcs !== 'number') throw new RootMisuse(`VMREAD of ${field} failed`)
      return readField(machine.memory, vmcs, field)
    },
    vmwrite: (field, value) => {
      const vmcs = vmx.vmcsWith(engine, field)
      if (typeof vmcs !== 'number') throw new RootMisuse(`VMWRITE of ${field} failed`)
      writeField(machine.memory, vmcs, field, value)
    },
    vmlaunch: () => enter(engine, true),
    vmresume: () => enter(engine, false),
    rdmsr: msr => readMsr(engine, msr),
    wrmsr: (msr, value) => writeMsr(engine, msr, value),
    rdtsc: () => hostTsc(ownTsc(engine)),
    cpuid: (leaf, subleaf) => cpuid(machine.config, leaf, subleaf, cpuidContext(engine)),
    xsetbv: value => {
      if (!isXcr0(engine, value)) throw new RootMisuse(`XSETBV of 0x${value.toString(16)} failed`)
      registers.xcr0[0] = value
    },
    xgetbv: () => registers.xcr0[0]!,
    xsave: () => xsaveImage(registers),
    xrstor: bytes => loadXsaveImage(registers, bytes),
    dr: register => registers.dr[register]!,
    setDr: (register, value) => {
      registers.dr[register] = value
    },
    gpr: register => registers.gpr[register]!,
    setGpr: (register, value) => {
      registers.gpr[register] = value
    },
    cr2: () => registers.cr[2]!,
    setCr2: value => {
      registers.cr[2] = value
    },
    interruptPending: () => offeredVector(machine, index) >= 0,
    takeInterrupt: () => acknowledge(machine, index),
    idle: () => {
      machine.cpus[index]!.hostIdle = true
    },
    pollUntil: tsc => {
      machine.cpus[index]!.hostIdle = true
      schedule(machine.queue, machine.tick + Number(tsc - ownTsc(engine)), 'host-poll', index)
    },
    spinUntil: tsc => {
      const left = tsc - ownTsc(engine)
      if (left > 0n) machine.tick += Number(left)
    },
    inGuest: () => engine.cpu.vmx.mode === 'non-root',
    nameLevel: level => {
      engine.cpu.vmx.guestLevel = level
    },
    spend: why => {
      const { costs, jitter } = machine.config
      machine.tick += jitter ? jittered(jitter, costs[why], machine.tick) : costs[why]
    },
  }
}

/** Root software asked for what the silicon does not have: a bug above the door, as an oops in a kernel would be. */
class RootMisuse extends Error {
  override name = 'RootMisuse'
}

/** The engine's flags are private to it: written back after an entry, which may deliver an event. */
function enter(engine: Engine, launch: boolean): VmxOutcome {
  const outcome = vmEntry(engine, launch)
  engine.flush()
  return outcome
}
