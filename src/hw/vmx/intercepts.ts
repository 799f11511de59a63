/** Which instructions and exceptions leave the guest (Intel SDM, "Instructions That Cause VM Exits"; "Exceptions"). */

import { bit } from '../../base/bits.ts'
import type { Instruction } from '../../isa/instruction.ts'
import type { Engine } from '../cpu/engine.ts'
import { EVENT } from '../cpu/event.ts'
import { type Fault, generalProtection, undefinedOpcode, VECTOR, VmExit } from '../cpu/faults.ts'
import { cplOf } from '../cpu/registers.ts'
import { requireFeature } from '../cpu/system/features.ts'
import { requireRing0UnderUmip } from '../cpu/system/privilege.ts'
import { instructionInformation } from './instruction-information.ts'
import { isControlSet } from './state.ts'

/** Instructions whose privilege check comes before the exit: they raise #GP outside ring 0 in the guest as anywhere. */
const PRIVILEGED_FIRST: ReadonlySet<string> = new Set([
  'HLT',
  'INVLPG',
  'INVPCID',
  'WBINVD',
  'WBNOINVD',
  'LGDT',
  'LIDT',
  'LLDT',
  'LTR',
  'CLTS',
])
const FORBIDDEN_BY_UMIP: ReadonlySet<string> = new Set(['SGDT', 'SIDT', 'SLDT', 'STR'])

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
  if (FORBIDDEN_BY_UMIP.has(mnemonic)) requireRing0UnderUmip(engine)
  if (PRIVILEGED_FIRST.has(mnemonic) && cplOf(engine.cpu) !== 0) throw generalProtection()
  const isVmx = intercept[0] === 'always' && mnemonic !== 'CPUID' && mnemonic !== 'VMCALL'
  if (isVmx && cplOf(engine.cpu) !== 0) throw generalProtection()
  const information = WITH_INFORMATION.has(mnemonic) ? instructionInformation(instruction) : 0
  throw new VmExit(intercept[1], {
    byInstruction: true,
    instructionInformation: information,
    qualification: qualificationOf(engine, instruction),
  })
}

/** The linear address of INVLPG, the displacement of a memory operand of the others. */
function qualificationOf(engine: Engine, { row, dst, src }: Instruction): bigint {
  if (row.mnemonic === 'INVLPG') return engine.linear(dst.kind === 'memory' ? dst.segment : 3, engine.address(dst), 1, 'read')
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
  const interruption = (fault.vector | (EVENT.hardware << 8) | (fault.errorCode === null ? 0 : 1 << 11) | (1 << 31)) >>> 0
  throw new VmExit('EXIT_REASON_EXCEPTION_NMI', {
    interruption,
    interruptionError: fault.errorCode ?? 0,
    qualification: fault.vector === VECTOR.PF ? fault.cr2 : 0n,
  })
}
