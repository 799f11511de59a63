/** Replies that need no more than a moment (the gdb manual, "Packets" and "General Query Packets"). */

import type { TimelineView } from '../session/timeline.ts'
import { linearBytes } from '../session/timeline-memory.ts'
import { PACKET_SIZE, textHex } from './packets.ts'
import type { Moment } from './registers.ts'
import { isThread } from './threads.ts'

export const OK = 'OK'
/** What cannot be done here; gdb prints the number only. */
export const REFUSED = 'E01'
const NOT_MAPPED = 'E0e'

/** `m100000,8`: bytes at linear addresses, as far as they are mapped. */
export function memoryHex({ view, guest }: Moment, range: string): string {
  const [, from, count] = /^([0-9a-f]{1,16}),([0-9a-f]{1,8})$/.exec(range) ?? []
  if (from === undefined) return REFUSED
  const [address, length] = [BigInt(`0x${from}`), BigInt(`0x${count}`)]
  const byteAt = linearBytes(view, guest)
  let hex = ''
  for (let i = 0n; i < length && hex.length < 2 * PACKET_SIZE; i++) {
    const byte = byteAt(BigInt.asUintN(64, address + i))
    if (byte === undefined) break
    hex += byte.toString(16).padStart(2, '0')
  }
  return hex === '' && length > 0n ? NOT_MAPPED : hex
}

/** What `info threads` shows of a CPU. */
export function threadInfo({ machine }: TimelineView, thread: string): string {
  if (!isThread(thread, machine.cpus.length)) return REFUSED
  const cpu = Number.parseInt(thread, 16) - 1
  const { activity, hostIdle } = machine.cpus[cpu]!
  return textHex(`CPU ${cpu}${hostIdle ? ', halted in KVM' : activity === 'active' ? '' : `, ${activity}`}`)
}

/** `qXfer:features:read:target.xml:offset,length`. */
export function transfer(data: string, xml: string): string {
  const range = /^qXfer:features:read:target\.xml:([0-9a-f]+),([0-9a-f]+)$/.exec(data)
  if (range === null) return ''
  const [offset, length] = [Number.parseInt(range[1]!, 16), Number.parseInt(range[2]!, 16)]
  return `${offset + length >= xml.length ? 'l' : 'm'}${xml.slice(offset, offset + length)}`
}
