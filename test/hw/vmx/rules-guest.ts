/** Rows on the guest state: what breaks each rule, and what just does not. */

import { type Broken, type Good, OWN_POINTER } from './rules-base.ts'

const NOT_CANONICAL = 1n << 60n
const event = (type: number, vector: number): number => (0x8000_0000 | (type << 8) | vector) >>> 0
const EXTERNAL = event(0, 0x20)
const NMI = event(2, 2)
const DEBUG = event(3, 1)
const MACHINE_CHECK = event(3, 18)
const UNDEFINED = event(3, 6)
const IF = 0x202

const T_CR0 = 'guest CR0 fits IA32_VMX_CR0_FIXED0 and FIXED1'
const T_EFER = 'guest IA32_EFER has no reserved bit, LMA is the IA-32e mode control, and with paging LME is LMA'
const T_DEBUG = ['VM_ENTRY_LOAD_DEBUG_CONTROLS'] as const
const T_PAT = ['VM_ENTRY_LOAD_IA32_PAT'] as const
const T_CANONICAL = 'guest TR, FS and GS bases, and a usable LDTR base, are canonical'
const T_HIGH = 'bits 63:32 of the guest CS base, and of usable SS, DS and ES bases, are 0'
const T_CS_DPL = 'the DPL of guest CS fits its type and the DPL of SS'
const T_SS_DPL = 'the DPL of guest SS is its RPL, and 0 in real mode'
const T_GRANULARITY = 'the granularity of guest segments fits their limits'
const T_TR = 'the guest TR is usable, a present system segment, without reserved bits, and its granularity fits its limit'
const T_LDTR = 'a usable guest LDTR is a present system segment, without reserved bits, and its granularity fits its limit'
const T_READABLE = 'usable guest DS, ES, FS and GS are accessed, and readable where they are code'
const T_RIP = 'guest RIP fits the code segment and the linear-address width'
const T_RFLAGS = 'reserved bits of guest RFLAGS are 0, and bit 1 is 1'
const T_STEP = 'with blocking by STI or MOV SS or in HLT, a pending single step is there exactly with RFLAGS.TF'
const T_LINK = 'the VMCS link pointer is all ones or points to a VMCS of the right kind'
const T_PDPTE = 'with PAE paging, no present PDPTE has a reserved bit set'
const T_THROUGH = 'the event to inject is one that the activity state lets through'

const REGISTERS: readonly Broken[] = [
  [T_CR0, 'plain', { GUEST_CR0: 0x8000_0011n }], // no NE
  [T_CR0, 'plain', { GUEST_CR0: 0x21 }], // no PG
  [T_CR0, 'plain', { GUEST_CR0: 0x1_8000_0031n }],
  [T_CR0, 'real', { GUEST_CR0: 0 }], // NE is fixed for unrestricted guests too
  ['guest CR0.PG needs CR0.PE', 'real', { GUEST_CR0: 0x8000_0020n }],
  ['guest CR4 fits IA32_VMX_CR4_FIXED0 and FIXED1', 'plain', { GUEST_CR4: 0x20 }],
  ['guest CR4 fits IA32_VMX_CR4_FIXED0 and FIXED1', 'plain', { GUEST_CR4: 0x80_2020 }],
  ['with the debug controls loaded, reserved bits of guest IA32_DEBUGCTL are 0', 'plain', { set: T_DEBUG, GUEST_IA32_DEBUGCTL: 4 }],
  ['IA-32e mode needs guest CR0.PG and CR4.PAE', 'plain', { GUEST_CR4: 0x2000 }],
  ['outside IA-32e mode guest CR4.PCIDE is 0', 'pae', { GUEST_CR4: 0x2_2020 }],
  ['guest CR3 is within the physical-address width', 'plain', { GUEST_CR3: 1n << 46n }],
  ['with the debug controls loaded, bits 63:32 of guest DR7 are 0', 'plain', { set: T_DEBUG, GUEST_DR7: 0x1_0000_0400n }],
  ['guest SYSENTER ESP and EIP are canonical', 'plain', { GUEST_SYSENTER_ESP: NOT_CANONICAL }],
  ['guest SYSENTER ESP and EIP are canonical', 'plain', { GUEST_SYSENTER_EIP: NOT_CANONICAL }],
  ['guest IA32_PAT holds memory types', 'plain', { set: T_PAT, GUEST_IA32_PAT: 3 }],
  [T_EFER, 'plain', { GUEST_IA32_EFER: 0x100 }],
  [T_EFER, 'plain', { GUEST_IA32_EFER: 0x400 }], // paging, LMA without LME
  [T_EFER, 'plain', { GUEST_IA32_EFER: 0x1500 }],
  [T_EFER, 'pae', { GUEST_IA32_EFER: 0x500 }],
  [T_EFER, 'pae', { GUEST_IA32_EFER: 0x100 }],
]

