/** One instruction: fetch, decode, intercept, execute, commit; and what becomes of a fault or a VM exit on the way. */

import { low32, pageNumber } from '../../base/u64.ts'
import { PAGE_SIZE } from '../../base/units.ts'
import { decode, MAX_INSTRUCTION_LENGTH } from '../../isa/decode.ts'
import { CS } from '../../isa/operands.ts'
import { RF, TF } from '../../isa/status-flags.ts'
import { emit } from '../observe.ts'
import { isApicAccess } from '../physical-devices.ts'
import { apicAccessExit } from '../vmx/apic-access.ts'
import { vmExit } from '../vmx/exit.ts'
import { interceptInstruction, interceptsException } from '../vmx/intercepts.ts'
import { type Breakpoint, DR6, debugException, raiseCodeBreakpoint, recordDebugException } from './debug.ts'
import { type DecodedInstruction, DecodedPage, decodedPage, prepare } from './decode-cache.ts'
import { combine, deliver, endInLoop } from './delivery.ts'
import type { Engine } from './engine.ts'
import { type DeliveredEvent, EVENT } from './event.ts'
import { Fault, generalProtection, Refusal, undefinedOpcode, VECTOR, VmExit } from './faults.ts'
import type { Cpu } from './registers.ts'
import { repeatInBulk } from './repeat.ts'
import { wrapped } from './segmentation.ts'
import { requireIopl3 } from './system/privilege.ts'

/** Runs the instruction at RIP. Faults and VM exits are dealt with; nothing of ours is thrown. */
export function step(engine: Engine): void {
  const { cpu } = engine
  const wasBlocking = cpu.stiBlocking || cpu.movSsBlocking
  const stepping = (engine.flagsWord & TF) !== 0
  const trapping = engine.trapsEach
  engine.beganBlocking = false
  engine.tookEvent = false
  try {
    if (engine.breakpoints !== null) lookForBreakpoint(engine, engine.breakpoints)
    const decoded = engine.position < 0 ? undefined : engine.codePage.offsets[engine.position]
    execute(engine, cpu, decoded ?? fetch(engine))
    if (wasBlocking && !engine.beganBlocking) endBlocking(engine)
    if (trapping) trap(engine)
    if ((stepping || engine.debugHits !== 0) && !engine.cpu.movSsBlocking && !engine.tookEvent) raiseDebugTrap(engine, stepping)
  } catch (thrown) {
    divert(engine, thrown)
  }
}

function execute(engine: Engine, cpu: Cpu, { instruction, ticks, bulk }: DecodedInstruction): void {
  engine.current = instruction
  engine.outcome = 'next'
  if (cpu.vmx.mode === 'non-root') interceptInstruction(engine, instruction)
  if (engine.isVirtual8086 && SENSITIVE.has(instruction.row.mnemonic)) requireIopl3(engine)
  if (cpu.midRepeat) cpu.midRepeat = false
  if (bulk !== null && repeatInBulk(engine, bulk, instruction, ticks)) return
  instruction.row.execute(engine, instruction)
  if (engine.outcome === 'next') proceed(engine, instruction.length)
  else if (engine.outcome === 'branch') goTo(engine, engine.target)
  cpu.instructions++
  engine.machine.tick += ticks
  if ((engine.flagsWord & RF) !== 0 && !engine.tookEvent && !instruction.row.mnemonic.startsWith('IRET'))
    engine.replaceFlags(engine.materialised() & ~RF)
}

/** What would tell a program in virtual-8086 mode, or let it change, who has interrupts enabled (SDM, "Sensitive Instructions"); IRET checks by itself. */
const SENSITIVE: ReadonlySet<string> = new Set(['CLI', 'STI', 'PUSHFW', 'PUSHFD', 'POPFW', 'POPFD', 'INT'])

function proceed(engine: Engine, length: number): void {
  const { position, registers } = engine
  if (position < 0) registers.rip[0] = engine.wrapRip(registers.rip[0]! + BigInt(length))
  else {
    engine.position = position + length
    if (engine.position >= PAGE_SIZE) engine.releaseRip()
  }
}

