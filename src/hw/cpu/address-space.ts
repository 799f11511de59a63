/** Which address space a CPU is in: the settings a walk depends on, and their text as a key of the TLB cache. */

import { bit } from '../../base/bits.ts'
import { CR0, CR4, EFER } from '../../spec/cr-bits.ts'
import { MSRS } from '../../spec/msrs.ts'
import { VMX_CONTROLS } from '../../spec/vmx-controls.ts'
import type { MachineConfig } from '../machine.ts'
import type { EptContext } from '../vmx/ept.ts'
import { type PagingFormatName, type WalkLevel, walkLevels } from './paging-formats.ts'
import type { Cpu, Registers } from './registers.ts'

/** What a walk depends on besides memory. */
export interface AddressSpace {
  /** Null without paging (CR0.PG = 0): linear addresses are physical. */
  readonly format: PagingFormatName | null
  readonly levels: readonly WalkLevel[]
  /** Physical address of the topmost table. */
  readonly root: number
  /** PAE paging: the PDPTE registers. */
  readonly pdptes: readonly bigint[]
  /** CR0.WP, IA32_EFER.NXE, CR4.SMEP and CR4.SMAP. */
  readonly writeProtect: boolean
  readonly noExecute: boolean
  readonly smep: boolean
  readonly smap: boolean
  /** Null outside VMX non-root operation with EPT. */
  readonly ept: EptContext | null
}

const bitOf = (position: number): bigint => 1n << BigInt(position)
const CR0_RELEVANT = bitOf(CR0.WP) | bitOf(CR0.PG)
const CR4_RELEVANT = bitOf(CR4.PSE) | bitOf(CR4.PAE) | bitOf(CR4.LA57) | bitOf(CR4.SMEP) | bitOf(CR4.SMAP)
const EFER_RELEVANT = bitOf(EFER.NX) | bitOf(EFER.LMA)
const EPT_FLAGS_KEPT = bitOf(6)
const ADDRESS = 0x000f_ffff_ffff_f000n
/** CR3 outside IA-32e mode: a page with 32-bit paging, 32 bytes with PAE paging. */
const ROOT_32BIT = 0xffff_f000n

const has = (word: bigint, position: number): boolean => (word & bitOf(position)) !== 0n

/** The format that CR0.PG, CR4.PAE, CR4.LA57 and IA32_EFER.LMA choose (SDM, "Paging Modes and Control Bits"); null: no paging. */
export function pagingFormat(cr0: bigint, cr4: bigint, efer: bigint): PagingFormatName | null {
  if (!has(cr0, CR0.PG)) return null
  if (!has(cr4, CR4.PAE)) return '32-bit'
  if (!has(efer, EFER.LMA)) return 'PAE'
  return has(cr4, CR4.LA57) ? '5-level' : '4-level'
}

export const pagingFormatOf = (cpu: Cpu, { cr }: Registers): PagingFormatName | null =>
  pagingFormat(cr[0]!, cr[4]!, cpu.msrs[MSRS.MSR_EFER.index] ?? 0n)

function eptOf({ vmx }: Cpu): EptContext | null {
  const { controls, mode, currentVmcs } = vmx
  if (mode !== 'non-root' || !bit(controls.secondary, VMX_CONTROLS.SECONDARY_EXEC_ENABLE_EPT.bit)) return null
  const logs = bit(controls.secondary, VMX_CONTROLS.SECONDARY_EXEC_ENABLE_PML.bit)
  return {
    root: Number(controls.eptPointer & ADDRESS),
    keepsFlags: (controls.eptPointer & EPT_FLAGS_KEPT) !== 0n,
    logVmcs: logs ? currentVmcs : -1,
  }
}

/** The page that the guest takes for its local APIC, where accesses to it are virtualized. */
const apicAccessOf = ({ vmx }: Cpu): number | '' =>
  vmx.mode === 'non-root' && bit(vmx.controls.secondary, VMX_CONTROLS.SECONDARY_EXEC_VIRTUALIZE_APIC_ACCESSES.bit)
    ? vmx.controls.apicAccessPage
    : ''

/** The key of the TLB cache, and the address space when there is none yet. */
export function addressSpaceOf(config: MachineConfig, cpu: Cpu, registers: Registers): { key: string; space: () => AddressSpace } {
  const [cr0, , , cr3, cr4] = registers.cr as unknown as [bigint, bigint, bigint, bigint, bigint]
  const efer = cpu.msrs[MSRS.MSR_EFER.index] ?? 0n
  const ept = eptOf(cpu)
  const format = pagingFormat(cr0, cr4, efer)
  const pdptes = format === 'PAE' ? [...registers.pdpte] : []
  const words = [cr0 & CR0_RELEVANT, cr3, cr4 & CR4_RELEVANT, efer & EFER_RELEVANT, ...pdptes]
  const eptKey = ept === null ? '' : `${ept.root}:${ept.keepsFlags}:${ept.logVmcs}`
  const settings = {
    noExecute: has(efer, EFER.NX),
    pageSizeExtensions: has(cr4, CR4.PSE),
    pse36: config.features.includes('pse36'),
    gigabytePages: config.features.includes('pdpe1gb'),
  }
  return {
    key: `${words.join()}:${eptKey}:${apicAccessOf(cpu)}`,
    space: () => ({
      format,
      levels: format === null ? [] : walkLevels(format, settings),
      root: Number(cr3 & (format === '32-bit' ? ROOT_32BIT : ADDRESS)),
      pdptes,
      writeProtect: has(cr0, CR0.WP),
      noExecute: settings.noExecute && format !== '32-bit',
      smep: has(cr4, CR4.SMEP),
      smap: has(cr4, CR4.SMAP),
      ept,
    }),
  }
}
