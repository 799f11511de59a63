/**
 * The vector bitmaps of an APIC page: IRR, ISR and TMR are eight 32-bit words each, one every 16 bytes. The physical local
 * APIC, the virtual-APIC page of VMX and KVM's software APIC all keep this format (Intel SDM, "Local APIC Registers").
 */

import { highestBit } from '../base/bits.ts'

export const VECTOR_ISR = 0x100
export const VECTOR_TMR = 0x180
export const VECTOR_IRR = 0x200

/** 32-bit registers by their byte offset in the page. */
export interface ApicPage {
  read(offset: number): number
  write(offset: number, value: number): void
}

const wordOf = (bitmap: number, vector: number): number => bitmap + ((vector >> 5) << 4)

export function setVector(page: ApicPage, bitmap: number, vector: number): void {
  const offset = wordOf(bitmap, vector)
  page.write(offset, (page.read(offset) | (1 << (vector & 31))) >>> 0)
}

export function clearVector(page: ApicPage, bitmap: number, vector: number): void {
  const offset = wordOf(bitmap, vector)
  page.write(offset, (page.read(offset) & ~(1 << (vector & 31))) >>> 0)
}

export const hasVector = (page: ApicPage, bitmap: number, vector: number): boolean =>
  ((page.read(wordOf(bitmap, vector)) >>> (vector & 31)) & 1) === 1

/** The highest vector set in a bitmap, -1 when it is empty. */
export function highestVector(page: ApicPage, bitmap: number): number {
  for (let word = 7; word >= 0; word--) {
    const value = page.read(bitmap + (word << 4))
    if (value !== 0) return word * 32 + highestBit(value)
  }
  return -1
}

/** The processor priority that follows from the task priority and the highest vector in service (0 for none). */
export const processorPriority = (tpr: number, inService: number): number => (tpr >> 4 >= inService >> 4 ? tpr & 0xff : inService & 0xf0)
