/**
 * What a guest program that uses VMX can observe of a run: the outcome of each instruction that asks the processor something, and at
 * each VM exit every field of its VMCS and the registers. On the bare CPU the VMCS is the hardware's; under KVM it is vmcs12.
 */

import type { Image } from '../../../src/assembler/image.ts'
import { rootMachine } from '../../../src/hw/root-cpu.ts'
import { retired } from '../../../src/hw/run.ts'
import { readField } from '../../../src/hw/vmx/vmcs.ts'
import { decode } from '../../../src/isa/decode.ts'
import type { Instruction } from '../../../src/isa/instruction.ts'
import { contextOf } from '../../../src/kvm/context.ts'
import { isRareField } from '../../../src/kvm/nested/sync.ts'
import { readVmcs12, VMCS12_OFFSETS, vmcs12Has } from '../../../src/kvm/nested/vmcs12.ts'
import type { VcpuState } from '../../../src/kvm/state.ts'
import { type RunOptions, resolveRunConfig } from '../../../src/session/config.ts'
import { type GuestRun, instructionsOf, isAboutToExecute, type RunEnd, startRun, turn } from '../../../src/session/guest-run.ts'
import { guestRegisters } from '../../../src/session/timeline-guest.ts'
import { hostPhysical, linearBytes } from '../../../src/session/timeline-memory.ts'
import { MSRS } from '../../../src/spec/msrs.ts'
import type { VmcsFieldName } from '../../../src/spec/vmcs-fields.ts'
import { definedFields } from './exit-fields.ts'

/** The program stands before an instruction of its own. */
interface Stand {
  readonly rip: bigint
  readonly gpr: readonly bigint[]
  readonly rflags: bigint
  readonly cr2: bigint
}

export type Observation =
  /**
   * RFLAGS of a VMX instruction, of another what it changed there; the registers that it changed, or where it led instead of to the next
   * one. Of a loop that polls the TSC, the last time alone: how often it turns is a matter of time.
   */
  | {
      readonly kind: 'instruction'
      readonly rip: bigint
      readonly mnemonic: string
      readonly operand: bigint
      readonly next: bigint
      readonly rflags: bigint
      readonly changed: readonly (readonly [register: number, value: bigint])[]
    }
  | { readonly kind: 'exit'; readonly fields: ReadonlyMap<VmcsFieldName, bigint>; readonly gpr: readonly bigint[]; readonly cr2: bigint }

export interface Observed {
  readonly observations: readonly Observation[]
  readonly end: RunEnd
  readonly console: string
  /** The program's memory at the end. */
  readonly memory: Uint8Array
  /** Pages that hold VMXON regions and VMCSs: their format is the processor's own. */
  readonly opaque: ReadonlySet<number>
}

/** Instructions whose outcome the processor decides. */
const ASKS = /^(VM|INVEPT|INVVPID|CPUID|RDMSR|WRMSR|RDTSC|RDPMC|IN$|OUT$|INS|OUTS|XSETBV|XGETBV|SGDT|SIDT|STR|SLDT|SMSW)/
const IS_VMX = /^(VM|INVEPT|INVVPID)/
const READS_TSC = /^RDTSC/
const ENTERS = new Set(['VMLAUNCH', 'VMRESUME'])
const NAMES_REGION = new Set(['VMXON', 'VMCLEAR', 'VMPTRLD'])
const CF_ZF = 0x41n
const RCX = 1
/** Registers that are told whether they changed or not. */
const RESULTS: Readonly<Record<string, readonly number[]>> = { RDTSC: [0, 2], RDTSCP: [0, 1, 2], RDMSR: [0, 2], CPUID: [0, 1, 2, 3] }

/** What is asked about: the MSR, the leaf, the encoding of the field. */
function operandOf({ row, dst, src }: Instruction, { gpr }: Stand): bigint {
  if (row.mnemonic.endsWith('MSR')) return gpr[RCX]! & 0xffff_ffffn
  if (row.mnemonic === 'CPUID') return gpr[0]! & 0xffff_ffffn
  const field = row.mnemonic === 'VMREAD' ? src : row.mnemonic === 'VMWRITE' ? dst : null
  return field?.kind === 'register' ? gpr[field.index]! : 0n
}

const vcpuOf = ({ machine }: GuestRun): VcpuState => contextOf(rootMachine(machine), 0).vcpu

const isProgramsTurn = (guest: GuestRun): boolean =>
  guest.vmm === null ? guest.machine.cpus[0]!.vmx.mode !== 'non-root' : !vcpuOf(guest).nested.guestMode

const viewOf = ({ machine }: GuestRun) => ({ machine, instructions: retired(machine), eventIndex: 0, tick: machine.tick, cpu: 0 })

function standOf({ machine }: GuestRun): Stand {
  const { gpr, rip, rflags, cr } = machine.registers[0]!
  return { rip: rip[0]!, gpr: [...gpr], rflags: rflags[0]!, cr2: cr[2]! }
}

/** The instruction before which the program stands. */
function instructionAt(guest: GuestRun): Instruction | null {
  const view = viewOf(guest)
  const registers = guestRegisters(view)
  const byteAt = linearBytes(view, registers)
  const decoded = decode(index => byteAt(registers.rip + BigInt(index)) ?? 0, { bits: registers.bits, stackSize: registers.bits })
  return typeof decoded === 'string' ? null : decoded
}

const FIELDS = [...VMCS12_OFFSETS.keys()]

