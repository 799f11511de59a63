/** Which instructions and exceptions leave the guest (Intel SDM, "Instructions That Cause VM Exits"; "Exceptions"). */

import { bit } from '../../base/bits.ts'
import type { Instruction } from '../../isa/instruction.ts'
import { CR4 } from '../../spec/cr-bits.ts'
import type { Engine } from '../cpu/engine.ts'
import { EVENT, interruptionInfo } from '../cpu/event.ts'
import { type Fault, generalProtection, undefinedOpcode, VECTOR, VmExit } from '../cpu/faults.ts'
import { isRealStyle, type OperatingMode } from '../cpu/mode.ts'
import { cplOf } from '../cpu/registers.ts'
import { requireFeature } from '../cpu/system/features.ts'
import { requireMonitor } from '../cpu/system/monitor.ts'
import { requireRing0UnderUmip } from '../cpu/system/privilege.ts'
import { instructionInformation } from './instruction-information.ts'
import { isShadowed } from './shadow-vmcs.ts'
import { isControlSet } from './state.ts'

/**
 * Instructions whose privilege check comes before the exit (SDM, "Relative Priority of Faults and VM Exits"): they raise #GP outside
 * ring 0 in the guest as anywhere. Those of VMX do not: they leave the guest at every privilege level.
 */
const RING_0: ReadonlySet<string> = new Set([
  'HLT',
  'INVLPG',
  'INVPCID',
  'WBINVD',
  'WBNOINVD',
  'INVD',
  'XSETBV',
  'LGDT',
  'LIDT',
  'LLDT',
  'LTR',
])
const TIME_STAMP: ReadonlySet<string> = new Set(['RDTSC', 'RDTSCP'])
const KEPT_BY_UMIP: ReadonlySet<string> = new Set(['SGDT', 'SIDT', 'SLDT', 'STR'])

const cr4Has = (engine: Engine, name: 'TSD' | 'PCE'): boolean => (engine.registers.cr[4]! & (1n << BigInt(CR4[name]))) !== 0n

function isPrivileged(engine: Engine, mnemonic: string): boolean {
  if (cplOf(engine.cpu) === 0) return false
  if (TIME_STAMP.has(mnemonic)) return cr4Has(engine, 'TSD')
  if (mnemonic === 'RDPMC') return !cr4Has(engine, 'PCE')
  return RING_0.has(mnemonic)
}

/** In real, virtual-8086 and compatibility mode the instructions of VMX are undefined, except VMCALL. */
const isVmxOnly = (mnemonic: string): boolean =>
  (mnemonic.startsWith('VM') && mnemonic !== 'VMCALL') || mnemonic === 'INVEPT' || mnemonic === 'INVVPID'
/** LLDT, LTR, SLDT and STR are undefined in real and virtual-8086 mode. */
const NEEDS_PROTECTION: ReadonlySet<string> = new Set(['LLDT', 'LTR', 'SLDT', 'STR'])

const isUndefinedIn = (mode: OperatingMode, mnemonic: string): boolean =>
  (isVmxOnly(mnemonic) && (isRealStyle(mode) || mode === 'compatibility')) || (NEEDS_PROTECTION.has(mnemonic) && isRealStyle(mode))

/** Exits that report the VM-exit instruction-information field. */
const WITH_INFORMATION: ReadonlySet<string> = new Set([
  'VMCLEAR',
  'VMPTRLD',
  'VMPTRST',
  'VMXON',
  'VMREAD',
  'VMWRITE',
  'INVEPT',
  'INVVPID',
  'INVPCID',
  'SGDT',
  'SIDT',
  'LGDT',
  'LIDT',
  'SLDT',
  'STR',
  'LLDT',
  'LTR',
  'RDRAND',
  'RDSEED',
])

/** Throws the exit that this instruction causes by its control alone, if it does. */
export function interceptInstruction(engine: Engine, instruction: Instruction): void {
  const { intercept, mnemonic, enabledBy, feature, instead } = instruction.row
  if (intercept === null && enabledBy === null) return
  const { controls } = engine.cpu.vmx
  // #UD comes before an exit: an instruction that the CPU lacks, or that software has not enabled, does not leave the guest.
  if (feature !== null && instead === null) requireFeature(engine, feature)
  if (enabledBy !== null && !isControlSet(controls, enabledBy)) throw undefinedOpcode()
  if (intercept === null) return
  if (intercept[0] !== 'always' && !isControlSet(controls, intercept[0])) return
  if (isUndefinedIn(engine.mode, mnemonic)) throw undefinedOpcode()
  if (KEPT_BY_UMIP.has(mnemonic)) requireRing0UnderUmip(engine)
  if (feature === 'monitor') requireMonitor(engine)
  if (isPrivileged(engine, mnemonic)) throw generalProtection()
  if (isShadowed(engine, instruction)) return
  const information = WITH_INFORMATION.has(mnemonic) ? instructionInformation(instruction) : 0
  throw new VmExit(intercept[1], {
    byInstruction: true,
    instructionInformation: information,
    qualification: qualificationOf(engine, instruction),
  })
}

/** The linear address of INVLPG, whether MWAIT has its monitor armed, the displacement of a memory operand of the others. */
function qualificationOf(engine: Engine, { row, dst, src }: Instruction): bigint {
  if (row.mnemonic === 'INVLPG') return engine.linear(dst.kind === 'memory' ? dst.segment : 3, engine.address(dst), 1, 'read')
  if (row.mnemonic === 'MWAIT') return engine.cpu.monitor.armed ? 1n : 0n
  if (!WITH_INFORMATION.has(row.mnemonic)) return 0n
  const memory = dst.kind === 'memory' ? dst : src.kind === 'memory' ? src : null
  if (memory === null) return 0n
  const displacement = memory.base === 'rip' ? engine.following + memory.displacement : memory.displacement
  return BigInt.asUintN(64, displacement)
}

/** Throws the exit of an exception that the exception bitmap, or for page faults its filter, asks for. */
export function interceptsException(engine: Engine, fault: Fault): void {
  const { controls } = engine.cpu.vmx
  let wanted = bit(controls.exceptionBitmap, fault.vector)
  if (fault.vector === VECTOR.PF && ((fault.errorCode ?? 0) & controls.pageFaultMask) >>> 0 !== controls.pageFaultMatch) wanted = !wanted
  if (!wanted) return
  const interruption = interruptionInfo({ vector: fault.vector, type: EVENT.hardware, errorCode: fault.errorCode }, engine.mode)
  throw new VmExit('EXIT_REASON_EXCEPTION_NMI', {
    interruption,
    interruptionError: fault.errorCode ?? 0,
    qualification: fault.cr2,
  })
}
