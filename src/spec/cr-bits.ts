/**
 * Bits of the control registers, IA32_EFER and XCR0 (Intel SDM, "Control Registers"; "Extended Feature Enable Register"). Names
 * are the SDM's; the include files add Linux's prefixes (`X86_CR0_`, `X86_CR4_`, `EFER_`).
 */

export const CR0 = {
  PE: 0,
  MP: 1,
  EM: 2,
  TS: 3,
  ET: 4,
  NE: 5,
  WP: 16,
  AM: 18,
  NW: 29,
  CD: 30,
  PG: 31,
} as const satisfies Readonly<Record<string, number>>

export const CR4 = {
  VME: 0,
  PVI: 1,
  TSD: 2,
  DE: 3,
  PSE: 4,
  PAE: 5,
  MCE: 6,
  PGE: 7,
  PCE: 8,
  OSFXSR: 9,
  OSXMMEXCPT: 10,
  UMIP: 11,
  LA57: 12,
  VMXE: 13,
  SMXE: 14,
  FSGSBASE: 16,
  PCIDE: 17,
  OSXSAVE: 18,
  KL: 19,
  SMEP: 20,
  SMAP: 21,
  PKE: 22,
  CET: 23,
  PKS: 24,
  UINTR: 25,
  LAM_SUP: 28,
  FRED: 32,
} as const satisfies Readonly<Record<string, number>>

/** Linux calls bit 11 EFER_NX, the SDM IA32_EFER.NXE. */
export const EFER = {
  SCE: 0,
  LME: 8,
  LMA: 10,
  NX: 11,
} as const satisfies Readonly<Record<string, number>>

export const XCR0 = {
  X87: 0,
  SSE: 1,
  AVX: 2,
} as const satisfies Readonly<Record<string, number>>

export type Cr0Bit = keyof typeof CR0
export type Cr4Bit = keyof typeof CR4
export type EferBit = keyof typeof EFER
