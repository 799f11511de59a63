/**
 * Emulating the guest's instruction at RIP (Linux `x86_emulate_instruction`): it touched what has no memory behind it. Reads of devices
 * in the kernel and of memory are done at once; a read of user space's leaves KVM_RUN, and the instruction is begun again with the answer.
 */

import { PAGE_SIZE } from '../base/units.ts'
import { decode, MAX_INSTRUCTION_LENGTH } from '../isa/decode.ts'
import { Fault } from '../isa/fault.ts'
import type { Instruction } from '../isa/instruction.ts'
import { BLOCKING } from '../spec/vmcs-fields.ts'
import { type Context, trace } from './context.ts'
import { isCode64 } from './control-registers.ts'
import { type EmulatedMemory, type Emulation, type MmioAccess, Unhandled } from './emulation.ts'
import { Emulator } from './emulator.ts'
import type { ExitOutcome } from './exit-reason.ts'
import { type GuestAccess, type Translation, translateLinear } from './guest-memory.ts'
import { isSingleStep, queueException, queueSingleStep } from './interrupts.ts'
import { readInKernel, writeInKernel } from './mmio.ts'
import { isReadOnly } from './mmu.ts'

const PAGE_FAULT = 14
const BIG = 0x4000n
const RSP = 4
const RFLAGS_RF = 1 << 16

/** User space is asked for the read that `emulation.wanted` names. */
class Waits {}

export function emulateInstruction(c: Context): ExitOutcome {
  c.vcpu.emulation ??= { reads: [], wanted: null, writes: [] }
  c.cpu.spend('kvmEmulate')
  const { emulation } = c.vcpu
  try {
    const instruction = fetchInstruction(c)
    const memory = new Journal(c, emulation)
    const emulator = new Emulator(c, instruction, memory)
    instruction.row.execute(emulator, instruction)
    commit(c, emulator)
    c.vcpu.emulation = null
    return memory.commit()
  } catch (thrown) {
    return endEarly(c, thrown)
  }
}

function endEarly(c: Context, thrown: unknown): ExitOutcome {
  const { vcpu } = c
  if (thrown instanceof Waits) return askUserSpace(c)
  vcpu.emulation = null
  if (thrown instanceof Fault) {
    queueException(c, thrown.vector, thrown.errorCode, thrown.cr2)
    return 'resume'
  }
  if (!(thrown instanceof Unhandled)) throw thrown
  const rip = c.cpu.vmread('GUEST_RIP').toString(16)
  const address = c.cpu.vmread('GUEST_PHYSICAL_ADDRESS').toString(16)
  const what = isReadOnly(c.vm, Number(c.cpu.vmread('GUEST_PHYSICAL_ADDRESS'))) ? 'which is read-only' : 'where there is no memory'
  vcpu.exit = {
    reason: 'KVM_EXIT_INTERNAL_ERROR',
    why: `the instruction at 0x${rip} touched guest-physical address 0x${address}, ${what}, and KVM does not emulate it`,
  }
  return 'user'
}

function askUserSpace({ vcpu }: Context): ExitOutcome {
  const { address, size } = vcpu.emulation!.wanted!
  vcpu.exit = { reason: 'KVM_EXIT_MMIO', write: false, physAddr: address, size, data: 0n }
  return 'user'
}

/** KVM_RUN again after KVM_EXIT_MMIO: the answer is there, or a write was taken; null when nothing is left to be done. */
export function continueEmulation(c: Context): ExitOutcome | null {
  const { emulation } = c.vcpu
  if (emulation === null) return null
  return emulation.writes.length > 0 ? writeOut(c, emulation) : emulateInstruction(c)
}

function writeOut({ vcpu }: Context, emulation: Emulation): ExitOutcome {
  const { address, size, value } = emulation.writes.shift()!
  if (emulation.writes.length === 0) vcpu.emulation = null
  vcpu.exit = { reason: 'KVM_EXIT_MMIO', write: true, physAddr: address, size, data: value }
  return 'user'
}

/** User space answers the read. */
export function completeMmio(c: Context, data: bigint): void {
  const { emulation } = c.vcpu
  if (emulation?.wanted == null) return
  const access = { ...emulation.wanted, value: data }
  traceMmio(c, 0, access)
  emulation.reads.push(access)
  emulation.wanted = null
}

const traceMmio = (c: Context, write: 0 | 1, { address, size, value }: MmioAccess): void =>
  trace(c, 'kvm_mmio', { write, len: size, gpa: BigInt(address), val: value }, 'guest')

function fetchInstruction(c: Context): Instruction {
  const { cpu } = c
  const bits = isCode64(c) ? 64 : (cpu.vmread('GUEST_CS_AR_BYTES') & BIG) !== 0n ? 32 : 16
  const stackSize = bits === 64 ? 64 : (cpu.vmread('GUEST_SS_AR_BYTES') & BIG) !== 0n ? 32 : 16
  const start = cpu.vmread('GUEST_RIP') + (bits === 64 ? 0n : cpu.vmread('GUEST_CS_BASE'))
  const decoded = decode(
    index => {
      const linear = BigInt.asUintN(bits === 64 ? 64 : 32, start + BigInt(index))
      const { address } = translated(c, linear, 'read')
      if (address < 0 || index >= MAX_INSTRUCTION_LENGTH) throw new Unhandled()
      return cpu.memory.read8(address)
    },
    { bits, stackSize },
  )
  if (typeof decoded === 'string') throw new Unhandled()
  return decoded
}

