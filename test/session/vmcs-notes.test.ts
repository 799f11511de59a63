/** What the bits of VMCS fields say, by values whose meaning the SDM or Linux's `dump_vmcs` gives. */

import { expect, test } from 'vitest'
import { vmcsNote } from '../../src/session/vmcs-notes.ts'
import type { VmcsFieldName } from '../../src/spec/vmcs-fields.ts'

test.each<[VmcsFieldName, bigint, string]>([
  ['GUEST_CR0', 0x8000_0011n, 'PE ET PG'],
  ['GUEST_CR4', 0x2020n, 'PAE VMXE'],
  ['GUEST_IA32_EFER', 0xd00n, 'LME LMA NX'],
  ['GUEST_RFLAGS', 0x202n, 'IF'],
  // SDM, "Format of the VM-Exit Interruption-Information Field": type 3 is a hardware exception, bit 11 an error code.
  ['VM_EXIT_INTR_INFO', 0x8000_0b0en, 'exception, #PF, with an error code'],
  ['VM_EXIT_INTR_INFO', 0x8000_00ecn, 'external interrupt, vector ec'],
  ['IDT_VECTORING_INFO_FIELD', 0x8000_0202n, 'NMI, vector 2'],
  ['VM_ENTRY_INTR_INFO_FIELD', 0x30n, 'not valid'],
  // SDM, "Format of Access Rights"; Linux sets 0xa09b for 64-bit code, 0xc093 for data, 0x8b for a busy TSS.
  ['GUEST_CS_AR_BYTES', 0xa09bn, 'code 64-bit, DPL 0'],
  ['GUEST_SS_AR_BYTES', 0xc0f3n, 'data, DPL 3'],
  ['GUEST_TR_AR_BYTES', 0x8bn, 'system type 11, DPL 0'],
  ['GUEST_LDTR_AR_BYTES', 0x1_0000n, 'unusable'],
  ['GUEST_ACTIVITY_STATE', 1n, 'HLT'],
  ['GUEST_INTERRUPTIBILITY_INFO', 9n, 'blocking by STI, blocking by NMI'],
  ['VM_EXIT_REASON', 12n, 'HLT'],
  ['EXCEPTION_BITMAP', 0x60042n, '#DB #UD #AC #MC'],
  ['PIN_BASED_VM_EXEC_CONTROL', 9n, 'EXT_INTR_MASK NMI_EXITING'],
  ['GUEST_RIP', 0x1000n, ''],
])('%s = %d: %s', (field, value, note) => {
  expect(vmcsNote(field, value)).toBe(note)
})