const SEGMENTS: readonly Broken[] = [
  ['the guest TR selector has TI 0', 'plain', { GUEST_TR_SELECTOR: 0x1c }],
  ['a usable guest LDTR has a selector with TI 0', 'plain', { GUEST_LDTR_SELECTOR: 4, GUEST_LDTR_AR_BYTES: 0x82 }],
  ['the guest SS and CS selectors have the same RPL', 'plain', { GUEST_SS_SELECTOR: 0x13, GUEST_SS_AR_BYTES: 0xc0f3 }],
  ['in virtual-8086 mode each guest segment base is its selector times 16', 'virtual8086', { GUEST_DS_BASE: 0x1_0010 }],
  [T_CANONICAL, 'plain', { GUEST_TR_BASE: NOT_CANONICAL }],
  [T_CANONICAL, 'plain', { GUEST_FS_BASE: NOT_CANONICAL }],
  [T_CANONICAL, 'plain', { GUEST_GS_BASE: NOT_CANONICAL }],
  [T_CANONICAL, 'plain', { GUEST_LDTR_BASE: NOT_CANONICAL, GUEST_LDTR_AR_BYTES: 0x82 }],
  [T_HIGH, 'plain', { GUEST_CS_BASE: 1n << 32n }],
  [T_HIGH, 'plain', { GUEST_SS_BASE: 1n << 32n }],
  ['in virtual-8086 mode each guest segment limit is FFFFH', 'virtual8086', { GUEST_SS_LIMIT: 0xfffe }],
  ['in virtual-8086 mode the guest access rights are F3H', 'virtual8086', { GUEST_CS_AR_BYTES: 0xfb }],
  ['the guest CS is accessed code, or data of an unrestricted guest', 'plain', { GUEST_CS_AR_BYTES: 0xa09a }],
  ['the guest CS is accessed code, or data of an unrestricted guest', 'protected', { GUEST_CS_AR_BYTES: 0xc093 }],
  ['a usable guest SS is accessed, writable data', 'plain', { GUEST_SS_AR_BYTES: 0xc091 }],
  ['a usable guest SS is accessed, writable data', 'plain', { GUEST_SS_AR_BYTES: 0xc09b }],
  [T_READABLE, 'plain', { GUEST_DS_AR_BYTES: 0xc092 }],
  [T_READABLE, 'plain', { GUEST_FS_AR_BYTES: 0xc099 }],
  ['guest code and data segments have S 1', 'plain', { GUEST_CS_AR_BYTES: 0xa08b }],
  ['guest code and data segments have S 1', 'plain', { GUEST_GS_AR_BYTES: 0xc083 }],
  [T_CS_DPL, 'plain', { GUEST_CS_AR_BYTES: 0xa0fb }],
  [T_CS_DPL, 'plain', { GUEST_CS_AR_BYTES: 0xa0ff }],
  [T_CS_DPL, 'real', { GUEST_CS_AR_BYTES: 0xf3 }],
  [T_SS_DPL, 'plain', { GUEST_SS_AR_BYTES: 0xc0f3, GUEST_CS_AR_BYTES: 0xa0fb }],
  [T_SS_DPL, 'real', { GUEST_SS_AR_BYTES: 0xf3, GUEST_CS_AR_BYTES: 0xfb }],
  ['the DPL of usable guest DS, ES, FS and GS is not below their RPL', 'plain', { GUEST_ES_SELECTOR: 0x13 }],
  ['guest code and data segments are present', 'plain', { GUEST_CS_AR_BYTES: 0xa01b }],
  ['guest code and data segments are present', 'plain', { GUEST_DS_AR_BYTES: 0xc013 }],
  ['reserved bits 11:8 of guest access rights are 0', 'plain', { GUEST_CS_AR_BYTES: 0xa19b }],
  ['the guest CS does not have both L and D in IA-32e mode', 'plain', { GUEST_CS_AR_BYTES: 0xe09b }],
  [T_GRANULARITY, 'plain', { GUEST_DS_LIMIT: 0xffff_fffe }],
  [T_GRANULARITY, 'plain', { GUEST_DS_AR_BYTES: 0x4093 }],
  ['reserved bits 31:17 of guest access rights are 0', 'plain', { GUEST_SS_AR_BYTES: 0x2_c093 }],
  ['the guest TR is a busy TSS, in IA-32e mode a 64-bit one', 'plain', { GUEST_TR_AR_BYTES: 0x89 }],
  ['the guest TR is a busy TSS, in IA-32e mode a 64-bit one', 'plain', { GUEST_TR_AR_BYTES: 0x83 }],
  [T_TR, 'plain', { GUEST_TR_AR_BYTES: 0x1_008b }],
  [T_TR, 'plain', { GUEST_TR_AR_BYTES: 0x9b }],
  [T_TR, 'plain', { GUEST_TR_AR_BYTES: 0x0b }],
  [T_TR, 'plain', { GUEST_TR_LIMIT: 0x10_0000 }],
  ['a usable guest LDTR is an LDT', 'plain', { GUEST_LDTR_AR_BYTES: 0x83 }],
  [T_LDTR, 'plain', { GUEST_LDTR_AR_BYTES: 0x02 }],
  [T_LDTR, 'plain', { GUEST_LDTR_AR_BYTES: 0x182 }],
  ['guest GDTR and IDTR bases are canonical', 'plain', { GUEST_GDTR_BASE: NOT_CANONICAL }],
  ['guest GDTR and IDTR bases are canonical', 'plain', { GUEST_IDTR_BASE: NOT_CANONICAL }],
  ['bits 31:16 of the guest GDTR and IDTR limits are 0', 'plain', { GUEST_GDTR_LIMIT: 0x1_0000 }],
]

