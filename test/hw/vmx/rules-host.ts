/** Rows on the host state: what breaks each rule, and what just does not. */

import type { Broken, Good } from './rules-base.ts'

const T_CR4 = 'host CR4 fits IA32_VMX_CR4_FIXED0 and FIXED1'
const T_EFER = 'host IA32_EFER has no reserved bit, and LMA and LME are the host address-space size'
const T_BASES = 'host FS, GS, TR, GDTR and IDTR bases are canonical'
const T_PAT = 'host IA32_PAT holds memory types'
const NOT_CANONICAL = 1n << 60n
const LOAD_EFER = ['VM_EXIT_LOAD_IA32_EFER'] as const
const LOAD_PAT = ['VM_EXIT_LOAD_IA32_PAT'] as const

export const BROKEN_HOST: readonly Broken[] = [
  ['host CR0 fits IA32_VMX_CR0_FIXED0 and FIXED1', 'plain', { HOST_CR0: 0x5_0033n }],
  ['host CR0 fits IA32_VMX_CR0_FIXED0 and FIXED1', 'plain', { HOST_CR0: 0x1_8005_0033n }],
  [T_CR4, 'plain', { HOST_CR4: 0x2a0 }], // no VMXE
  [T_CR4, 'plain', { HOST_CR4: 0x80_22a0 }], // CET is not there
  ['host CR3 is within the physical-address width', 'plain', { HOST_CR3: 1n << 46n }],
  ['host SYSENTER ESP and EIP are canonical', 'plain', { HOST_IA32_SYSENTER_ESP: NOT_CANONICAL }],
  ['host SYSENTER ESP and EIP are canonical', 'plain', { HOST_IA32_SYSENTER_EIP: NOT_CANONICAL }],
  [T_PAT, 'plain', { set: LOAD_PAT, HOST_IA32_PAT: 2 }],
  [T_PAT, 'plain', { set: LOAD_PAT, HOST_IA32_PAT: 8n << 56n }],
  [T_EFER, 'plain', { set: LOAD_EFER, HOST_IA32_EFER: 0x100 }],
  [T_EFER, 'plain', { set: LOAD_EFER, HOST_IA32_EFER: 0x400 }],
  [T_EFER, 'plain', { set: LOAD_EFER, HOST_IA32_EFER: 0x502 }],
  ['host selectors have RPL 0 and TI 0', 'plain', { HOST_DS_SELECTOR: 3 }],
  ['host selectors have RPL 0 and TI 0', 'plain', { HOST_TR_SELECTOR: 0x44 }],
  ['host CS and TR selectors are not 0', 'plain', { HOST_CS_SELECTOR: 0 }],
  ['host CS and TR selectors are not 0', 'plain', { HOST_TR_SELECTOR: 0 }],
  ['the host SS selector of a 32-bit host is not 0', 'host32', { HOST_SS_SELECTOR: 0 }],
  [T_BASES, 'plain', { HOST_FS_BASE: NOT_CANONICAL }],
  [T_BASES, 'plain', { HOST_GS_BASE: NOT_CANONICAL }],
  [T_BASES, 'plain', { HOST_TR_BASE: NOT_CANONICAL }],
  [T_BASES, 'plain', { HOST_GDTR_BASE: NOT_CANONICAL }],
  [T_BASES, 'plain', { HOST_IDTR_BASE: NOT_CANONICAL }],
  [
    'the host address-space size is 64 bits exactly when the entry is made in IA-32e mode',
    'plain',
    { clear: ['VM_EXIT_HOST_ADDR_SPACE_SIZE'], HOST_SS_SELECTOR: 0x18 },
  ],
  [
    'the host address-space size is 64 bits exactly when the entry is made in IA-32e mode',
    'host32',
    { set: ['VM_EXIT_HOST_ADDR_SPACE_SIZE'] },
  ],
  ['a 32-bit host has no IA-32e mode guest', 'host32', { set: ['VM_ENTRY_IA32E_MODE'] }],
  ['a 32-bit host has CR4.PCIDE 0 and RIP below 4 GBytes', 'host32', { HOST_CR4: 0x2_2280 }],
  ['a 32-bit host has CR4.PCIDE 0 and RIP below 4 GBytes', 'host32', { HOST_RIP: 1n << 32n }],
  ['a 64-bit host has CR4.PAE 1', 'plain', { HOST_CR4: 0x2280 }],
  ['the RIP of a 64-bit host is canonical', 'plain', { HOST_RIP: NOT_CANONICAL }],
  ['the RIP of a 64-bit host is canonical', 'plain', { HOST_RIP: 1n << 47n }],
]

export const GOOD_HOST: readonly Good[] = [
  ['host32', {}],
  ['host32', { HOST_CR4: 0x2000, HOST_RIP: 0xffff_ffff }],
  ['plain', { HOST_CR0: 0xe005_0033n }], // CD and NW are not looked at
  ['plain', { HOST_SS_SELECTOR: 0, HOST_DS_SELECTOR: 0 }],
  ['plain', { HOST_IA32_PAT: 2, HOST_IA32_EFER: 0 }], // neither is loaded
  ['plain', { set: LOAD_PAT, HOST_IA32_PAT: 0x0007_0605_0401_0100n }],
  ['plain', { set: LOAD_EFER, HOST_IA32_EFER: 0xd01 }],
  ['plain', { HOST_FS_BASE: 0xffff_8000_0000_0000n, HOST_IDTR_BASE: 0x7fff_ffff_ffffn }],
  // On a processor with 57-bit linear addresses bases are judged by these, whatever CR4.LA57 says.
  ['plain', { HOST_GS_BASE: 0x00ff_ffff_ffff_ffffn }],
  ['plain', { HOST_CR4: 0x32a0, HOST_RIP: 1n << 55n }],
]
