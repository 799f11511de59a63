/**
 * The local APIC's registers by their offset in the (virtual-)APIC page, and the bits of the ones that software writes (Intel SDM,
 * "Advanced Programmable Interrupt Controller"; "x2APIC Register Address Space"). Names are Linux's (`asm/apicdef.h`).
 */

export interface ApicRegisterRow {
  readonly offset: number
  /** How x2APIC mode lets software use it; 'none' if its MSR does not exist. */
  readonly x2apic: 'read' | 'write' | 'read-write' | 'none'
  /** Registers of 32 bits, 16 bytes apart. */
  readonly count?: number
  readonly sdm: string
}

export const APIC_REGISTERS = {
  APIC_ID: { offset: 0x020, x2apic: 'read', sdm: 'local APIC ID' },
  APIC_LVR: { offset: 0x030, x2apic: 'read', sdm: 'local APIC version' },
  APIC_TASKPRI: { offset: 0x080, x2apic: 'read-write', sdm: 'task priority (TPR)' },
  APIC_ARBPRI: { offset: 0x090, x2apic: 'none', sdm: 'arbitration priority (APR)' },
  APIC_PROCPRI: { offset: 0x0a0, x2apic: 'read', sdm: 'processor priority (PPR)' },
  APIC_EOI: { offset: 0x0b0, x2apic: 'write', sdm: 'EOI' },
  APIC_RRR: { offset: 0x0c0, x2apic: 'none', sdm: 'remote read (RRD)' },
  APIC_LDR: { offset: 0x0d0, x2apic: 'read', sdm: 'logical destination' },
  APIC_DFR: { offset: 0x0e0, x2apic: 'none', sdm: 'destination format' },
  APIC_SPIV: { offset: 0x0f0, x2apic: 'read-write', sdm: 'spurious-interrupt vector (SVR)' },
  APIC_ISR: { offset: 0x100, x2apic: 'read', count: 8, sdm: 'in-service' },
  APIC_TMR: { offset: 0x180, x2apic: 'read', count: 8, sdm: 'trigger mode' },
  APIC_IRR: { offset: 0x200, x2apic: 'read', count: 8, sdm: 'interrupt request' },
  APIC_ESR: { offset: 0x280, x2apic: 'read-write', sdm: 'error status' },
  APIC_LVTCMCI: { offset: 0x2f0, x2apic: 'read-write', sdm: 'LVT CMCI' },
  APIC_ICR: { offset: 0x300, x2apic: 'read-write', sdm: 'interrupt command' },
  APIC_ICR2: { offset: 0x310, x2apic: 'none', sdm: 'interrupt command, bits 63:32' },
  APIC_LVTT: { offset: 0x320, x2apic: 'read-write', sdm: 'LVT timer' },
  APIC_LVTTHMR: { offset: 0x330, x2apic: 'read-write', sdm: 'LVT thermal sensor' },
  APIC_LVTPC: { offset: 0x340, x2apic: 'read-write', sdm: 'LVT performance monitoring' },
  APIC_LVT0: { offset: 0x350, x2apic: 'read-write', sdm: 'LVT LINT0' },
  APIC_LVT1: { offset: 0x360, x2apic: 'read-write', sdm: 'LVT LINT1' },
  APIC_LVTERR: { offset: 0x370, x2apic: 'read-write', sdm: 'LVT error' },
  APIC_TMICT: { offset: 0x380, x2apic: 'read-write', sdm: 'initial count (timer)' },
  APIC_TMCCT: { offset: 0x390, x2apic: 'read', sdm: 'current count (timer)' },
  APIC_TDCR: { offset: 0x3e0, x2apic: 'read-write', sdm: 'divide configuration (timer)' },
  APIC_SELF_IPI: { offset: 0x3f0, x2apic: 'write', sdm: 'self IPI' },
} as const satisfies Readonly<Record<string, ApicRegisterRow>>

export type ApicRegisterName = keyof typeof APIC_REGISTERS

/** Values and masks of register contents, by Linux's names. */
export const APIC_BITS = {
  // LVT entries.
  APIC_VECTOR_MASK: 0x0000_00ff,
  APIC_MODE_MASK: 0x0000_0700,
  APIC_SEND_PENDING: 1 << 12,
  APIC_INPUT_POLARITY: 1 << 13,
  APIC_LVT_REMOTE_IRR: 1 << 14,
  APIC_LVT_LEVEL_TRIGGER: 1 << 15,
  APIC_LVT_MASKED: 1 << 16,
  APIC_LVT_TIMER_ONESHOT: 0 << 17,
  APIC_LVT_TIMER_PERIODIC: 1 << 17,
  APIC_LVT_TIMER_TSCDEADLINE: 2 << 17,

  // Spurious-interrupt vector register.
  APIC_SPIV_APIC_ENABLED: 1 << 8,
  APIC_SPIV_DIRECTED_EOI: 1 << 12,

  // Interrupt command register.
  APIC_DM_FIXED: 0x0000_0000,
  APIC_DM_LOWEST: 0x0000_0100,
  APIC_DM_SMI: 0x0000_0200,
  APIC_DM_NMI: 0x0000_0400,
  APIC_DM_INIT: 0x0000_0500,
  APIC_DM_STARTUP: 0x0000_0600,
  APIC_DM_EXTINT: 0x0000_0700,
  APIC_DEST_LOGICAL: 0x0000_0800,
  APIC_INT_ASSERT: 0x0000_4000,
  APIC_INT_LEVELTRIG: 0x0000_8000,
  APIC_DEST_SELF: 0x0004_0000,
  APIC_DEST_ALLINC: 0x0008_0000,
  APIC_DEST_ALLBUT: 0x000c_0000,

  // Error status register.
  APIC_ESR_SENDILL: 0x0000_0020,
  APIC_ESR_RECVILL: 0x0000_0040,
  APIC_ESR_ILLREGA: 0x0000_0080,

  // Divide configuration register.
  APIC_TDR_DIV_1: 0xb,
  APIC_TDR_DIV_2: 0x0,
  APIC_TDR_DIV_4: 0x1,
  APIC_TDR_DIV_8: 0x2,
  APIC_TDR_DIV_16: 0x3,
  APIC_TDR_DIV_32: 0x8,
  APIC_TDR_DIV_64: 0x9,
  APIC_TDR_DIV_128: 0xa,

  // IA32_APIC_BASE.
  MSR_IA32_APICBASE_BSP: 1 << 8,
  X2APIC_ENABLE: 1 << 10,
  MSR_IA32_APICBASE_ENABLE: 1 << 11,
} as const satisfies Readonly<Record<string, number>>

/** First of the MSRs that x2APIC mode puts in place of the page, and the end of their range. */
export const APIC_BASE_MSR = 0x800
export const APIC_MSR_END = 0x900

export const x2apicMsrOf = (offset: number): number => APIC_BASE_MSR + (offset >> 4)
export const apicOffsetOf = (msr: number): number => (msr & 0xff) << 4

/** How many bits the timer's clock is shifted right by: bits 3 and 1:0 of the divide configuration, plus 1, modulo 8. */
export const timerDivideShift = (tdcr: number): number => (((tdcr & 3) | ((tdcr >> 1) & 4)) + 1) & 7