function translated(c: Context, linear: bigint, access: GuestAccess): Extract<Translation, { kind: 'host' }> {
  const found = translateLinear(c, linear, access)
  if (found.kind === 'fault') throw new Fault(PAGE_FAULT, found.errorCode, linear)
  if (found.physical < 0) throw new Unhandled()
  return found
}

/** Registers, fields, RIP, the end of blocking by STI or MOV SS, which a MOV SS begins anew; and the trap of a single step, which that holds back. */
function commit(c: Context, emulator: Emulator): void {
  const { cpu } = c
  const steps = isSingleStep(c) && emulator.blocking === 0
  for (const [index, value] of emulator.registers) {
    if (index === RSP) cpu.vmwrite('GUEST_RSP', value)
    else cpu.setGpr(index, value)
  }
  for (const [field, value] of emulator.fields) cpu.vmwrite(field, value)
  cpu.vmwrite('GUEST_RIP', emulator.rip)
  cpu.vmwrite('GUEST_RFLAGS', (emulator.flagsWord & ~RFLAGS_RF) >>> 0)
  const others = cpu.vmread('GUEST_INTERRUPTIBILITY_INFO') & ~BigInt(BLOCKING.sti | BLOCKING.movSs)
  cpu.vmwrite('GUEST_INTERRUPTIBILITY_INFO', others | BigInt(emulator.blocking))
  if (steps) queueSingleStep(c)
}

const PAGE = BigInt(PAGE_SIZE - 1)

/** The instruction's memory: reads come from what was read before, writes wait until it is complete. */
class Journal implements EmulatedMemory {
  readonly #c: Context
  readonly #emulation: Emulation
  readonly #writes: { readonly access: MmioAccess; readonly host: number }[] = []
  #readsDone = 0

  constructor(c: Context, emulation: Emulation) {
    this.#c = c
    this.#emulation = emulation
  }

  read(linear: bigint, bytes: number): bigint {
    let value = 0n
    for (const { at, offset, size } of pieces(linear, bytes))
      value |= this.#readPiece(translated(this.#c, at, 'read'), size) << BigInt(8 * offset)
    return value
  }

  #readPiece({ address: host, physical }: { address: number; physical: number }, size: number): bigint {
    if (host >= 0) return littleEndian(size, byte => this.#c.cpu.memory.read8(host + byte))
    const done = this.#emulation.reads[this.#readsDone++]
    if (done !== undefined) return done.value
    const value = readInKernel(this.#c, physical, size)
    if (value === null) {
      this.#emulation.wanted = { address: physical, size }
      throw new Waits()
    }
    this.#emulation.reads.push({ address: physical, size, value })
    return value
  }

  write(linear: bigint, bytes: number, value: bigint): void {
    for (const { at, offset, size } of pieces(linear, bytes)) {
      const { address: host, physical } = translated(this.#c, at, 'write')
      const part = (value >> BigInt(8 * offset)) & ((1n << BigInt(8 * size)) - 1n)
      this.#writes.push({ access: { address: physical, size, value: part }, host: isReadOnly(this.#c.vm, physical) ? -1 : host })
    }
  }

  touch(linear: bigint, bytes: number): void {
    for (const { at } of pieces(linear, bytes)) translated(this.#c, at, 'write')
  }

  /** Memory and devices in the kernel take what was written; the rest goes to user space. */
  commit(): ExitOutcome {
    const { cpu, vcpu } = this.#c
    const left: MmioAccess[] = []
    for (const { access, host } of this.#writes) {
      const { address, size, value } = access
      if (host >= 0) for (let byte = 0; byte < size; byte++) cpu.memory.write8(host + byte, Number((value >> BigInt(8 * byte)) & 0xffn))
      else if (!writeInKernel(this.#c, address, size, value)) {
        traceMmio(this.#c, 1, access)
        left.push(access)
      }
    }
    if (left.length === 0) return 'resume'
    vcpu.emulation = { reads: [], wanted: null, writes: left }
    return writeOut(this.#c, vcpu.emulation)
  }
}

function littleEndian(size: number, byteAt: (index: number) => number): bigint {
  let value = 0n
  for (let byte = size - 1; byte >= 0; byte--) value = value * 256n + BigInt(byteAt(byte))
  return value
}

/** The parts of an access on each of its pages. */
function pieces(linear: bigint, bytes: number): readonly { at: bigint; offset: number; size: number }[] {
  const first = Math.min(bytes, PAGE_SIZE - Number(linear & PAGE))
  const whole = { at: linear, offset: 0, size: first }
  return first === bytes ? [whole] : [whole, { at: linear + BigInt(first), offset: first, size: bytes - first }]
}
