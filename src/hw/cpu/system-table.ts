/** `o.system(name)` by name: one function each, the same for every engine. */

import type { Instruction } from '../../isa/instruction.ts'
import type { SystemOperation } from '../../isa/system-operations.ts'
import { pause, vmfunc } from '../vmx/functions.ts'
import type { Engine } from './engine.ts'
import { clts, lmsw, movFromControl, movFromDebug, movToControl, movToDebug, smsw } from './system/control-registers.ts'
import { lgdt, lidt, lldt, ltr, sgdt, sidt, sldt, str } from './system/descriptor-tables.ts'
import { lar, lsl, verr, verw } from './system/descriptors.ts'
import { extendedState, xgetbv, xsetbv } from './system/extended-state.ts'
import { farCall, farJump, farReturn } from './system/far.ts'
import { readSegmentBase, syscall, sysenter, sysexit, sysret, writeSegmentBase } from './system/fast-call.ts'
import { iret } from './system/interrupt-return.ts'
import { int, int1, int3, into, ud } from './system/interrupts.ts'
import { inInstruction, insInstruction, outInstruction, outsInstruction } from './system/io.ts'
import { monitor, mwait } from './system/monitor.ts'
import { invpcid } from './system/paging-control.ts'
import { requireRing0 } from './system/privilege.ts'
import { clac, rdpid, rdpmc, stac } from './system/processor.ts'
import { drawRandom } from './system/random.ts'
import { invlpg, loadFarPointer, movToSegment, popToSegment, swapgs } from './system/segments.ts'
import { cli, cpuidInstruction, hlt, popf, rdmsr, rdtsc, rdtscp, serialize, sti, wrmsr } from './system/state.ts'
import { invept, invvpid, vmcall, vmclear, vmlaunch, vmptrld, vmptrst, vmread, vmresume, vmwrite, vmxoff, vmxon } from './system/vmx.ts'
import { fwait, x87Instruction } from './system/x87.ts'

export const systemOperations: Readonly<Record<SystemOperation, (engine: Engine, i: Instruction) => void>> = {
  hlt,
  pause,
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
  'far-jump': farJump,
  'far-call': farCall,
  'far-return': farReturn,
  'pop-to-segment': popToSegment,
  'load-far-pointer': loadFarPointer,
  lar,
  lsl,
  verr,
  verw,
  lmsw,
  smsw,
  into,
  int1,
  syscall,
  sysret,
  sysenter,
  sysexit,
  'read-segment-base': readSegmentBase,
  'write-segment-base': writeSegmentBase,
  rdpid,
  rdpmc,
  invd: requireRing0,
  clac,
  stac,
  fwait,
  monitor,
  mwait,
  xgetbv,
  xsetbv,
  // No CPU model has the feature of these: their row has raised #UD already.
  rdpkru: ud,
  wrpkru: ud,
  rdrand: drawRandom,
  rdseed: drawRandom,
  invpcid,
  'extended-state': extendedState,
  x87: x87Instruction,
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
  vmfunc,
}
