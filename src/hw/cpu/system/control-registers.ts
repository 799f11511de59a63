/** MOV to and from control and debug registers, CLTS, LMSW, SMSW (Intel SDM, "MOV—Move to/from Control Registers"; "Control-Register Accesses"). */

import { shiftRight, unsigned } from '../../../base/u64.ts'
import type { Instruction } from '../../../isa/instruction.ts'
import { CS, type RegisterOperand, type SpecialOperand } from '../../../isa/operands.ts'
import { CR0, CR4, EFER } from '../../../spec/cr-bits.ts'
import { cr4Bits } from '../../../spec/cr4-features.ts'
import { MSRS } from '../../../spec/msrs.ts'
import { CONTROL_REGISTERS } from '../../../spec/registers.ts'
import { apicPage } from '../../apic/registers.ts'
import { guestHas } from '../../vmx/state.ts'
import { virtualPage, virtualTpr } from '../../vmx/virtual-apic.ts'
import { requireDebugAccess } from '../debug.ts'
import type { Engine } from '../engine.ts'
import { generalProtection, undefinedOpcode, VmExit } from '../faults.ts'
import { isLongMode, LONG } from '../mode.ts'
import { type Cpu, TR } from '../registers.ts'
import { SYSTEM_TYPE } from './descriptor.ts'
import { hasFeature } from './features.ts'
import { checkPagingInCr0, checkPagingInCr4, writeCr3 } from './paging-control.ts'
import { requireRing0, requireRing0UnderUmip } from './privilege.ts'

const bitOf = (position: number): bigint => 1n << BigInt(position)
const TPR = 0x80

/** Exit qualification: register 3:0, access type 5:4 (0 to CR, 1 from CR, 2 CLTS), general register 11:8. */
const qualification = (register: number, type: number, gpr: number): bigint => BigInt(register | (type << 4) | (gpr << 8))

function exitOn(engine: Engine, control: Parameters<typeof guestHas>[1], register: number, type: number, gpr: number): void {
  if (guestHas(engine.cpu.vmx, control))
    throw new VmExit('EXIT_REASON_CR_ACCESS', { byInstruction: true, qualification: qualification(register, type, gpr) })
}

const CONTROL_NUMBERS: ReadonlySet<number> = new Set(Object.values(CONTROL_REGISTERS))

/** A register that does not exist is an invalid opcode, which comes before the privilege. */
function requireControl(index: number): void {
  if (!CONTROL_NUMBERS.has(index)) throw undefinedOpcode()
}

export function movFromControl(engine: Engine, i: Instruction): void {
  const { index } = i.src as SpecialOperand
  requireControl(index)
  requireRing0(engine)
  const gpr = (i.dst as RegisterOperand).index
  const { vmx } = engine.cpu
  if (index === 3) exitOn(engine, 'CPU_BASED_CR3_STORE_EXITING', 3, 1, gpr)
  if (index === 8) exitOn(engine, 'CPU_BASED_CR8_STORE_EXITING', 8, 1, gpr)
  engine.write(i.dst, readControl(engine, index, vmx.mode === 'non-root'))
}

function readControl(engine: Engine, index: number, isGuest: boolean): bigint {
  const { registers, cpu } = engine
  const { controls } = cpu.vmx
  switch (index) {
    case 0:
      return isGuest ? (registers.cr[0]! & ~controls.cr0Mask) | (controls.cr0Shadow & controls.cr0Mask) : registers.cr[0]!
    case 4:
      return isGuest ? (registers.cr[4]! & ~controls.cr4Mask) | (controls.cr4Shadow & controls.cr4Mask) : registers.cr[4]!
    case 2:
    case 3:
      return registers.cr[index]!
    case 8:
      return BigInt(
        ((guestHas(cpu.vmx, 'CPU_BASED_TPR_SHADOW') ? virtualPage(engine).read(TPR) : apicPage(engine.machine, engine.index).read(TPR)) >>
          4) &
          0xf,
      )
    default:
      throw undefinedOpcode()
  }
}

export function movToControl(engine: Engine, i: Instruction): void {
  const { index } = i.dst as SpecialOperand
  requireControl(index)
  requireRing0(engine)
  const gpr = (i.src as RegisterOperand).index
  const value = engine.read(i.src)
  const { controls, mode } = engine.cpu.vmx
  if (mode === 'non-root') {
    const owned =
      index === 0 ? controls.cr0Mask & (controls.cr0Shadow ^ value) : index === 4 ? controls.cr4Mask & (controls.cr4Shadow ^ value) : 0n
    if (owned !== 0n) throw new VmExit('EXIT_REASON_CR_ACCESS', { byInstruction: true, qualification: qualification(index, 0, gpr) })
    if (index === 3 && !controls.cr3Targets.includes(value)) exitOn(engine, 'CPU_BASED_CR3_LOAD_EXITING', 3, 0, gpr)
    if (index === 8) exitOn(engine, 'CPU_BASED_CR8_LOAD_EXITING', 8, 0, gpr)
  }
  writeControl(engine, index, value)
  engine.reloadAddressSpace()
}

