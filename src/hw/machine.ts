/**
 * The machine: physical memory, CPUs, pending events, devices and whatever software sits on top as `host`. Its plain part can be
 * cloned; memory and register blocks hang outside it (see `hw/snapshot`).
 */

import { assert } from '../base/assert.ts'
import { viewsOf } from '../base/layout.ts'
import { type BusFacts, type BusState, newBus } from '../devices/devices.ts'
import {
  CPU_MODELS,
  type CpuFeature,
  type CpuModelName,
  closeFeatures,
  DEFAULT_CPU_MODEL,
  MAX_CPUS,
  signatureOf,
} from '../spec/cpu-models.ts'
import type { Observe } from '../spec/trace-events.ts'
import { newApic } from './apic/registers.ts'
import { type DecodeCache, dropDecoded, newDecodeCache } from './cpu/decode-cache.ts'
import { Engine } from './cpu/engine.ts'
import { disarmed, storeToMonitored } from './cpu/monitor.ts'
import { BLOCK_BYTES, type Cpu, REGISTER_LAYOUT, type Registers } from './cpu/registers.ts'
import { resetCpu } from './cpu/reset.ts'
import { Memory } from './memory.ts'
import { readBeyond, requireWhole, writeBeyond } from './physical-devices.ts'
import { type CostTable, defaultCosts } from './time/costs.ts'
import { type EventQueue, emptyQueue, NEVER } from './time/event-queue.ts'
import type { HostJitter } from './time/jitter.ts'
import { capabilityMsrs } from './vmx/capabilities.ts'
import { noControls } from './vmx/state.ts'

/** Everything that decides what the machine is; resolved, so that a trace that holds it needs no table of ours. */
export interface MachineConfig {
  readonly memoryMiB: number
  readonly cpus: number
  /** How long a CPU runs before the next one's turn, in ticks. */
  readonly turnTicks: number
  readonly features: readonly CpuFeature[]
  /** CPUID.01H:EAX, and the brand string. */
  readonly signature: number
  readonly brand: string
  /** What RDRAND and RDSEED draw from. */
  readonly randomSeed: number
  readonly tscKhz: number
  readonly costs: CostTable
  /** How the work of the host's software varies; null: it takes its cost to the tick. */
  readonly jitter: HostJitter | null
  /** VMX capability MSRs by index. */
  readonly vmxMsrs: Readonly<Record<number, bigint>>
  readonly devices: DeviceConfig
}

/** What firmware and devices say of the machine. */
export interface DeviceConfig {
  /** The memory that its user, a guest or the bare CPU's software, has. */
  readonly memoryMiB: number
  /** The date at power-on, in seconds since 1970. */
  readonly dateSeconds: number
  readonly commandLine: string
}

/** 1 January 2026, noon. */
const DEFAULT_DATE_SECONDS = Date.UTC(2026, 0, 1, 12) / 1000

/** 5 microseconds at 2 GHz: short beside a timer tick of an operating system, long beside a spin lock. */
const DEFAULT_TURN_TICKS = 10_000

export interface MachineOptions {
  readonly cpus?: number
  readonly turnTicks?: number
  readonly memoryMiB?: number
  readonly model?: CpuModelName
  /** Instead of the model's own. */
  readonly features?: readonly CpuFeature[]
  readonly randomSeed?: number
  readonly tscKhz?: number
  readonly costs?: CostTable
  readonly jitter?: HostJitter
  readonly devices?: Partial<DeviceConfig>
}

/**
 * exit-port: the status that was written. shutdown: a triple fault. reset: `by` names what pulsed the line. unsupported: `what` the
 * guest asked for. exception-loop: exceptions for ever, without an instruction between them.
 */
export type MachineEnd =
  | { readonly reason: 'exit-port' | 'shutdown' | 'power-off'; readonly status: number }
  | { readonly reason: 'reset'; readonly status: number; readonly by: string }
  | { readonly reason: 'unsupported'; readonly status: number; readonly what: string }
  | { readonly reason: 'exception-loop'; readonly status: number; readonly vector: number }

/** The part of a machine that is plain data under one root. */
export interface PlainState {
  tick: number
  /** Why the run is over. */
  ended: MachineEnd | null
  queue: EventQueue
  /** Whose turn it is, and until when. */
  turn: { cpu: number; ends: number }
  cpus: Cpu[]
  bus: BusState
  /** The software above the door keeps its state here; the silicon never looks into it. */
  host: unknown
}

export interface Machine extends PlainState {
  readonly config: MachineConfig
  readonly memory: Memory
  readonly registers: readonly Registers[]
  readonly engines: Engine[]
  readonly decoded: DecodeCache
  /** TLB, decode cache and what VM entries remember in use; switched off only to show that they are not observable. */
  readonly caching: boolean
  /** Read-only memory that ends at 4 GiB; part of the program that is run, not of the state. */
  rom: Uint8Array
  /** The CPU whose instruction is under way. */
  running: number
  observe: Observe | undefined
  /** Set by an observer: `run` returns before the next instruction. */
  pause: boolean
  /** Asked before each instruction of a guest; true: `run` returns as if paused. It may read everything and change nothing. */
  look: ((engine: Engine) => boolean) | undefined
}

