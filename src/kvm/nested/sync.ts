/** What vmcs12 gets from vmcs02 when L2 has left (Linux `sync_vmcs02_to_vmcs12`, `copy_vmcs02_to_vmcs12_rare`). */

import type { VmcsFieldName } from '../../spec/vmcs-fields.ts'
import type { Context } from '../context.ts'
import { saveGuestTimer } from './apic-timer.ts'
import { readVmcs12, vmcs12Has, writeVmcs12 } from './vmcs12.ts'

const SEGMENT_NAMES = ['ES', 'CS', 'SS', 'DS', 'FS', 'GS', 'LDTR', 'TR'] as const

/** L1 seldom reads these: they are copied when it does. */
const RARE: readonly VmcsFieldName[] = [
  ...SEGMENT_NAMES.flatMap((name): VmcsFieldName[] => [`GUEST_${name}_SELECTOR`, `GUEST_${name}_LIMIT`, `GUEST_${name}_BASE`]),
  ...(['ES', 'DS', 'FS', 'GS', 'LDTR', 'TR'] as const).map((name): VmcsFieldName => `GUEST_${name}_AR_BYTES`),
  'GUEST_GDTR_BASE',
  'GUEST_GDTR_LIMIT',
  'GUEST_IDTR_BASE',
  'GUEST_IDTR_LIMIT',
  'GUEST_PENDING_DBG_EXCEPTIONS',
]

const PDPTES = ['GUEST_PDPTR0', 'GUEST_PDPTR1', 'GUEST_PDPTR2', 'GUEST_PDPTR3'] as const

const RARE_FIELDS: ReadonlySet<VmcsFieldName> = new Set([...RARE, ...PDPTES, 'GUEST_DEADLINE_PHY', 'GUEST_DEADLINE_VIR'])

export const isRareField = (name: VmcsFieldName): boolean => RARE_FIELDS.has(name)

/** Copied at every exit. */
const FREQUENT: readonly VmcsFieldName[] = [
  'GUEST_RSP',
  'GUEST_RIP',
  'GUEST_RFLAGS',
  'GUEST_CS_AR_BYTES',
  'GUEST_SS_AR_BYTES',
  'GUEST_INTERRUPTIBILITY_INFO',
  'GUEST_SYSENTER_CS',
  'GUEST_SYSENTER_ESP',
  'GUEST_SYSENTER_EIP',
  'GUEST_CR3',
]

/** `body` with vmcs02 as the current VMCS, whatever runs. */
function withVmcs02(c: Context, body: () => void): void {
  const { cpu, vcpu } = c
  if (vcpu.nested.guestMode) return body()
  cpu.vmptrld(vcpu.nested.vmcs02)
  body()
  cpu.vmptrld(vcpu.vmcs01)
}

export function syncVmcs02ToVmcs12Rare(c: Context): void {
  const { cpu, vcpu } = c
  if (!vcpu.nested.needSyncRare) return
  withVmcs02(c, () => {
    for (const name of RARE) writeVmcs12(c, name, cpu.vmread(name))
    // A CPU without EPT leaves them alone.
    if (vmcs12Has(c, 'SECONDARY_EXEC_ENABLE_EPT')) for (const name of PDPTES) writeVmcs12(c, name, cpu.vmread(name))
    saveGuestTimer(c)
  })
  vcpu.nested.needSyncRare = false
}

/** CR0 or CR4 as L2 has it: bits the CPU holds, bits that L1 keeps from L2, bits that only L0 keeps. */
function guestControl({ cpu }: Context, name: 'CR0' | 'CR4', kept: bigint, ofL1: bigint): bigint {
  const owned = ~cpu.vmread(`${name}_GUEST_HOST_MASK`) & 0xffff_ffff_ffff_ffffn
  const shadow = cpu.vmread(`${name}_READ_SHADOW`) & ~(kept | owned) & 0xffff_ffff_ffff_ffffn
  return (cpu.vmread(`GUEST_${name}`) & owned) | (ofL1 & kept) | shadow
}

export function syncVmcs02ToVmcs12(c: Context): void {
  const { cpu, vcpu } = c
  for (const name of ['CR0', 'CR4'] as const)
    writeVmcs12(c, `GUEST_${name}`, guestControl(c, name, readVmcs12(c, `${name}_GUEST_HOST_MASK`), readVmcs12(c, `GUEST_${name}`)))
  for (const name of FREQUENT) writeVmcs12(c, name, cpu.vmread(name))
  writeVmcs12(c, 'GUEST_ACTIVITY_STATE', vcpu.nested.halted ? 1 : cpu.vmread('GUEST_ACTIVITY_STATE'))
  if (vmcs12Has(c, 'SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY')) writeVmcs12(c, 'GUEST_INTR_STATUS', cpu.vmread('GUEST_INTR_STATUS'))
  if (vmcs12Has(c, 'VM_EXIT_SAVE_DEBUG_CONTROLS')) {
    writeVmcs12(c, 'GUEST_DR7', cpu.vmread('GUEST_DR7'))
    writeVmcs12(c, 'GUEST_IA32_DEBUGCTL', cpu.vmread('GUEST_IA32_DEBUGCTL'))
  }
  if (vmcs12Has(c, 'VM_EXIT_SAVE_IA32_PAT')) writeVmcs12(c, 'GUEST_IA32_PAT', cpu.vmread('GUEST_IA32_PAT'))
  if (vmcs12Has(c, 'VM_EXIT_SAVE_IA32_EFER')) writeVmcs12(c, 'GUEST_IA32_EFER', vcpu.efer)
  const entry = readVmcs12(c, 'VM_ENTRY_CONTROLS') & ~IA32E_MODE
  writeVmcs12(c, 'VM_ENTRY_CONTROLS', entry | (cpu.vmread('VM_ENTRY_CONTROLS') & IA32E_MODE))
  vcpu.nested.needSyncRare = true
}

const IA32E_MODE = 0x200n
