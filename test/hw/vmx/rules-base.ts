/** The VMCSs that the rows of the entry rules begin with: each is good, and each is what some rules need to be looked at. */

import { MSRS } from '../../../src/spec/msrs.ts'
import type { ControlName } from '../../../src/spec/vmx-controls.ts'
import { type Rig, TIMER_CONTROLS, VMCS } from './rig.ts'
import { type Changes, type Judge, judge } from './verdict.ts'

const SECONDARY: ControlName = 'CPU_BASED_ACTIVATE_SECONDARY_CONTROLS'
const EPT: readonly ControlName[] = [SECONDARY, 'SECONDARY_EXEC_ENABLE_EPT']

/** An EPT pointer: write-back, 4 levels. The tables are empty, so the guest exits at once. */
const EPT_POINTER = 0x21_001en

const FLAT_32: Changes = { GUEST_CS_AR_BYTES: 0xc09b, GUEST_CS_LIMIT: 0xffff_ffffn, GUEST_TR_AR_BYTES: 0x8b }

/** In virtual-8086 mode: base = selector * 16, limit FFFFH, access rights F3H, in all six. */
const VIRTUAL_8086: Changes = Object.fromEntries(
  (['ES', 'CS', 'SS', 'DS', 'FS', 'GS'] as const).flatMap(name => [
    [`GUEST_${name}_SELECTOR`, 0x1000],
    [`GUEST_${name}_BASE`, 0x1_0000],
    [`GUEST_${name}_LIMIT`, 0xffff],
    [`GUEST_${name}_AR_BYTES`, 0xf3],
  ]),
)

const REAL: Changes = Object.fromEntries(
  (['ES', 'CS', 'SS', 'DS', 'FS', 'GS'] as const).flatMap(name => [
    [`GUEST_${name}_SELECTOR`, 0],
    [`GUEST_${name}_BASE`, 0],
    [`GUEST_${name}_LIMIT`, 0xffff],
    [`GUEST_${name}_AR_BYTES`, name === 'CS' ? 0x9b : 0x93],
  ]),
)

const BASES = {
  plain: [[], {}],
  timer: [TIMER_CONTROLS, {}],
  posted: [[...TIMER_CONTROLS, 'PIN_BASED_POSTED_INTR'], { POSTED_INTR_NV: 0xf2, POSTED_INTR_DESC_ADDR: 0x20_9000 }],
  tpr: [['CPU_BASED_TPR_SHADOW'], {}],
  nmi: [['PIN_BASED_NMI_EXITING', 'PIN_BASED_VIRTUAL_NMIS'], {}],
  vpid: [[SECONDARY, 'SECONDARY_EXEC_ENABLE_VPID'], { VIRTUAL_PROCESSOR_ID: 1 }],
  ept: [EPT, { EPT_POINTER }],
  secondary: [[SECONDARY], {}],
  /** Protected mode with PAE paging, which the PDPTE fields describe. */
  pae: [EPT, { EPT_POINTER, ...FLAT_32, GUEST_IA32_EFER: 0, clear: ['VM_ENTRY_IA32E_MODE'] }],
  /** Protected mode with 32-bit paging. */
  protected: [EPT, { EPT_POINTER, ...FLAT_32, GUEST_IA32_EFER: 0, GUEST_CR4: 0x2000, clear: ['VM_ENTRY_IA32E_MODE'] }],
  virtual8086: [
    EPT,
    { EPT_POINTER, ...VIRTUAL_8086, GUEST_IA32_EFER: 0, GUEST_CR4: 0x2000, GUEST_RFLAGS: 0x2_0002, clear: ['VM_ENTRY_IA32E_MODE'] },
  ],
  /** Root and guest in protected mode. */
  host32: [
    EPT,
    {
      EPT_POINTER,
      ...FLAT_32,
      GUEST_IA32_EFER: 0,
      GUEST_CR4: 0x2000,
      HOST_SS_SELECTOR: 0x18,
      clear: ['VM_ENTRY_IA32E_MODE', 'VM_EXIT_HOST_ADDR_SPACE_SIZE'],
    },
  ],
  real: [
    [...EPT, 'SECONDARY_EXEC_UNRESTRICTED_GUEST'],
    { EPT_POINTER, ...REAL, GUEST_IA32_EFER: 0, GUEST_CR4: 0x2000, GUEST_CR0: 0x20, clear: ['VM_ENTRY_IA32E_MODE'] },
  ],
} as const satisfies Readonly<Record<string, readonly [readonly ControlName[], Changes]>>

export type Base = keyof typeof BASES

/** The rig's root software is not code in memory, so that its mode can just be said. */
const leaveLongMode = (rig: Rig): void => {
  rig.machine.cpus[0]!.msrs[MSRS.MSR_EFER.index] = 0n
}

const judges = new Map<Base, Judge>()

export function judgeOf(base: Base): Judge {
  const [controls, changes] = BASES[base]
  const known = judges.get(base) ?? judge(controls, changes, base === 'host32' ? leaveLongMode : undefined)
  judges.set(base, known)
  return known
}

/** The address of the VMCS under question. */
export const OWN_POINTER = VMCS

/** rule, base, what breaks it. */
export type Broken = readonly [rule: string, base: Base, changes: Changes]
export type Good = readonly [base: Base, changes: Changes]
