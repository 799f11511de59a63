/**
 * The state in which a host kernel's root software finds a CPU: 64-bit mode, CR4.VMXE on, x2APIC on. The kernel itself is not code
 * in memory, so its tables are empty; what counts is that the VMX instructions find what they require.
 */

import { APIC_BITS } from '../spec/apic-registers.ts'
import { MSRS } from '../spec/msrs.ts'
import type { Engine } from './cpu/engine.ts'
import { CODE64_RIGHTS, DATA_RIGHTS, TSS_BUSY_RIGHTS, UNUSABLE_RIGHTS } from './cpu/registers.ts'

const CR0_HOST = 0x8005_0033n // PG AM WP NE ET MP PE
const CR4_HOST = 0x22a0n // VMXE OSFXSR PGE PAE
const EFER_HOST = 0xd01n // NX LMA LME SCE
const APIC_ENABLES = BigInt(APIC_BITS.MSR_IA32_APICBASE_ENABLE | APIC_BITS.X2APIC_ENABLE)
const SPURIOUS_VECTOR = 0xff

export function enterHostMode(engine: Engine): void {
  const { cpu, registers } = engine
  registers.cr[0] = CR0_HOST
  registers.cr[4] = CR4_HOST
  cpu.msrs[MSRS.MSR_EFER.index] = EFER_HOST
  const data = { selector: 0x18, limit: 0xffff_ffff, accessRights: DATA_RIGHTS }
  cpu.segments = [
    { ...data },
    { selector: 0x10, limit: 0xffff_ffff, accessRights: CODE64_RIGHTS },
    { ...data },
    { ...data },
    { ...data },
    { ...data },
    { selector: 0, limit: 0, accessRights: UNUSABLE_RIGHTS },
    { selector: 0x40, limit: 0x67, accessRights: TSS_BUSY_RIGHTS },
  ]
  cpu.vmx.rootSoftware = 'kvm'
  cpu.activity = 'active'
  cpu.msrs[MSRS.MSR_IA32_APICBASE.index] = cpu.msrs[MSRS.MSR_IA32_APICBASE.index]! | APIC_ENABLES
  registers.apic[0xf0 >> 2] = APIC_BITS.APIC_SPIV_APIC_ENABLED | SPURIOUS_VECTOR
  engine.reload()
}
