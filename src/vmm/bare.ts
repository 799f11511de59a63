/** Booting a guest on the CPU itself, outside VMX operation and with no KVM: the machine's own memory and registers. */

import type { Machine } from '../hw/machine.ts'
import { MSRS } from '../spec/msrs.ts'
import type { BootEnvironment } from './boot.ts'

export function bootBare(machine: Machine, { pieces, registers, rom }: BootEnvironment): void {
  const cpu = machine.cpus[0]!
  const block = machine.registers[0]!
  for (const { address, bytes } of pieces) machine.memory.writeBytes(address, bytes)
  if (rom !== undefined) machine.rom = rom
  for (const [index, value] of Object.entries(registers.general ?? {})) block.gpr[Number(index)] = value
  block.rip[0] = registers.rip
  block.gpr[4] = registers.rsp
  block.rflags[0] = registers.rflags
  block.cr[0] = registers.cr0
  block.cr[3] = registers.cr3
  block.cr[4] = registers.cr4
  cpu.msrs[MSRS.MSR_EFER.index] = registers.efer
  for (const [index, { selector, base, limit, accessRights }] of registers.segments.entries()) {
    cpu.segments[index] = { selector, limit, accessRights }
    block.segmentBase[index] = base
  }
  cpu.gdtr = { ...registers.gdtr }
  cpu.idtr = { ...registers.idtr }
}
