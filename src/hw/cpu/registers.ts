/**
 * One logical processor: the register block, which lies in the machine's linear memory, and the plain row with the rest
 * (Intel SDM, "Basic Program Execution Registers"; "System Architecture Overview").
 */

import type { Layout, Views } from '../../base/layout.ts'
import type { ApicState } from '../apic/registers.ts'
import type { VmxState } from '../vmx/state.ts'
import type { MonitorState } from './monitor.ts'

export const REGISTER_LAYOUT = {
  gpr: { offset: 0x000, width: 64, count: 16 },
  rip: { offset: 0x080, width: 64, count: 1 },
  rflags: { offset: 0x088, width: 64, count: 1 },
  /** CR0..CR4 by number; CR1 is not used, CR8 is the APIC's TPR. */
  cr: { offset: 0x090, width: 64, count: 5 },
  dr: { offset: 0x0c0, width: 64, count: 8 },
  /** Bases of ES, CS, SS, DS, FS, GS, LDTR, TR. */
  segmentBase: { offset: 0x100, width: 64, count: 8 },
  /** PDPTE0..PDPTE3, which PAE paging loads with CR3. */
  pdpte: { offset: 0x140, width: 64, count: 4 },
  /** XMM0..XMM15, low half first. */
  xmm: { offset: 0x200, width: 64, count: 32 },
  /** Bits 255:128 of YMM0..YMM15, low half first. */
  ymmHigh: { offset: 0x300, width: 64, count: 32 },
  /** The local APIC's registers, as its 4-KByte page would show them: index = offset / 4. */
  apic: { offset: 0x400, width: 32, count: 256 },
  /** The x87 registers ST0..ST7 as FXSAVE holds them: 80 bits in two quadwords each. */
  st: { offset: 0x800, width: 64, count: 16 },
  /** x87 control, status, abridged tag word and last opcode; last instruction and data pointer. */
  x87: { offset: 0x880, width: 64, count: 6 },
  mxcsr: { offset: 0x8b0, width: 64, count: 1 },
  xcr0: { offset: 0x8b8, width: 64, count: 1 },
} as const satisfies Layout

export const BLOCK_BYTES = 0x900

export type Registers = Views<typeof REGISTER_LAYOUT>

/** Positions in `x87`. */
export const X87 = { control: 0, status: 1, tag: 2, opcode: 3, instruction: 4, data: 5 } as const

export const LDTR = 6
export const TR = 7
/** ES, CS, SS, DS, FS, GS, LDTR, TR. */
export type SegmentRegister = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7

/** Selector and descriptor cache, without the base. */
export interface Segment {
  selector: number
  limit: number
  /** In the format of the VMCS: type 3:0, S 4, DPL 6:5, P 7, AVL 12, L 13, D/B 14, G 15, unusable 16. */
  accessRights: number
}

export interface DescriptorTable {
  base: bigint
  limit: number
}

/** What the CPU does between instructions (Intel SDM, "Guest Non-Register State": activity state; MWAIT's is none that software sees). */
export type Activity = 'active' | 'hlt' | 'shutdown' | 'wait-for-sipi' | 'mwait'

export interface Cpu {
  readonly index: number
  /** Instructions retired since the machine was made. */
  instructions: number
  /** Exceptions delivered since an instruction was last retired: the number of instructions then, and how many. */
  exceptionsInARow: { after: number; count: number }
  activity: Activity
  /** The root software is not code in memory but the KVM above the door, and it waits for an interrupt. */
  hostIdle: boolean
  /** Blocking by STI and by MOV SS; each counts for one instruction. NMI blocking lasts until IRET. */
  stiBlocking: boolean
  movSsBlocking: boolean
  nmiBlocking: boolean
  nmiPending: boolean
  /** An INIT message came; and the vector of a start-up message, -1 for none. */
  initPending: boolean
  startUpVector: number
  monitor: MonitorState
  /** Between two iterations of a REP instruction. */
  midRepeat: boolean
  /** Values that RDRAND and RDSEED have given so far. */
  randomDraws: number
  segments: Segment[]
  gdtr: DescriptorTable
  idtr: DescriptorTable
  /** MSRs that only hold a value, by index. */
  msrs: Record<number, bigint>
  apic: ApicState
  vmx: VmxState
}

/** Current privilege level: the DPL of SS. */
export const cplOf = (cpu: Cpu): number => (cpu.segments[2]!.accessRights >> 5) & 3

export const CODE64_RIGHTS = 0xa09b
/** 32-bit code. */
export const CODE32_RIGHTS = 0xc09b
export const DATA_RIGHTS = 0xc093
/** Accessed, writable data with 16-bit offsets: every segment of real-address mode at reset. */
export const DATA16_RIGHTS = 0x0093
export const TSS_BUSY_RIGHTS = 0x008b
export const LDT_RIGHTS = 0x0082
export const UNUSABLE_RIGHTS = 0x10000
export const LONG_MODE_CODE = 13