const REST: readonly Broken[] = [
  [T_RIP, 'plain', { GUEST_RIP: NOT_CANONICAL }],
  [T_RIP, 'plain', { GUEST_RIP: 1n << 32n, GUEST_CS_AR_BYTES: 0xc09b }],
  [T_RIP, 'pae', { GUEST_RIP: 1n << 32n }],
  [T_RFLAGS, 'plain', { GUEST_RFLAGS: 0 }],
  [T_RFLAGS, 'plain', { GUEST_RFLAGS: 0x40_0002 }],
  [T_RFLAGS, 'plain', { GUEST_RFLAGS: 0xa }],
  [
    'guest RFLAGS.VM is 0 in IA-32e mode and in real mode',
    'virtual8086',
    { GUEST_CR4: 0x2020, GUEST_IA32_EFER: 0x500, GUEST_TR_AR_BYTES: 0x8b, set: ['VM_ENTRY_IA32E_MODE'] },
  ],
  ['an injected external interrupt needs RFLAGS.IF', 'plain', { VM_ENTRY_INTR_INFO_FIELD: EXTERNAL }],
  ['the activity state is one that the processor supports', 'plain', { GUEST_ACTIVITY_STATE: 4 }],
  [
    'HLT needs a guest SS with DPL 0',
    'plain',
    { GUEST_ACTIVITY_STATE: 1, GUEST_SS_SELECTOR: 3, GUEST_CS_SELECTOR: 0xb, GUEST_SS_AR_BYTES: 0xc0f3, GUEST_CS_AR_BYTES: 0xa0fb },
  ],
  ['STI or MOV-SS blocking needs the active state', 'plain', { GUEST_ACTIVITY_STATE: 1, GUEST_INTERRUPTIBILITY_INFO: 2 }],
  [T_THROUGH, 'plain', { GUEST_ACTIVITY_STATE: 1, VM_ENTRY_INTR_INFO_FIELD: UNDEFINED }],
  [T_THROUGH, 'plain', { GUEST_ACTIVITY_STATE: 2, VM_ENTRY_INTR_INFO_FIELD: EXTERNAL, GUEST_RFLAGS: IF }],
  [T_THROUGH, 'plain', { GUEST_ACTIVITY_STATE: 3, VM_ENTRY_INTR_INFO_FIELD: NMI }],
  ['bits 31:4 of the interruptibility state are 0', 'plain', { GUEST_INTERRUPTIBILITY_INFO: 0x10 }],
  ['not both STI and MOV-SS blocking', 'plain', { GUEST_INTERRUPTIBILITY_INFO: 3, GUEST_RFLAGS: IF }],
  ['STI blocking needs RFLAGS.IF', 'plain', { GUEST_INTERRUPTIBILITY_INFO: 1 }],
  [
    'no STI or MOV-SS blocking with an injected external interrupt',
    'plain',
    { GUEST_INTERRUPTIBILITY_INFO: 1, GUEST_RFLAGS: IF, VM_ENTRY_INTR_INFO_FIELD: EXTERNAL },
  ],
  ['no MOV-SS blocking with an injected NMI', 'plain', { GUEST_INTERRUPTIBILITY_INFO: 2, VM_ENTRY_INTR_INFO_FIELD: NMI }],
  ['no SMI blocking outside system-management mode', 'plain', { GUEST_INTERRUPTIBILITY_INFO: 4 }],
  ['with virtual NMIs no NMI blocking with an injected NMI', 'nmi', { GUEST_INTERRUPTIBILITY_INFO: 8, VM_ENTRY_INTR_INFO_FIELD: NMI }],
  ['reserved bits of the pending debug exceptions are 0', 'plain', { GUEST_PENDING_DBG_EXCEPTIONS: 0x10 }],
  ['reserved bits of the pending debug exceptions are 0', 'plain', { GUEST_PENDING_DBG_EXCEPTIONS: 0x1_0000 }],
  [T_STEP, 'plain', { GUEST_INTERRUPTIBILITY_INFO: 2, GUEST_RFLAGS: 0x102 }],
  [T_STEP, 'plain', { GUEST_INTERRUPTIBILITY_INFO: 2, GUEST_PENDING_DBG_EXCEPTIONS: 0x4000 }],
  [T_STEP, 'plain', { GUEST_ACTIVITY_STATE: 1, GUEST_RFLAGS: 0x102 }],
  [T_LINK, 'plain', { VMCS_LINK_POINTER: 0x800 }],
  [T_LINK, 'plain', { VMCS_LINK_POINTER: OWN_POINTER }],
  [T_LINK, 'plain', { VMCS_LINK_POINTER: 0x21_8000 }], // no revision there
  [T_PDPTE, 'pae', { GUEST_PDPTR3: 0x3 }],
  [T_PDPTE, 'pae', { GUEST_PDPTR0: (1n << 46n) | 1n }],
]

