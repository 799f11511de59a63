/**
 * The in-kernel interrupt controllers (Linux `arch/x86/kvm/irq_comm.c`, `ioapic.c`, `i8259.c`): interrupt lines by their GSI, the routes from
 * those to pins of the 8259 pair and the I/O APIC, and what comes out there.
 */

import { bit } from '../base/bits.ts'
import { endIoApicInterrupt, type InterruptMessage, IO_APIC_PINS, type IoApicState, newIoApic, setIoApicPin } from '../devices/ioapic.ts'
import { acknowledgePic, newPics, type PicPair, picRequestsInterrupt, setPicInput } from '../devices/pic.ts'
import { APIC_BITS } from '../spec/apic-registers.ts'
import { type Context, contextsOf, trace, type VmContext } from './context.ts'
import { deliverMessage } from './interrupt-messages.ts'
import { kick } from './kick.ts'
import { apicRegister, isApicEnabled } from './lapic.ts'

/** `struct kvm_irq_routing_entry`: where a line is wired to. */
export interface IrqRoute {
  readonly gsi: number
  readonly chip: 'pic' | 'ioapic'
  readonly pin: number
}

/** Who drives a line: user space, or the in-kernel PIT. A line is high while anybody drives it. */
export type IrqSource = 'user' | 'pit'

export interface Irqchip {
  pics: PicPair
  ioApic: IoApicState
  routes: IrqRoute[]
  /** Levels of the lines, by source: a bit for each GSI. */
  levels: Record<IrqSource, number>
}

/** `struct kvm_irqchip` of all three chips, and the levels of the lines: what KVM_GET_IRQCHIP gives. */
export type IrqchipImage = Omit<Irqchip, 'routes'>

export const getIrqchip = ({ pics, ioApic, levels }: Irqchip): IrqchipImage => structuredClone({ pics, ioApic, levels })

export function setIrqchip(v: VmContext, image: IrqchipImage): void {
  Object.assign(v.vm.chips!, structuredClone(image))
  for (const { vcpu } of contextsOf(v)) vcpu.scanIoApic = true
}

const PIC_PINS = 16

/** Linux's default: every line at the pins of its number. */
const defaultRoutes = (): IrqRoute[] =>
  Array.from({ length: IO_APIC_PINS }, (_, gsi) => gsi).flatMap((gsi): IrqRoute[] => [
    ...(gsi < PIC_PINS ? [{ gsi, chip: 'pic', pin: gsi } as const] : []),
    { gsi, chip: 'ioapic', pin: gsi },
  ])

export const newIrqchip = (): Irqchip => ({ pics: newPics(), ioApic: newIoApic(), routes: defaultRoutes(), levels: { user: 0, pit: 0 } })

/** KVM_IRQ_LINE, and the PIT's output: the line takes a level. */
export function setIrq(v: VmContext, source: IrqSource, gsi: number, high: boolean): void {
  const chip = v.vm.chips!
  const mask = 1 << gsi
  chip.levels[source] = high ? chip.levels[source] | mask : chip.levels[source] & ~mask
  const level = bit(chip.levels.user | chip.levels.pit, gsi)
  const [first] = contextsOf(v)
  if (first !== undefined) trace(first, 'kvm_set_irq', { gsi, high: level ? 1 : 0, irq_source_id: source === 'user' ? 0 : 2 })
  const messages: InterruptMessage[] = []
  for (const { gsi: routed, chip: to, pin } of chip.routes) {
    if (routed !== gsi) continue
    if (to === 'pic') setPicInput(chip.pics, pin, level)
    else setIoApicPin(chip.ioApic, pin, level, messages)
  }
  deliverAll(v, messages)
  picChanged(v)
}

export function deliverAll(v: VmContext, messages: readonly InterruptMessage[]): void {
  for (const message of messages) deliverMessage(v, message)
}

/** The 8259 pair may interrupt the vCPU that it is wired to. */
export function picChanged(v: VmContext): void {
  if (picRequestsInterrupt(v.vm.chips!.pics)) for (const c of contextsOf(v)) if (acceptsPic(c)) kick(c)
}

/** Whether the 8259 pair reaches this vCPU: through LINT0 as ExtINT, or past an APIC that is switched off (Linux `kvm_apic_accept_pic_intr`). */
export function acceptsPic(c: Context): boolean {
  if (c.vm.chips === null || c.vcpu.id !== 0) return false
  if (!isApicEnabled(c)) return true
  const entry = apicRegister(c, 'APIC_LVT0')
  return (entry & APIC_BITS.APIC_LVT_MASKED) === 0 && (entry & APIC_BITS.APIC_MODE_MASK) === APIC_BITS.APIC_DM_EXTINT
}

/** An interrupt of the 8259 pair waits for this vCPU. */
export const hasPicInterrupt = (c: Context): boolean => acceptsPic(c) && picRequestsInterrupt(c.vm.chips!.pics)

export const takePicInterrupt = ({ vm }: Context): number => acknowledgePic(vm.chips!.pics)

/** A local APIC ended a level-triggered interrupt. */
export function endLevelInterrupt(c: Context, vector: number): void {
  if (c.vm.chips === null) return
  const messages: InterruptMessage[] = []
  endIoApicInterrupt(c.vm.chips.ioApic, vector, messages)
  deliverAll(c, messages)
}