function writeControl(engine: Engine, index: number, value: bigint): void {
  const { registers, machine } = engine
  switch (index) {
    case 0:
      return writeCr0(engine, value)
    case 2:
      registers.cr[2] = value
      return
    case 3:
      return writeCr3(engine, value)
    case 4:
      return writeCr4(engine, value)
    case 8:
      if (value > 15n) throw generalProtection()
      if (guestHas(engine.cpu.vmx, 'CPU_BASED_TPR_SHADOW')) {
        virtualPage(engine).write(TPR, Number(value) << 4)
        virtualTpr(engine)
      } else apicPage(machine, engine.index).write(TPR, Number(value) << 4)
      engine.attention = true
      return
    default:
      throw undefinedOpcode()
  }
}

/** Bits that exist, besides the guest's owned ones, which keep their real value. */
const CR0_BITS = [CR0.PE, CR0.MP, CR0.EM, CR0.TS, CR0.ET, CR0.NE, CR0.WP, CR0.AM, CR0.NW, CR0.CD, CR0.PG].reduce(
  (mask, position) => mask | bitOf(position),
  0n,
)

function writeCr0(engine: Engine, value: bigint): void {
  const { registers, cpu } = engine
  const { vmx } = cpu
  if (shiftRight(value, 32) !== 0n) throw generalProtection()
  const mask = vmx.mode === 'non-root' ? vmx.controls.cr0Mask : 0n
  const written = (registers.cr[0]! & mask) | (value & CR0_BITS & ~mask) | bitOf(CR0.ET)
  const isSet = (position: number): boolean => (written & bitOf(position)) !== 0n
  if ((isSet(CR0.PG) && !isSet(CR0.PE)) || (isSet(CR0.NW) && !isSet(CR0.CD))) throw generalProtection()
  const fixed = fixedCr0(engine)
  if ((written & fixed) !== fixed) throw generalProtection()
  const switches = isSet(CR0.PG) !== ((registers.cr[0]! & bitOf(CR0.PG)) !== 0n)
  const efer = switches ? switchPaging(engine, isSet(CR0.PG)) : cpu.msrs[MSRS.MSR_EFER.index]!
  checkPagingInCr0(engine, written, efer)
  registers.cr[0] = written
  cpu.msrs[MSRS.MSR_EFER.index] = efer
}

/** Bits of CR0 that VMX operation holds at 1: an unrestricted guest may turn paging and protection off. */
function fixedCr0({ cpu, machine }: Engine): bigint {
  if (cpu.vmx.mode === 'off') return 0n
  const fixed = machine.config.vmxMsrs[MSRS.MSR_IA32_VMX_CR0_FIXED0.index]!
  return guestHas(cpu.vmx, 'SECONDARY_EXEC_UNRESTRICTED_GUEST') ? fixed & ~(bitOf(CR0.PE) | bitOf(CR0.PG)) : fixed
}

/** Paging with IA32_EFER.LME is IA-32e mode: entered from 32-bit code with PAE on, left from compatibility mode. IA32_EFER after it. */
function switchPaging({ cpu, registers, mode }: Engine, on: boolean): bigint {
  const efer = cpu.msrs[MSRS.MSR_EFER.index]!
  if (!on) {
    if (mode === '64-bit') throw generalProtection()
    return efer & ~bitOf(EFER.LMA)
  }
  if ((efer & bitOf(EFER.LME)) === 0n) return efer
  const hasPae = (registers.cr[4]! & bitOf(CR4.PAE)) !== 0n
  if (!hasPae || (cpu.segments[CS]!.accessRights & LONG) !== 0 || isTask16(cpu)) throw generalProtection()
  return efer | bitOf(EFER.LMA)
}

const isTask16 = ({ segments }: Cpu): boolean => (segments[TR]!.accessRights & 0x1001f) === SYSTEM_TYPE.busyTss16

function writeCr4(engine: Engine, value: bigint): void {
  const { registers, cpu } = engine
  const { vmx } = cpu
  const supported = cr4Bits(feature => hasFeature(engine, feature))
  const losesPae = isLongMode(engine.mode) && (value & bitOf(CR4.PAE)) === 0n
  const losesVmxe = vmx.mode !== 'off' && (value & bitOf(CR4.VMXE)) === 0n
  if ((value & ~supported) !== 0n || losesPae || (losesVmxe && (vmx.controls.cr4Mask & bitOf(CR4.VMXE)) === 0n)) throw generalProtection()
  const mask = vmx.mode === 'non-root' ? vmx.controls.cr4Mask : 0n
  const efer = cpu.msrs[MSRS.MSR_EFER.index]!
  checkPagingInCr4(engine, value, efer, (efer & bitOf(EFER.LMA)) !== 0n)
  registers.cr[4] = (registers.cr[4]! & mask) | (value & ~mask)
}

