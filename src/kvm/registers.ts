/** KVM_SET_REGS and KVM_SET_SREGS: a vCPU's registers from user space, in the shapes of `struct kvm_regs` and `kvm_sregs`. */

import type { VmcsFieldName } from '../spec/vmcs-fields.ts'
import type { Context } from './context.ts'
import { loadPdptes, PDPTES, setCr0, setCr4, setEfer } from './control-registers.ts'
import { KvmError } from './error.ts'
import { isAllowed } from './vmcs01.ts'

export interface Registers {
  readonly rip: bigint
  readonly rflags: bigint
  /** RAX..R15 in the order of their encodings. */
  readonly gpr: readonly bigint[]
}

export interface SegmentRegisterValue {
  readonly selector: number
  readonly base: bigint
  readonly limit: number
  /** In the VMCS's format. */
  readonly accessRights: number
}

export interface SpecialRegisters {
  readonly cr0: bigint
  /** 0 where it is left out. */
  readonly cr2?: bigint
  readonly cr3: bigint
  readonly cr4: bigint
  readonly efer: bigint
  /** ES, CS, SS, DS, FS, GS, LDTR, TR. */
  readonly segments: readonly SegmentRegisterValue[]
  readonly gdtr: { readonly base: bigint; readonly limit: number }
  readonly idtr: { readonly base: bigint; readonly limit: number }
  /** With PAE paging, of `kvm_sregs2`: the four entries as CR3 was loaded; where they are left out they are read from memory. */
  readonly pdptes?: readonly bigint[]
}

const RSP = 4
export const SEGMENTS = ['ES', 'CS', 'SS', 'DS', 'FS', 'GS', 'LDTR', 'TR'] as const

export function setRegisters({ cpu }: Context, { rip, rflags, gpr }: Registers): void {
  for (const [index, value] of gpr.entries()) if (index !== RSP) cpu.setGpr(index, value)
  cpu.vmwrite('GUEST_RSP', gpr[RSP]!)
  cpu.vmwrite('GUEST_RIP', rip)
  cpu.vmwrite('GUEST_RFLAGS', rflags | 2n)
}

const PROTECTED_AND_PAGED = 0x8000_0001n

/** EINVAL for a mode that the CPU cannot run a guest in: without "unrestricted guest" only those with paging. */
export function setSpecialRegisters(c: Context, registers: SpecialRegisters): void {
  const { cpu } = c
  if ((registers.cr0 & PROTECTED_AND_PAGED) !== PROTECTED_AND_PAGED && !isAllowed(cpu, 'SECONDARY_EXEC_UNRESTRICTED_GUEST'))
    throw new KvmError('EINVAL', 'without the control "unrestricted guest" a vCPU starts in protected mode with paging')
  for (const [index, name] of SEGMENTS.entries()) {
    const segment = registers.segments[index]!
    const put = (part: string, value: bigint | number) => cpu.vmwrite(`GUEST_${name}_${part}` as VmcsFieldName, value)
    put('SELECTOR', segment.selector)
    put('BASE', segment.base)
    put('LIMIT', segment.limit)
    put('AR_BYTES', segment.accessRights)
  }
  cpu.vmwrite('GUEST_GDTR_BASE', registers.gdtr.base)
  cpu.vmwrite('GUEST_GDTR_LIMIT', registers.gdtr.limit)
  cpu.vmwrite('GUEST_IDTR_BASE', registers.idtr.base)
  cpu.vmwrite('GUEST_IDTR_LIMIT', registers.idtr.limit)
  cpu.vmwrite('GUEST_CR3', registers.cr3)
  cpu.setCr2(registers.cr2 ?? 0n)
  setEfer(c, registers.efer)
  setCr0(c, registers.cr0)
  setCr4(c, registers.cr4)
  if (registers.pdptes === undefined) loadPdptes(c)
  else for (const [index, field] of PDPTES.entries()) cpu.vmwrite(field, registers.pdptes[index] ?? 0n)
}
