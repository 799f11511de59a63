/** `o.system(name)` by name: one function each, the same for every engine. */

import type { Instruction } from '../../isa/instruction.ts'
import type { SystemOperation } from '../../isa/system-operations.ts'
import type { Engine } from './engine.ts'
import { clts, movFromControl, movFromDebug, movToControl, movToDebug } from './system/control-registers.ts'
import { int, int3, iret, ud } from './system/interrupts.ts'
import { inInstruction, insInstruction, outInstruction, outsInstruction } from './system/io.ts'
import { requireRing0 } from './system/privilege.ts'
import { invlpg, lgdt, lidt, lldt, ltr, movToSegment, sgdt, sidt, sldt, str, swapgs } from './system/segments.ts'
import { cli, cpuidInstruction, hlt, popf, rdmsr, rdtsc, rdtscp, serialize, sti, wrmsr } from './system/state.ts'
import { invept, invvpid, vmcall, vmclear, vmlaunch, vmptrld, vmptrst, vmread, vmresume, vmwrite, vmxoff, vmxon } from './system/vmx.ts'

export const systemOperations: Readonly<Record<SystemOperation, (engine: Engine, i: Instruction) => void>> = {
  hlt,
  pause: () => {},
  cli,
  sti,
  cpuid: cpuidInstruction,
  rdtsc,
  rdtscp,
  rdmsr,
  wrmsr,
  serialize,
  in: inInstruction,
  out: outInstruction,
  ins: insInstruction,
  outs: outsInstruction,
  int,
  int3,
  iret,
  popf,
  lgdt,
  lidt,
  sgdt,
  sidt,
  lldt,
  ltr,
  sldt,
  str,
  invlpg,
  clts,
  swapgs,
  ud,
  wbinvd: requireRing0,
  'mov-from-debug': movFromDebug,
  'mov-to-debug': movToDebug,
  'mov-from-control': movFromControl,
  'mov-to-control': movToControl,
  'mov-to-segment': movToSegment,
  vmcall,
  vmclear,
  vmlaunch,
  vmresume,
  vmptrld,
  vmptrst,
  vmread,
  vmwrite,
  vmxoff,
  vmxon,
  invept,
  invvpid,
  vmfunc: ud,
}