const IN_PAGE = PAGE_SIZE - 1
/** Bit 12 of the pending debug exceptions is none of DR6's. */
const ENABLED_BREAKPOINT = 1 << 12

function goTo(engine: Engine, target: bigint): void {
  engine.registers.rip[0] = target
  if (engine.bits === 64) engine.position = pageNumber(target) === engine.codePageNumber ? low32(target) & IN_PAGE : -1
  else {
    const offset = target - engine.codeStart
    engine.position = offset >= 0n && offset <= IN_PAGE ? Number(offset) : -1
  }
}

/** The monitor trap flag: an exit before the next instruction, if this one did not leave the guest itself. */
function trap(engine: Engine): void {
  if (engine.cpu.vmx.mode !== 'non-root') return
  engine.cpu.vmx.trapPending = true
  engine.attention = true
}

function endBlocking(engine: Engine): void {
  engine.cpu.stiBlocking = false
  engine.cpu.movSsBlocking = false
  engine.attention = true
}

/** Code breakpoints; RF and blocking by MOV SS hold them back for one instruction. */
function lookForBreakpoint(engine: Engine, rows: readonly Breakpoint[]): void {
  engine.debugHits = 0
  if ((engine.flagsWord & RF) !== 0 || engine.cpu.movSsBlocking) return
  raiseCodeBreakpoint(rows, engine.bits === 64 ? engine.rip : wrapped(engine.registers.segmentBase[CS]! + engine.rip))
}

/** The trap after an instruction that began with TF set, or that used what a breakpoint watches. */
function raiseDebugTrap(engine: Engine, stepping: boolean): void {
  const { vmx } = engine.cpu
  // A VM entry behind MOV SS may have brought conditions that had to wait for this instruction.
  const hits = engine.debugHits | (vmx.pendingDebug & ~ENABLED_BREAKPOINT)
  engine.debugHits = 0
  vmx.pendingDebug = 0
  throw debugException(hits | (stepping ? DR6.singleStep : 0))
}

function fetch(engine: Engine): DecodedInstruction {
  engine.releaseRip()
  const rip = engine.registers.rip[0]!
  const linear = engine.bits === 64 ? rip : codeAddress(engine, rip)
  const offset = low32(linear) & IN_PAGE
  const start = rip - BigInt(offset)
  if (start !== engine.codeStart) enterCodePage(engine, start, linear, offset)
  engine.position = offset
  return engine.codePage.offsets[offset] ?? decodeAt(engine, rip, linear, offset)
}

/** Outside 64-bit mode code lies in its segment, within its limit. */
function codeAddress({ cpu, registers }: Engine, rip: bigint): bigint {
  if (rip > cpu.segments[CS]!.limit) throw generalProtection()
  return wrapped(registers.segmentBase[CS]! + rip)
}

/** What is decoded in a page where the segment ends is not kept: whoever finds it there again may have another limit. */
const UNCACHED = new DecodedPage()

function enterCodePage(engine: Engine, start: bigint, linear: bigint, offset: number): void {
  const { machine, cpu, bits, stackBits } = engine
  // Of the byte itself: CR2 and the addresses of an EPT violation name it, not its page.
  engine.codeFrame = engine.translate(linear, 'execute') - offset
  if (isApicAccess(engine.codeFrame)) throw apicAccessExit(engine, low32(engine.rip) & IN_PAGE, 'fetch')
  const endsInside = bits !== 64 && start + BigInt(IN_PAGE) > cpu.segments[CS]!.limit
  engine.codePage = endsInside ? UNCACHED : decodedPage(machine.decoded, engine.codeFrame / PAGE_SIZE, bits, stackBits)
  engine.codeStart = start
  engine.codePageNumber = pageNumber(start)
}

