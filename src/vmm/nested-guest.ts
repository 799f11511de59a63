/**
 * A guest one level deeper: the stock guest hypervisor boots as L1, and the guest's memory, with all that a boot loader leaves in it,
 * lies at L2_MEMORY of L1's. The registers to start it with are in a parameter block (drawn in `asm/include/l1.inc`).
 */

import type { Image } from '../assembler/image.ts'
import { type Gpa, gpa } from '../base/units.ts'
import { type BootEnvironment, type BootRegisters, longModeBoot } from './boot.ts'

const PARAMETERS = 0x9000
const L2_MEMORY_MIB = 64
/** Where in the memory of L1 that of L2 begins. */
export const L2_MEMORY = L2_MEMORY_MIB * 2 ** 20

/** What L1 needs besides the memory of its guest. */
export const HYPERVISOR_MEMORY_MIB = L2_MEMORY_MIB

function parameterBlock(memoryMiB: number, registers: BootRegisters): Uint8Array {
  const { rip, rsp, rflags, cr0, cr3, cr4, efer, segments, gdtr, idtr } = registers
  const general = Array.from({ length: 16 }, (_, index) => (index === 4 ? rsp : 0n))
  const values: (bigint | number)[] = [
    memoryMiB * 2 ** 20,
    ...[rip, rsp, rflags, cr0, cr3, cr4, efer],
    ...segments.flatMap(({ selector, base, limit, accessRights }) => [selector, base, limit, accessRights]),
    ...[gdtr.base, gdtr.limit, idtr.base, idtr.limit],
    ...general,
  ]
  const bytes = new Uint8Array(values.length * 8)
  const view = new DataView(bytes.buffer)
  for (const [position, value] of values.entries()) view.setBigUint64(position * 8, BigInt(value), true)
  return bytes
}

/** The environment of L1 for a guest with this environment and memory. */
export function nest(hypervisor: Image, { pieces, registers }: BootEnvironment, memoryMiB: number): BootEnvironment {
  const own = longModeBoot(hypervisor)
  const moved = pieces.map(({ address, bytes }): { address: Gpa; bytes: Uint8Array } => ({ address: gpa(L2_MEMORY + address), bytes }))
  const parameters = { address: gpa(PARAMETERS), bytes: parameterBlock(memoryMiB, registers) }
  return { pieces: [...own.pieces, parameters, ...moved], registers: own.registers }
}
