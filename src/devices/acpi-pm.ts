/**
 * The power-management registers that ACPI's fixed hardware needs (ACPI specification, "ACPI Hardware Specification"): PM1 event and
 * control blocks, enough to switch off, and the 24-bit power-management timer of 3.579545 MHz.
 */

import { cyclesSince, type Moment } from './moment.ts'

export const PM1_EVENT_PORT = 0x600
export const PM1_CONTROL_PORT = 0x604
export const PM_TIMER_PORT = 0x608
export const PM_TIMER_HERTZ = 3_579_545
export const PM_PORTS = 12
/** SLP_TYP of the soft-off state S5, as the DSDT says it: QEMU's, so that kernels that write 2000H without reading the DSDT switch off too. */
export const SLEEP_TYPE_OFF = 0

export interface AcpiPmState {
  enable: number
  control: number
}

const SCI_ENABLED = 1
const SLEEP_ENABLE = 1 << 13

export const newAcpiPm = (): AcpiPmState => ({ enable: 0, control: SCI_ENABLED })

/** `register` is the byte offset in the block. */
export function readAcpiPm(pm: AcpiPmState, register: number, moment: Moment): number {
  const timer = cyclesSince(0, moment, PM_TIMER_HERTZ) % 2 ** 24
  const block = [0, 0, pm.enable & 0xff, pm.enable >> 8, pm.control & 0xff, pm.control >> 8, 0, 0]
  return register < 8 ? block[register]! : Math.floor(timer / 2 ** (8 * (register - 8))) & 0xff
}

/** Returns whether the machine is switched off. */
export function writeAcpiPm(pm: AcpiPmState, register: number, value: number): boolean {
  const shift = 8 * (register & 1)
  const put = (word: number): number => (word & ~(0xff << shift)) | (value << shift)
  if (register >> 1 === 1) pm.enable = put(pm.enable)
  if (register >> 1 !== 2) return false
  const control = put(pm.control)
  pm.control = control & ~SLEEP_ENABLE
  return (control & SLEEP_ENABLE) !== 0 && ((control >> 10) & 7) === SLEEP_TYPE_OFF
}
