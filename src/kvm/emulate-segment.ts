/**
 * Instructions that load a segment register or TR from a descriptor in memory that cannot be written, as firmware's GDT in ROM: the CPU has made
 * its checks, and its store of the accessed or busy bit left the guest. The store goes to user space, which drops it, as the bus does for a CPU
 * with no VMM (Linux `__load_segment_descriptor`; its exchange for the busy bit becomes such a write too, but its write of the accessed bit
 * fails, and Linux begins the instruction again for ever: here the guest goes on). Far transfers stay in their ring.
 */

import { type Size, shiftRight } from '../base/u64.ts'
import type { Instruction } from '../isa/instruction.ts'
import { CS, gpr, type MemoryOperand, RSP, type SpecialOperand, SS } from '../isa/operands.ts'
import type { SystemOperation } from '../isa/system-operations.ts'
import { CR0, EFER } from '../spec/cr-bits.ts'
import { RFLAGS } from '../spec/rflags.ts'
import { BLOCKING, type VmcsFieldName } from '../spec/vmcs-fields.ts'
import type { Context } from './context.ts'
import { readCr0 } from './control-registers.ts'
import { type EmulatedMemory, Unhandled } from './emulation.ts'
import type { Emulator } from './emulator.ts'
import { SEGMENTS } from './registers.ts'

const ACCESSED = 1n << 40n
const SEGMENT = 1n << 44n
const BUSY = 1n << 41n
/** P, S and the type without its 16-bit forms: a 64- or 32-bit TSS that is present and not busy. */
const TSS_KIND = 0x9fn << 40n
const AVAILABLE_TSS = 0x89n << 40n
const GRANULAR = 1n << 55n
const TR = 7
/** Selector: index 15:3, table 2, RPL 1:0. */
const INDEX = 0xfff8n
const LOCAL_TABLE = 4n
const RPL = 3n
const NULL_SELECTORS = 4n

type Fields = readonly [VmcsFieldName, bigint][]

/** What the instruction does to the VMCS; its general registers and its target it writes to the emulator. */
export function emulateSegmentLoad(c: Context, o: Emulator, memory: EmulatedMemory, i: Instruction, operation: SystemOperation): Fields {
  requireRing0Protected(c)
  switch (operation) {
    case 'ltr':
      return loadTaskRegister(c, memory, o.zeroExtend(16, o.read(i.dst)))
    case 'mov-to-segment':
      return moveToSegment(c, o, memory, i)
    case 'far-jump':
      return jumpFar(c, o, memory, i)
    case 'far-return':
      return returnFar(c, o, memory, i)
    default:
      throw new Unhandled()
  }
}

function requireRing0Protected(c: Context): void {
  const { cpu } = c
  const isProtected = (readCr0(c) & (1n << BigInt(CR0.PE))) !== 0n && (cpu.vmread('GUEST_RFLAGS') & (1n << BigInt(RFLAGS.VM))) === 0n
  if (!isProtected || (cpu.vmread('GUEST_SS_AR_BYTES') & 0x60n) !== 0n) throw new Unhandled()
}

/** Linear address of the descriptor. */
const placeOf = ({ cpu }: Context, selector: bigint): bigint =>
  cpu.vmread((selector & LOCAL_TABLE) === 0n ? 'GUEST_GDTR_BASE' : 'GUEST_LDTR_BASE') + (selector & INDEX)

function loadSegment(c: Context, memory: EmulatedMemory, index: number, selector: bigint): Fields {
  const at = placeOf(c, selector)
  const low = memory.read(at, 8)
  if (selector < NULL_SELECTORS || (low & SEGMENT) === 0n) throw new Unhandled()
  memory.write(at, 8, low | ACCESSED)
  return fieldsOf(index, selector, low | ACCESSED, 0n)
}

function moveToSegment(c: Context, o: Emulator, memory: EmulatedMemory, { dst, src }: Instruction): Fields {
  const { index } = dst as SpecialOperand
  if (index === SS) o.blocking = BLOCKING.movSs
  return loadSegment(c, memory, index, o.zeroExtend(16, o.read(src)))
}

function loadTaskRegister(c: Context, memory: EmulatedMemory, selector: bigint): Fields {
  const at = placeOf(c, selector)
  const low = memory.read(at, 8)
  if ((low & TSS_KIND) !== AVAILABLE_TSS) throw new Unhandled()
  const inLongMode = (c.vcpu.efer & (1n << BigInt(EFER.LMA))) !== 0n
  const high = inLongMode ? memory.read(at + 8n, 8) & 0xffff_ffffn : 0n
  memory.write(at, 8, low | BUSY)
  return fieldsOf(TR, selector, low | BUSY, high)
}

/** What a segment register holds of a descriptor, field by field. */
function fieldsOf(index: number, selector: bigint, low: bigint, high: bigint): Fields {
  const limit = (low & 0xffffn) | (shiftRight(low, 32) & 0xf_0000n)
  const put = (part: string, value: bigint): [VmcsFieldName, bigint] => [`GUEST_${SEGMENTS[index]!}_${part}` as VmcsFieldName, value]
  return [
    put('SELECTOR', selector),
    put('BASE', (high << 32n) | (shiftRight(low, 32) & 0xff00_0000n) | (shiftRight(low, 16) & 0xff_ffffn)),
    put('LIMIT', (low & GRANULAR) === 0n ? limit : (limit << 12n) | 0xfffn),
    put('AR_BYTES', shiftRight(low, 40) & 0xf0ffn),
  ]
}

function jumpFar(c: Context, o: Emulator, memory: EmulatedMemory, { dst, size }: Instruction): Fields {
  if (dst.kind === 'far') {
    o.branch(dst.offset)
    return loadSegment(c, memory, CS, BigInt(dst.selector))
  }
  const { segment, addressSize } = dst as MemoryOperand
  const at = o.address(dst)
  o.branch(o.load(size, segment, at))
  return loadSegment(c, memory, CS, o.load(16, segment, o.add(addressSize, at, BigInt(size / 8))))
}

function returnFar(c: Context, o: Emulator, memory: EmulatedMemory, { dst, size, stackSize }: Instruction): Fields {
  const pointer = gpr(stackSize, RSP)
  const top = o.read(pointer)
  const slot = (index: number): bigint => o.load(size as Size, SS, o.add(stackSize, top, BigInt((index * size) / 8)))
  const selector = slot(1) & 0xffffn
  if ((selector & RPL) !== 0n) throw new Unhandled()
  const released = dst.kind === 'immediate' ? dst.value & 0xffffn : 0n
  o.branch(slot(0))
  o.write(pointer, o.add(stackSize, top, BigInt((2 * size) / 8) + released))
  return loadSegment(c, memory, CS, selector)
}