export const BROKEN_GUEST: readonly Broken[] = [...REGISTERS, ...SEGMENTS, ...REST]

export const GOOD_GUEST: readonly Good[] = [
  ['pae', {}],
  ['protected', {}],
  ['virtual8086', {}],
  ['real', {}],
  ['real', { GUEST_CS_AR_BYTES: 0x93 }], // code in a data segment, as after a jump out of protected mode
  ['real', { GUEST_CR0: 0x21, GUEST_SS_SELECTOR: 3 }], // protected without paging; no RPL rules
  ['plain', { GUEST_CR0: 0xe000_0031n }], // CD and NW are not looked at
  ['plain', { GUEST_IA32_DEBUGCTL: 4, GUEST_DR7: 1n << 40n, GUEST_IA32_PAT: 3 }], // none is loaded
  ['plain', { GUEST_DS_AR_BYTES: 0x1_0000, GUEST_DS_LIMIT: 5, GUEST_DS_BASE: 1n << 40n }], // unusable
  ['plain', { GUEST_SS_AR_BYTES: 0x1_0000, GUEST_SS_SELECTOR: 0 }],
  ['plain', { GUEST_LDTR_AR_BYTES: 0x82, GUEST_LDTR_SELECTOR: 0x28 }],
  ['plain', { GUEST_CS_AR_BYTES: 0xa09f }], // conforming
  ['plain', { GUEST_DS_LIMIT: 0xf_ffff, GUEST_DS_AR_BYTES: 0x4093 }],
  ['protected', { GUEST_TR_AR_BYTES: 0x83 }], // a 16-bit TSS
  ['plain', { GUEST_RFLAGS: 0x3c_7fd7n & ~0x2_0000n & ~0x100n }],
  ['plain', { GUEST_ACTIVITY_STATE: 1, VM_ENTRY_INTR_INFO_FIELD: DEBUG }],
  ['plain', { GUEST_ACTIVITY_STATE: 1, VM_ENTRY_INTR_INFO_FIELD: EXTERNAL, GUEST_RFLAGS: IF }],
  ['plain', { GUEST_ACTIVITY_STATE: 2, VM_ENTRY_INTR_INFO_FIELD: MACHINE_CHECK }],
  ['plain', { GUEST_INTERRUPTIBILITY_INFO: 1, GUEST_RFLAGS: IF, VM_ENTRY_INTR_INFO_FIELD: NMI }],
  ['plain', { GUEST_INTERRUPTIBILITY_INFO: 8, VM_ENTRY_INTR_INFO_FIELD: NMI }], // without virtual NMIs
  ['plain', { GUEST_INTERRUPTIBILITY_INFO: 2, GUEST_RFLAGS: 0x102, GUEST_PENDING_DBG_EXCEPTIONS: 0x4000 }],
  ['pae', { GUEST_PDPTR0: 0x1e6, GUEST_PDPTR1: 0x1019 }], // not present; PWT, PCD and bits 11:9 are free
  ['plain', { GUEST_PDPTR0: 0x1e7 }], // no PAE paging
  ['plain', { GUEST_RIP: 1n << 56n }], // up to the processor's 57 bits; its fetch will fault
]