/** The current VMCS as VMREAD would give it, whole. */
function currentVmcs(guest: GuestRun): ReadonlyMap<VmcsFieldName, bigint> {
  const { machine } = guest
  if (guest.vmm === null) {
    const vmcs = machine.cpus[0]!.vmx.currentVmcs
    return new Map(FIELDS.map(name => [name, readField(machine.memory, vmcs, name)]))
  }
  const c = contextOf(rootMachine(machine), 0)
  const { needSyncRare, vmcs02, guestTimerUsed } = c.vcpu.nested
  // A run of L2 without the timer leaves the shadow as L1 wrote it, one without EPT the PDPTEs.
  const isLeft = (name: VmcsFieldName): boolean =>
    name === 'GUEST_DEADLINE_VIR' ? !guestTimerUsed : name.startsWith('GUEST_PDPTR') && !vmcs12Has(c, 'SECONDARY_EXEC_ENABLE_EPT')
  const read = (name: VmcsFieldName): bigint =>
    needSyncRare && isRareField(name) && !isLeft(name) ? readField(machine.memory, vmcs02, name) : readVmcs12(c, name)
  return new Map(FIELDS.map(name => [name, read(name)]))
}

class Observer {
  readonly observations: Observation[] = []
  readonly opaque = new Set<number>()
  #before: { readonly stand: Stand; readonly instruction: Instruction | null } | null = null
  readonly #guest: GuestRun

  constructor(guest: GuestRun) {
    this.#guest = guest
  }

  /** The program is about to execute an instruction: says what the one before did. */
  stand(): void {
    const stand = standOf(this.#guest)
    if (this.#before !== null) this.#conclude(this.#before.stand, this.#before.instruction, stand)
    const instruction = instructionAt(this.#guest)
    this.#before = { stand, instruction }
    if (instruction !== null && NAMES_REGION.has(instruction.row.mnemonic)) this.#noteRegion(stand, instruction)
  }

  #conclude(before: Stand, instruction: Instruction | null, after: Stand): void {
    if (instruction === null) return
    const { mnemonic } = instruction.row
    // It left to KVM and is begun again: the program has seen nothing.
    if (after.rip === before.rip && after.rflags === before.rflags && after.gpr.every((value, index) => value === before.gpr[index])) return
    if (ENTERS.has(mnemonic) && (after.rflags & CF_ZF) === 0n) this.#exit(after)
    else if (ASKS.test(mnemonic)) this.#outcome(before, instruction, after)
  }

  #outcome(before: Stand, instruction: Instruction, after: Stand): void {
    const { mnemonic } = instruction.row
    // Always, so that two runs have the same places to compare.
    const results = RESULTS[mnemonic] ?? []
    const changed = after.gpr.flatMap((value, index) =>
      value === before.gpr[index] && !results.includes(index) ? [] : [[index, value] as const],
    )
    const operand = operandOf(instruction, before)
    const last = this.observations.at(-1)
    if (READS_TSC.test(mnemonic) && last?.kind === 'instruction' && last.rip === before.rip) this.observations.pop()
    this.observations.push({
      kind: 'instruction',
      rip: before.rip,
      mnemonic,
      operand,
      next: after.rip,
      rflags: IS_VMX.test(mnemonic) ? after.rflags : after.rflags ^ before.rflags,
      changed,
    })
  }

  #exit({ gpr, cr2 }: Stand): void {
    const all = currentVmcs(this.#guest)
    const fields = new Map([...definedFields(all)].map(name => [name, all.get(name)!]))
    this.observations.push({ kind: 'exit', fields, gpr, cr2 })
  }

  #noteRegion({ gpr }: Stand, { dst, src }: Instruction): void {
    const operand = dst.kind === 'memory' ? dst : src.kind === 'memory' ? src : null
    if (operand === null || typeof operand.base !== 'number' || operand.base < 0) return
    const view = viewOf(this.#guest)
    const byteAt = linearBytes(view, guestRegisters(view))
    const index = operand.index < 0 ? 0n : gpr[operand.index]! * BigInt(operand.scale)
    let pointer = 0n
    for (let byte = 7; byte >= 0; byte--)
      pointer = (pointer << 8n) | BigInt(byteAt(BigInt.asUintN(64, gpr[operand.base]! + index + operand.displacement + BigInt(byte))) ?? 0)
    this.opaque.add(Number(pointer & ~0xfffn))
  }
}

/** Runs an image to its end and tells what it observed. Its TSC is ahead of the machine's by `tscFrom`. */
export function observe(image: Image, options: RunOptions, tscFrom = 0n): Observed {
  const guest = startRun(resolveRunConfig(options), image)
  if (guest.vmm === null) guest.machine.cpus[0]!.msrs[MSRS.MSR_IA32_TSC_ADJUST.index] = tscFrom
  else guest.vmm.vcpu.setTscOffset(tscFrom)
  return watch(guest)
}

const MOST_INSTRUCTIONS = 60_000

/** Runs a guest that stands at its first instruction. */
export function watch(guest: GuestRun): Observed {
  const bytes: number[] = []
  guest.machine.observe = event => {
    if (event.kind === 'console') bytes.push(event.byte)
    // An instruction that faults or leaves the guest does not retire: stop before the one that follows.
    guest.machine.pause = true
  }
  const observer = new Observer(guest)
  let end: RunEnd | null = null
  while (end === null) {
    if (instructionsOf(guest) >= MOST_INSTRUCTIONS) end = { reason: 'budget', status: 0, why: '' }
    else {
      if (isAboutToExecute(guest, instructionsOf(guest)) && isProgramsTurn(guest)) observer.stand()
      end = turn(guest, instructionsOf(guest) + 1)
    }
  }
  const start = hostPhysical(viewOf(guest), 0)!
  const memory = guest.machine.memory.ram.slice(start, start + guest.config.guestMemoryMiB * 2 ** 20)
  const { observations, opaque } = observer
  return { observations, end, console: Buffer.from(bytes).toString('latin1'), memory, opaque }
}
