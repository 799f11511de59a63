/**
 * What paging asks of the control registers, and INVPCID (Intel SDM, "Control Registers"; "MOV—Move to/from Control Registers";
 * "PDPTE Registers"; "INVPCID—Invalidate Process-Context Identifier").
 */

import { shiftRight } from '../../../base/u64.ts'
import type { Instruction } from '../../../isa/instruction.ts'
import type { MemoryOperand } from '../../../isa/operands.ts'
import { isCanonical, PHYSICAL_ADDRESS_BITS } from '../../../spec/address-width.ts'
import { CR0, CR4 } from '../../../spec/cr-bits.ts'
import { eptTranslate } from '../../vmx/ept.ts'
import { instructionInformation } from '../../vmx/instruction-information.ts'
import { guestHas } from '../../vmx/state.ts'
import { pagingFormat, pagingFormatOf } from '../address-space.ts'
import type { Engine } from '../engine.ts'
import { generalProtection, undefinedOpcode, VmExit } from '../faults.ts'
import { PDPTE_RESERVED } from '../paging-formats.ts'
import { requireRing0 } from './privilege.ts'

const bitOf = (position: number): bigint => 1n << BigInt(position)
const PCID = 0xfffn
const KEEP_TRANSLATIONS = 1n << 63n
const PRESENT = 1n

/** MOV to CR3. With CR4.PCIDE, bit 63 says that nothing need be invalidated; it is never stored. */
export function writeCr3(engine: Engine, value: bigint): void {
  const { registers } = engine
  const hasIdentifiers = (registers.cr[4]! & bitOf(CR4.PCIDE)) !== 0n
  const root = hasIdentifiers ? value & ~KEEP_TRANSLATIONS : value
  if (shiftRight(root, PHYSICAL_ADDRESS_BITS) !== 0n) throw generalProtection()
  if (pagingFormatOf(engine.cpu, registers) === 'PAE') loadPdptes(engine, root)
  registers.cr[3] = root
}

/** Loads the PDPTE registers from where CR3 points; #GP, and nothing loaded, where a present one has a reserved bit set. */
export function loadPdptes(engine: Engine, cr3: bigint): void {
  const { memory, registers } = engine
  const { ept } = engine.space
  const table = Number(cr3 & 0xffff_ffe0n)
  const entries = [0, 1, 2, 3].map(index => {
    const at = table + index * 8
    return memory.read64(ept === null ? at : eptTranslate(memory, ept, at, 'read', null).address)
  })
  if (entries.some(arePdpteBitsReserved)) throw generalProtection()
  registers.pdpte.set(entries)
}

export const arePdpteBitsReserved = (entry: bigint): boolean => (entry & PRESENT) !== 0n && (entry & PDPTE_RESERVED) !== 0n

const CR0_RELOADS = bitOf(CR0.PG) | bitOf(CR0.CD) | bitOf(CR0.NW)
const CR4_RELOADS = bitOf(CR4.PAE) | bitOf(CR4.PGE) | bitOf(CR4.PSE) | bitOf(CR4.SMEP)

/** The paging rules of a write to CR0, and the PDPTEs where the write makes the CPU load them. `efer` is as of after the write. */
export function checkPagingInCr0(engine: Engine, value: bigint, efer: bigint): void {
  const [before, , , cr3, cr4] = engine.registers.cr as unknown as [bigint, bigint, bigint, bigint, bigint]
  if ((value & bitOf(CR0.PG)) === 0n && (cr4 & bitOf(CR4.PCIDE)) !== 0n) throw generalProtection()
  if (((before ^ value) & CR0_RELOADS) !== 0n && pagingFormat(value, cr4, efer) === 'PAE') loadPdptes(engine, cr3)
}

/** The same of a write to CR4. In IA-32e mode PAE stays on and LA57 as it is; PCIDE begins there only, with identifier 0. */
export function checkPagingInCr4(engine: Engine, value: bigint, efer: bigint, longMode: boolean): void {
  const [cr0, , , cr3, before] = engine.registers.cr as unknown as [bigint, bigint, bigint, bigint, bigint]
  const begins = (name: 'PCIDE'): boolean => (~before & value & bitOf(CR4[name])) !== 0n
  const changes = before ^ value
  if (longMode && ((value & bitOf(CR4.PAE)) === 0n || (changes & bitOf(CR4.LA57)) !== 0n)) throw generalProtection()
  if (begins('PCIDE') && (!longMode || (cr3 & PCID) !== 0n)) throw generalProtection()
  if ((changes & CR4_RELOADS) !== 0n && pagingFormat(cr0, value, efer) === 'PAE') loadPdptes(engine, cr3)
}

const HIGHEST_TYPE = 3n
const SINGLE_ADDRESS = 0n
const SINGLE_CONTEXT = 1n

/** There is nothing stale to drop; what remains of the instruction is its faults. Descriptor: 11:0 PCID, 127:64 linear address. */
export function invpcid(engine: Engine, i: Instruction): void {
  const { cpu, registers } = engine
  const isGuest = cpu.vmx.mode === 'non-root'
  if (isGuest && !guestHas(cpu.vmx, 'SECONDARY_EXEC_ENABLE_INVPCID')) throw undefinedOpcode()
  requireRing0(engine)
  const operand = i.src as MemoryOperand
  if (guestHas(cpu.vmx, 'CPU_BASED_INVLPG_EXITING'))
    throw new VmExit('EXIT_REASON_INVPCID', {
      byInstruction: true,
      instructionInformation: instructionInformation(i),
      qualification: BigInt.asUintN(64, operand.base === 'rip' ? engine.following + operand.displacement : operand.displacement),
    })
  const type = engine.read(i.dst)
  const offset = engine.address(operand)
  const identifier = engine.load(64, operand.segment, offset)
  const linear = engine.load(64, operand.segment, engine.add(i.addressSize, offset, 8n))
  const hasIdentifiers = (registers.cr[4]! & bitOf(CR4.PCIDE)) !== 0n
  const namesContext = type === SINGLE_ADDRESS || type === SINGLE_CONTEXT
  if (type > HIGHEST_TYPE || (identifier & ~PCID) !== 0n) throw generalProtection()
  if (type === SINGLE_ADDRESS && !isCanonical(linear, engine.linearBits)) throw generalProtection()
  if (namesContext && !hasIdentifiers && identifier !== 0n) throw generalProtection()
}
