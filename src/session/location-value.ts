/** What a location holds at a moment. */

import type { Machine } from '../hw/machine.ts'
import { bitsOf, type Location } from '../query/location.ts'
import { APIC_REGISTERS } from '../spec/apic-registers.ts'
import { basicExitReason } from '../spec/exit-reasons.ts'
import { MSRS } from '../spec/msrs.ts'
import type { TimelineView } from './timeline.ts'
import { guestApic } from './timeline-apic.ts'
import { type GuestRegisters, guestRegisters } from './timeline-guest.ts'
import { type AddressRegisters, linearBytes, pageWalk, type Trail } from './timeline-memory.ts'
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

  constructor({ address, bytes }: Extract<Location, { kind: 'memory' }>) {
    this.#address = address
    this.#bytes = bytes
  }

  /** The bytes as text to compare; those that are not mapped too. Asked while the guest is on the CPU. */
  read(machine: Machine, cpu: number): string {
    const frames = this.#frames(machine, cpu)
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

  #frames(machine: Machine, cpu: number): readonly (number | undefined)[] {
    const walked = this.#walked
    if (walked !== null && holds(walked, machine, cpu)) return walked.frames
    const { cr, pdpte } = machine.registers[cpu]!
    const { vmx, msrs } = machine.cpus[cpu]!
    const trail: Trail = []
    const registers = { cr0: cr[0]!, cr3: cr[3]!, cr4: cr[4]!, efer: msrs[MSRS.MSR_EFER.index] ?? 0n, pdptes: [...pdpte] }
    const frames: (number | undefined)[] = []
    const end = this.#address + BigInt(this.#bytes)
    for (let at = this.#address; at < end; at = (at | 0xfffn) + 1n)
      frames.push(pageWalk({ machine, cpu }, registers, BigInt.asUintN(64, at), trail).host)
    this.#walked = { ...registers, vmcs: vmx.currentVmcs, mode: vmx.mode, cpu, trail, frames }
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

function holds(walked: Walked, machine: Machine, cpu: number): boolean {
  const { cr } = machine.registers[cpu]!
  const { vmx, msrs } = machine.cpus[cpu]!
  return (
    walked.cpu === cpu &&
    walked.vmcs === vmx.currentVmcs &&
    walked.mode === vmx.mode &&
    walked.cr0 === cr[0] &&
    walked.cr3 === cr[3] &&
    walked.cr4 === cr[4] &&
    walked.efer === (msrs[MSRS.MSR_EFER.index] ?? 0n) &&
    walked.trail.every(({ at, entry }) => machine.memory.read64(at) === entry)
  )
}
