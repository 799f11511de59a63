/**
 * Between CPUs and devices: an access happens at the machine's tick, and what it brings about (a byte on the console, an interrupt, the
 * end of the run) is done here. The next thing that devices do by themselves is one row of the event queue.
 */

import { unreachable } from '../base/assert.ts'
import { dueTick, readMmio, readPort, receive, settle, writeMmio, writePort } from '../devices/bus.ts'
import type { BusAccess, BusEffect, BusState } from '../devices/devices.ts'
import { type Moment, NOT_DUE } from '../devices/moment.ts'
import { picRequestsInterrupt } from '../devices/pic.ts'
import { rebaseDevices } from '../devices/rebase.ts'
import { raise } from './apic/interrupts.ts'
import { deliverMessage } from './apic/messages.ts'
import type { Machine } from './machine.ts'
import { emit } from './observe.ts'
import { schedule } from './time/event-queue.ts'

const hertzOf = (machine: Machine): number => machine.config.tscKhz * 1000

const accessNow = (machine: Machine): BusAccess => ({
  bus: machine.bus,
  moment: { tick: machine.tick, hertz: hertzOf(machine) },
  effects: [],
})

/** IN of 1, 2 or 4 bytes. */
export function portRead(machine: Machine, cpu: number, port: number, size: number): number {
  const access = accessNow(machine)
  const value = readPort(access, port, size)
  finish(machine, cpu, access)
  return value
}

/** OUT of 1, 2 or 4 bytes. */
export function portWrite(machine: Machine, cpu: number, port: number, size: number, value: number): void {
  const access = accessNow(machine)
  writePort(access, port, size, value)
  finish(machine, cpu, access)
}

/** A read of 1, 2 or 4 bytes at a physical address where there is no memory. */
export function mmioRead(machine: Machine, cpu: number, address: number, size: number): number {
  const access = accessNow(machine)
  const value = readMmio(access, address, size)
  finish(machine, cpu, access)
  return value
}

export function mmioWrite(machine: Machine, cpu: number, address: number, size: number, value: number): void {
  const access = accessNow(machine)
  writeMmio(access, address, size, value)
  finish(machine, cpu, access)
}

/** The row of the event queue has come. */
export function devicesDue(machine: Machine): void {
  const access = accessNow(machine)
  settle(access)
  finish(machine, 0, access)
  interruptHost(machine)
}

/** A person's input arrives at a device; false where there is no such device. */
export function receiveInput(machine: Machine, device: string, bytes: Uint8Array): boolean {
  const access = accessNow(machine)
  const known = receive(access, device, bytes)
  finish(machine, 0, access)
  interruptHost(machine)
  return known
}

const isUnderKvm = (machine: Machine): boolean => machine.cpus[0]!.vmx.rootSoftware === 'kvm'

/** Vector of the interrupt by which the host learns that its devices did something by themselves. */
const HOST_DEVICE_VECTOR = 0x22

/** Under KVM what devices do reaches the guest through user space, which needs a CPU to run on. */
function interruptHost(machine: Machine): void {
  if (machine.bus.outbox.length > 0) raise(machine, 0, HOST_DEVICE_VECTOR)
}

/** The devices of another machine at its moment `from` go on here. */
export function restoreDevices(machine: Machine, devices: BusState, from: Moment): void {
  machine.bus = rebaseDevices(devices, from, accessNow(machine).moment)
  finish(machine, 0, accessNow(machine))
}

/** Acts on what an access brought about, and asks for the next moment that something comes due. */
function finish(machine: Machine, cpu: number, { bus, effects }: BusAccess): void {
  for (const effect of effects) act(machine, cpu, effect)
  const due = dueTick(bus, hertzOf(machine))
  if (due !== NOT_DUE || machine.queue.rows.some(({ kind }) => kind === 'devices')) schedule(machine.queue, due, 'devices', 0)
  if (picRequestsInterrupt(bus.pics)) machine.engines[0]!.attention = true
}

function act(machine: Machine, cpu: number, effect: BusEffect): void {
  switch (effect.kind) {
    case 'console':
      return emit(machine, machine.cpus[cpu]!, 'console', { byte: effect.byte })
    case 'interrupt':
      return deliverMessage(machine, effect.message)
    case 'lines':
      if (isUnderKvm(machine)) machine.bus.outbox.push(effect.level)
      return
    case 'exit':
      machine.ended = { reason: 'exit-port', status: effect.status }
      return
    case 'power-off':
      machine.ended = { reason: 'power-off', status: 0 }
      return
    case 'reset':
      machine.ended = { reason: 'reset', status: 0, by: effect.by }
      return
    default:
      unreachable(effect)
  }
}