export const PLAIN_KEYS = ['tick', 'ended', 'queue', 'turn', 'cpus', 'bus', 'host'] as const satisfies readonly (keyof PlainState)[]

/** A configuration with every choice made. */
export function resolveConfig(options: MachineOptions = {}): MachineConfig {
  const model = CPU_MODELS[options.model ?? DEFAULT_CPU_MODEL]
  const features = closeFeatures(new Set(options.features ?? model.features))
  const memoryMiB = options.memoryMiB ?? 64
  return {
    memoryMiB,
    cpus: options.cpus ?? 1,
    turnTicks: options.turnTicks ?? DEFAULT_TURN_TICKS,
    features,
    signature: signatureOf(model),
    brand: model.brand,
    randomSeed: options.randomSeed ?? 0,
    tscKhz: options.tscKhz ?? 2_000_000,
    costs: options.costs ?? defaultCosts(),
    jitter: options.jitter ?? null,
    vmxMsrs: capabilityMsrs(new Set(features)),
    devices: { memoryMiB, dateSeconds: DEFAULT_DATE_SECONDS, commandLine: '', ...options.devices },
  }
}

/** When a turn that begins at `tick` ends; a CPU alone has no turns. */
export const turnEnd = ({ cpus, turnTicks }: MachineConfig, tick: number): number => (cpus === 1 ? NEVER : tick + turnTicks)

function newCpu(index: number): Cpu {
  return {
    index,
    instructions: 0,
    exceptionsInARow: { after: 0, count: 0 },
    activity: 'active',
    hostIdle: false,
    stiBlocking: false,
    movSsBlocking: false,
    nmiBlocking: false,
    nmiPending: false,
    initPending: false,
    startUpVector: -1,
    monitor: disarmed(),
    midRepeat: false,
    randomDraws: 0,
    segments: Array.from({ length: 8 }, () => ({ selector: 0, limit: 0, accessRights: 0 })),
    gdtr: { base: 0n, limit: 0 },
    idtr: { base: 0n, limit: 0 },
    msrs: {},
    apic: newApic(),
    vmx: {
      mode: 'off',
      rootSoftware: 'guest',
      guestLevel: 1,
      vmxonRegion: -1,
      currentVmcs: -1,
      controls: noControls(),
      tprThreshold: 0,
      guestDeadline: 0n,
      rvi: 0,
      svi: 0,
      virtualInterruptRecognised: false,
      virtualNmiBlocking: false,
      apicWrite: -1,
      pendingDebug: 0,
      trapPending: false,
      firstPause: 0,
      lastPause: 0,
      preemptionTick: NEVER,
    },
  }
}

const busFacts = ({ cpus, devices: { memoryMiB, dateSeconds, commandLine } }: MachineConfig): BusFacts => ({
  cpus,
  memoryBytes: memoryMiB * 2 ** 20,
  dateSeconds,
  commandLine,
  files: [],
})

export function createMachine(config: MachineConfig = resolveConfig(), caching = true): Machine {
  assert(config.cpus >= 1 && config.cpus <= MAX_CPUS, `a machine has 1 to ${MAX_CPUS} CPUs`)
  const memory = new Memory(config.cpus, config.memoryMiB * 2 ** 20)
  const indexes = Array.from({ length: config.cpus }, (_, index) => index)
  const machine: Machine = {
    config,
    memory,
    registers: indexes.map(index => viewsOf(REGISTER_LAYOUT, memory.buffer, index * BLOCK_BYTES)),
    engines: [],
    decoded: newDecodeCache(),
    caching,
    rom: new Uint8Array(),
    running: 0,
    observe: undefined,
    pause: false,
    look: undefined,
    tick: 0,
    ended: null,
    queue: emptyQueue(),
    turn: { cpu: 0, ends: turnEnd(config, 0) },
    cpus: indexes.map(newCpu),
    bus: newBus(busFacts(config)),
    host: null,
  }
  for (const index of indexes) {
    machine.engines.push(new Engine(machine, index))
    resetCpu(machine, index)
  }
  memory.readBeyond = (address, size) => readBeyond(machine, address, size)
  memory.writeBeyond = (address, size, value) => writeBeyond(machine, address, size, value)
  memory.onSplit = (address, access) => requireWhole(machine, address, access)
  memory.onCodeWrite = page => dropDecoded(machine.decoded, page)
  memory.onMonitoredWrite = (address, bytes) => storeToMonitored(machine, address, bytes)
  memory.onPagingWrite = () => {
    memory.unmarkPaging()
    for (const engine of machine.engines) engine.dropTranslations()
  }
  return machine
}
