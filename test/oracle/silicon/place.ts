/**
 * Where a case stands, alike on the processor and in the emulator: one page of code, two pages of data with nothing mapped around
 * them, and in the data three windows with contents; the rest is zeros. The 16-bit segments begin where the pages do.
 *
 *     10000000 code (INT3; the instruction at +100)      10100000 data  [-- stack --]      [-- middle, across the pages --]   [tail]
 */

export const CODE = 0x1000_0000
export const START = 0x100
export const DATA = 0x1010_0000
export const DATA_BYTES = 0x2000
export const GS_BASE = 0x40

export const STACK_WINDOW = { offset: 0x7c0, bytes: 128 } as const
export const MIDDLE_WINDOW = { offset: 0xfc0, bytes: 128 } as const
export const TAIL_WINDOW = { offset: 0x1fc0, bytes: 64 } as const
/** For what needs more room: FXSAVE and the XSAVE family. */
export const AREA_WINDOW = { offset: 0x100, bytes: 0x340 } as const

/** Selectors of the kernel's segments and of the LDT's, which the harness makes. */
export const SELECTORS = { code64: 0x33, code32: 0x23, data: 0x2b, code16: 0x07, data16: 0x0f } as const