function decodeAt(engine: Engine, rip: bigint, linear: bigint, offset: number): DecodedInstruction {
  const { memory, machine, bits } = engine
  const frame = engine.codeFrame
  const bytesLeft = bits === 64 ? MAX_INSTRUCTION_LENGTH : Number(BigInt(engine.cpu.segments[CS]!.limit) - rip) + 1
  let crosses = false
  const decoded = decode(
    index => {
      if (index >= bytesLeft) throw generalProtection()
      if (offset + index < PAGE_SIZE) return memory.read8(frame + offset + index)
      crosses = true
      return memory.read8(engine.translate(engine.beyond(linear, index), 'execute'))
    },
    { bits, stackSize: engine.stackBits },
  )
  if (decoded === 'undefined') throw undefinedOpcode()
  if (decoded === 'too-long') throw generalProtection()
  const prepared = prepare(decoded, machine.config.costs)
  if (!crosses && machine.caching && engine.codePage !== UNCACHED) {
    memory.markCode(frame / PAGE_SIZE)
    engine.codePage.keep(offset, prepared)
  }
  return prepared
}

/** A fault becomes an exception; a VM exit leaves the guest; a refusal ends the machine. Anything else is our own mistake and goes on up. */
export function divert(engine: Engine, thrown: unknown): void {
  engine.releaseRip()
  if (thrown instanceof VmExit) vmExit(engine, thrown)
  else if (thrown instanceof Fault) raiseFault(engine, thrown)
  else if (thrown instanceof Refusal) refuse(engine, thrown)
  else throw thrown
}

/** More than there are exceptions: after so many, one of them has come twice, and will again. */
const MOST_NESTED = 32

/**
 * Delivers an exception, and whatever exceptions its delivery raises in turn. That may go on for ever (an #AC that pushes to a
 * misaligned stack in ring 3); the silicon then hangs, and here the machine ends.
 */
export function raiseFault(engine: Engine, first: Fault, before: DeliveredEvent | null = null): void {
  let fault = first
  let earlier = before
  for (let nested = 0; nested < MOST_NESTED; nested++) {
    try {
      if (earlier !== null) {
        // The exception bitmap comes first: an intercepted exception leaves the guest instead of making a double fault.
        if (engine.cpu.vmx.mode === 'non-root') interceptsException(engine, fault)
        const combined = combine(earlier, fault)
        if (combined === 'shutdown') return shutDown(engine, (before ?? first).vector)
        // A double fault that leaves the guest does so by itself, not in the delivery of what led to it.
        if (combined.vector === VECTOR.DF) engine.delivering = null
        fault = combined
      }
      if (engine.cpu.vmx.mode === 'non-root') interceptsException(engine, fault)
      if (fault.vector === VECTOR.PF) engine.registers.cr[2] = fault.cr2
      if (fault.vector === VECTOR.DB) recordDebugException(engine, fault.cr2)
      earlier = { vector: fault.vector, type: EVENT.hardware, errorCode: fault.errorCode, length: 0 }
      return deliver(engine, earlier)
    } catch (thrown) {
      if (!(thrown instanceof Fault)) return divert(engine, thrown)
      fault = thrown
    }
  }
  engine.delivering = null
  endInLoop(engine, fault.vector)
}

/** Delivers an event that is not an exception, with the same fate for what goes wrong. */
export function deliverEvent(engine: Engine, event: DeliveredEvent): void {
  try {
    deliver(engine, event)
  } catch (thrown) {
    if (thrown instanceof Fault) raiseFault(engine, thrown, event)
    else divert(engine, thrown)
  }
}

/**
 * No way on: a triple-fault exit in VMX non-root operation, else the shutdown state, which ends the machine. `vector` is that of the
 * first exception, whose delivery led here.
 */
function shutDown(engine: Engine, vector: number): void {
  const { cpu, machine } = engine
  engine.delivering = null
  emit(machine, cpu, 'shutdown', { rip: engine.registers.rip[0]!, vector })
  if (cpu.vmx.mode === 'non-root') return vmExit(engine, new VmExit('EXIT_REASON_TRIPLE_FAULT'))
  cpu.activity = 'shutdown'
  machine.ended ??= { reason: 'shutdown', status: 0 }
}

/** The machine ends at the instruction that asked for what it has not. */
function refuse(engine: Engine, { what }: Refusal): void {
  engine.delivering = null
  engine.cpu.activity = 'shutdown'
  engine.machine.ended ??= { reason: 'unsupported', status: 0, what }
}
