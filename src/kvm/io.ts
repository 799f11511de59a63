/**
 * Port I/O (Linux `handle_io`, `kvm_fast_pio`): each access goes to user space as KVM_EXIT_IO and is completed when it returns. Of
 * a string instruction one element is done at a time; the guest's RIP stays until the last.
 */

import { bitField } from '../base/u64.ts'
import type { RootCpu } from '../hw/root-cpu.ts'
import { type Context, trace } from './context.ts'
import type { ExitOutcome } from './exit-reason.ts'
import { readGuestByte, writeGuestByte } from './guest-memory.ts'
import { readKernelPort, writeKernelPort } from './in-kernel-ports.ts'
import { isSingleStep, queueException, queueSingleStep, skipInstruction } from './interrupts.ts'

const RAX = 0
const RCX = 1
const RSI = 6
const RDI = 7
const RFLAGS_DF = 1n << 10n
const PAGE_FAULT = 14

interface Access {
  readonly size: number
  readonly input: boolean
  readonly string: boolean
  readonly repeat: boolean
  readonly port: number
}

function accessOf({ cpu }: Context): Access {
  const qualification = Number(cpu.vmread('EXIT_QUALIFICATION'))
  return {
    size: (qualification & 7) + 1,
    input: (qualification & 8) !== 0,
    string: (qualification & 16) !== 0,
    repeat: (qualification & 32) !== 0,
    port: (qualification >>> 16) & 0xffff,
  }
}

const valueMask = (size: number): bigint => (1n << BigInt(8 * size)) - 1n

export function handleIo(c: Context): ExitOutcome {
  const { cpu, vcpu } = c
  const { size, input, string, port } = accessOf(c)
  vcpu.stats.io_exits++
  cpu.spend('kvmEmulate')
  let data = 0
  if (!input) {
    const value = string ? readElement(c, size) : Number(cpu.gpr(RAX) & valueMask(size))
    if (value < 0) return faultOnElement(c)
    data = value
    trace(c, 'kvm_pio', { write: 1, port, size, count: 1, value: data }, 'guest')
  }
  if (input) {
    const answer = readKernelPort(c, port, size)
    if (answer !== null) {
      completeIo(c, answer)
      return 'resume'
    }
  } else if (writeKernelPort(c, port, size, data)) {
    completeIo(c, 0)
    return 'resume'
  }
  vcpu.exit = { reason: 'KVM_EXIT_IO', write: !input, port, size, data }
  return 'user'
}

/** The element of OUTS at the linear address that the exit reported, -1 where it cannot be read. */
function readElement(c: Context, size: number): number {
  const linear = c.cpu.vmread('GUEST_LINEAR_ADDRESS')
  let value = 0
  for (let byte = size - 1; byte >= 0; byte--) {
    const read = readGuestByte(c, linear + BigInt(byte))
    if (read < 0) return -1
    value = value * 256 + read
  }
  return value
}

function faultOnElement(c: Context): ExitOutcome {
  c.cpu.setCr2(c.cpu.vmread('GUEST_LINEAR_ADDRESS'))
  queueException(c, PAGE_FAULT, 0)
  return 'resume'
}

/** User space has done its part: IN takes the value, RIP or the string registers move on. */
export function completeIo(c: Context, data: number): void {
  const { cpu } = c
  const access = accessOf(c)
  const { size, input, string, port } = access
  if (input) {
    trace(c, 'kvm_pio', { write: 0, port, size, count: 1, value: data }, 'guest')
    if (string && !writeElement(c, size, data)) {
      faultOnElement(c)
      return
    }
    if (!string) cpu.setGpr(RAX, size === 4 ? BigInt(data >>> 0) : (cpu.gpr(RAX) & ~valueMask(size)) | (BigInt(data) & valueMask(size)))
  }
  if (!string || advanceString(c, access)) skipInstruction(c)
  else if (isSingleStep(c)) queueSingleStep(c)
}

function writeElement(c: Context, size: number, data: number): boolean {
  const linear = c.cpu.vmread('GUEST_LINEAR_ADDRESS')
  for (let byte = 0; byte < size; byte++) if (!writeGuestByte(c, linear + BigInt(byte), (data >>> (8 * byte)) & 0xff)) return false
  return true
}

/** By the instruction's address size, bits 9:7 of the instruction information: 16, 32 or 64 bits. */
const addressMask = (cpu: RootCpu): bigint =>
  [0xffffn, 0xffff_ffffn][bitField(cpu.vmread('VMX_INSTRUCTION_INFO'), 7, 3)] ?? 0xffff_ffff_ffff_ffffn

/** Moves the pointer and the count of one element; true when the instruction is complete. */
function advanceString({ cpu }: Context, { size, input, repeat }: Access): boolean {
  const pointer = input ? RDI : RSI
  const step = (cpu.vmread('GUEST_RFLAGS') & RFLAGS_DF) === 0n ? BigInt(size) : -BigInt(size)
  const wide = addressMask(cpu)
  const moved = (register: number, by: bigint): bigint => {
    const value = (cpu.gpr(register) + by) & wide
    // A register of 16 bits leaves the others as they are.
    cpu.setGpr(register, wide === 0xffffn ? (cpu.gpr(register) & ~wide) | value : value)
    return value
  }
  moved(pointer, step)
  return !repeat || moved(RCX, -1n) === 0n
}
