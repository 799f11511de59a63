/** Where a PC has memory, in the terms of INT 15h, AX=E820h: what multiboot and Linux are told. */

export interface MemoryRange {
  readonly base: number
  readonly bytes: number
  /** 1 usable, 2 reserved. */
  readonly type: 1 | 2
}

const USABLE = 1
const RESERVED = 2
/** The extended BIOS data area would begin here. */
export const LOW_MEMORY_END = 0x9_fc00
/** Firmware's area below 1 MiB: the ACPI tables, and the copy of a ROM. */
export const FIRMWARE_AREA = 0xf_0000
export const HIGH_MEMORY = 0x10_0000

export const memoryMap = (memoryMiB: number): readonly MemoryRange[] => [
  { base: 0, bytes: LOW_MEMORY_END, type: USABLE },
  { base: LOW_MEMORY_END, bytes: 0xa_0000 - LOW_MEMORY_END, type: RESERVED },
  { base: FIRMWARE_AREA, bytes: HIGH_MEMORY - FIRMWARE_AREA, type: RESERVED },
  { base: HIGH_MEMORY, bytes: memoryMiB * 2 ** 20 - HIGH_MEMORY, type: USABLE },
  // The ends of physical memory where I/O APIC, HPET, local APIC and firmware are.
  { base: 0xfec0_0000, bytes: 0x140_0000, type: RESERVED },
]