export function clts(engine: Engine): void {
  requireRing0(engine)
  const { vmx } = engine.cpu
  const ts = bitOf(CR0.TS)
  if (vmx.mode === 'non-root' && (vmx.controls.cr0Mask & ts) !== 0n) {
    if ((vmx.controls.cr0Shadow & ts) !== 0n)
      throw new VmExit('EXIT_REASON_CR_ACCESS', { byInstruction: true, qualification: qualification(0, 2, 0) })
    return
  }
  engine.registers.cr[0] = engine.registers.cr[0]! & ~ts
}

const MACHINE_STATUS = bitOf(CR0.PE) | bitOf(CR0.MP) | bitOf(CR0.EM) | bitOf(CR0.TS)

/** The low four bits of CR0; PE can be set and not cleared. */
export function lmsw(engine: Engine, i: Instruction): void {
  requireRing0(engine)
  const source = engine.read(i.dst)
  const { vmx } = engine.cpu
  if (vmx.mode === 'non-root') exitOnMachineStatus(engine, i, source)
  const before = engine.registers.cr[0]!
  const mask = vmx.mode === 'non-root' ? vmx.controls.cr0Mask : 0n
  const status = (source & MACHINE_STATUS) | (before & bitOf(CR0.PE))
  engine.registers.cr[0] = (before & (~MACHINE_STATUS | mask)) | (status & ~mask)
  engine.reloadAddressSpace()
}

/** LMSW exits where it would change an owned bit of MP, EM or TS, or set an owned PE, as the guest reads them. */
function exitOnMachineStatus(engine: Engine, i: Instruction, source: bigint): void {
  const { cr0Mask, cr0Shadow } = engine.cpu.vmx.controls
  const changes = cr0Mask & (source ^ cr0Shadow) & (MACHINE_STATUS & ~bitOf(CR0.PE))
  const sets = cr0Mask & source & ~cr0Shadow & bitOf(CR0.PE)
  if (changes === 0n && sets === 0n) return
  const operand = i.dst
  const memory = operand.kind === 'memory'
  // Access type 3 (LMSW), bit 6 for a memory operand, the source in bits 31:16.
  throw new VmExit('EXIT_REASON_CR_ACCESS', {
    byInstruction: true,
    qualification: (3n << 4n) | (memory ? 1n << 6n : 0n) | ((source & 0xffffn) << 16n),
    ...(memory ? { guestLinear: engine.linear(operand.segment, engine.address(operand), 2, 'read') } : {}),
  })
}

/** CR0 as software may read it, cut to the operand; user programs may ask too. */
export function smsw(engine: Engine, i: Instruction): void {
  requireRing0UnderUmip(engine)
  const value = readControl(engine, 0, engine.cpu.vmx.mode === 'non-root')
  engine.write(i.dst, unsigned((i.dst as RegisterOperand).size, value))
}

/** DR4 and DR5 are DR6 and DR7 unless CR4.DE forbids it. */
function debugIndex(engine: Engine, index: number): number {
  if (index !== 4 && index !== 5) return index
  if ((engine.registers.cr[4]! & bitOf(CR4.DE)) !== 0n) throw undefinedOpcode()
  return index + 2
}

function exitOnDebug(engine: Engine, register: number, isRead: boolean, gpr: number): void {
  if (guestHas(engine.cpu.vmx, 'CPU_BASED_MOV_DR_EXITING'))
    throw new VmExit('EXIT_REASON_DR_ACCESS', { byInstruction: true, qualification: BigInt(register | (isRead ? 16 : 0) | (gpr << 8)) })
}

export function movFromDebug(engine: Engine, i: Instruction): void {
  const { index } = i.src as SpecialOperand
  if (index > 7) throw undefinedOpcode()
  requireRing0(engine)
  requireDebugAccess(engine)
  exitOnDebug(engine, index, true, (i.dst as RegisterOperand).index)
  engine.write(i.dst, engine.registers.dr[debugIndex(engine, index)]!)
}

export function movToDebug(engine: Engine, i: Instruction): void {
  const { index } = i.dst as SpecialOperand
  if (index > 7) throw undefinedOpcode()
  requireRing0(engine)
  requireDebugAccess(engine)
  exitOnDebug(engine, index, false, (i.src as RegisterOperand).index)
  const register = debugIndex(engine, index)
  const value = engine.read(i.src)
  if (register >= 6 && shiftRight(value, 32) !== 0n) throw generalProtection()
  engine.registers.dr[register] =
    register === 6 ? (value & 0xe00fn) | 0xffff_0ff0n : register === 7 ? (value & 0xffff_23ffn) | 0x400n : value
  engine.loadBreakpoints()
}
