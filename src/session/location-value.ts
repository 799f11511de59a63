/** What a location holds at a moment. */

import { pageNumber } from '../base/u64.ts'
import type { Engine } from '../hw/cpu/engine.ts'
import type { Machine } from '../hw/machine.ts'
import { retired } from '../hw/run.ts'
import { bitsOf, type Location } from '../query/location.ts'
import { APIC_REGISTERS } from '../spec/apic-registers.ts'
import { basicExitReason } from '../spec/exit-reasons.ts'
import { MSRS } from '../spec/msrs.ts'
import type { TimelineView } from './timeline.ts'
import { guestApic } from './timeline-apic.ts'
import { type GuestRegisters, guestRegisters } from './timeline-guest.ts'
import { type AddressRegisters, isUnderKvm, linearBytes, pageWalk, type Trail } from './timeline-memory.ts'
import { guestMsr } from './timeline-msrs.ts'
import { vmcsField } from './timeline-vmcs.ts'

/** Undefined where there is nothing at this moment: memory not mapped, no such VMCS. */
export function valueAt(view: TimelineView, location: Location, registers: GuestRegisters = guestRegisters(view)): bigint | undefined {
  switch (location.kind) {
    case 'register':
      return bitsOf(location, registers.gpr[location.index]!)
    case 'system':
      return registers[location.name]
    case 'memory':
      return memoryValue(view, location, registers)
    case 'vmcs':
      return vmcsField(view, location.field, location.vmcs === 'vmcs' ? 'current' : location.vmcs)
    case 'msr':
      return guestMsr(view, location.index)
    case 'apic': {
      const value = guestApic(view, APIC_REGISTERS[location.register].offset)
      return value === undefined ? undefined : BigInt(value)
    }
    case 'irq':
      return isRequested(view, location.vector)
    case 'exit': {
      const reason = vmcsField(view, 'VM_EXIT_REASON')
      return reason === undefined ? undefined : BigInt(basicExitReason(Number(reason)))
    }
  }
}

/** 1 while the vector's bit of the IRR is set. */
function isRequested(view: TimelineView, vector: number): bigint | undefined {
  const word = guestApic(view, APIC_REGISTERS.APIC_IRR.offset + (vector >>> 5) * 16)
  return word === undefined ? undefined : BigInt((word >>> (vector & 31)) & 1)
}

function memoryValue(
  view: TimelineView,
  { address, bytes }: Extract<Location, { kind: 'memory' }>,
  registers: AddressRegisters,
): bigint | undefined {
  const byteAt = linearBytes(view, registers)
  let value = 0n
  for (let i = bytes - 1; i >= 0; i--) {
    const byte = byteAt(BigInt.asUintN(64, address + BigInt(i)))
    if (byte === undefined) return undefined
    value = (value << 8n) | BigInt(byte)
  }
  return value
}

/**
 * Reads memory at one linear address again and again, moment by moment. What was walked through is remembered: as long as the entries
 * and the registers stay, so does where it led.
 */
export class MemoryWatch {
  readonly #address: bigint
  readonly #bytes: number
  #walked: Walked | null = null

  constructor({ address, bytes }: Pick<Extract<Location, { kind: 'memory' }>, 'address' | 'bytes'>) {
    this.#address = address
    this.#bytes = bytes
  }

  /** Undefined where not all of it is mapped. */
  value(engine: Engine): bigint | undefined {
    const frames = this.#frames(engine)
    const { memory } = engine.machine
    let value = 0n
    for (let i = this.#bytes - 1; i >= 0; i--) {
      const address = this.#address + BigInt(i)
      const frame = frames[pageNumber(address) - pageNumber(this.#address)]
      if (frame === undefined) return undefined
      const inFrame = i < 4096 - Number(this.#address & 0xfffn) ? i : Number(address & 0xfffn)
      value = (value << 8n) | BigInt(memory.read8(frame + inFrame))
    }
    return value
  }

  /** The bytes as text to compare; those that are not mapped too. */
  read(engine: Engine): string {
    const { machine } = engine
    const frames = this.#frames(engine)
    let text = ''
    let address = this.#address
    let left = this.#bytes
    for (const frame of frames) {
      const count = Math.min(left, 4096 - Number(address & 0xfffn))
      if (frame === undefined) text += '-'.repeat(count)
      else for (let i = 0; i < count; i++) text += String.fromCharCode(machine.memory.read8(frame + i))
      address += BigInt(count)
      left -= count
    }
    return text
  }

  /** Host-physical addresses of the first byte, and of the pages that follow. */
  #frames({ machine, index: cpu }: Engine): readonly (number | undefined)[] {
    const walked = this.#walked
    if (walked !== null && holds(walked, machine, cpu)) return walked.frames
    const { vmx } = machine.cpus[cpu]!
    const trail: Trail = []
    const registers = pagingOf(machine, cpu)
    const frames: (number | undefined)[] = []
    const end = this.#address + BigInt(this.#bytes)
    for (let at = this.#address; at < end; at = (at | 0xfffn) + 1n)
      frames.push(pageWalk({ machine, cpu }, registers, BigInt.asUintN(64, at), trail).host)
    const { cr0, cr3, cr4, efer, pdptes } = registers
    this.#walked = { cr0, cr3, cr4, efer, pdptes, vmcs: vmx.currentVmcs, mode: vmx.mode, cpu, trail, frames }
    return frames
  }
}

/** A walk with all it depended on. */
interface Walked extends AddressRegisters {
  readonly vmcs: number
  readonly mode: string
  readonly cpu: number
  readonly trail: Trail
  readonly frames: readonly (number | undefined)[]
}

const isInHost = (machine: Machine, cpu: number): boolean => isUnderKvm(machine) && machine.cpus[cpu]!.vmx.mode !== 'non-root'

/** What the guest of a CPU translates with, also while KVM has the CPU. */
function pagingOf(machine: Machine, cpu: number): AddressRegisters {
  const { cr, pdpte } = machine.registers[cpu]!
  const { msrs } = machine.cpus[cpu]!
  if (isInHost(machine, cpu)) return guestRegisters({ machine, cpu, tick: machine.tick, instructions: retired(machine), eventIndex: 0 })
  return { cr0: cr[0]!, cr3: cr[3]!, cr4: cr[4]!, efer: msrs[MSRS.MSR_EFER.index] ?? 0n, pdptes: [...pdpte] }
}

function holds(walked: Walked, machine: Machine, cpu: number): boolean {
  const { vmx, msrs } = machine.cpus[cpu]!
  if (walked.cpu !== cpu || walked.vmcs !== vmx.currentVmcs || walked.mode !== vmx.mode) return false
  if (isInHost(machine, cpu)) return false // KVM may have changed anything
  const { cr } = machine.registers[cpu]!
  return (
    walked.cr0 === cr[0] &&
    walked.cr3 === cr[3] &&
    walked.cr4 === cr[4] &&
    walked.efer === (msrs[MSRS.MSR_EFER.index] ?? 0n) &&
    walked.trail.every(({ at, entry }) => machine.memory.read64(at) === entry)
  )
}
