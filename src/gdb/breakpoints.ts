/** What gdb asks to stop at (the gdb manual, "Packets", `z` and `Z`), and what it is told when that is reached. */

import type { Stop } from '../session/travel.ts'
import { PACKET_SIZE } from './packets.ts'

export interface GdbStop {
  readonly stop: Stop
  /** Of the stop reply. */
  readonly reply: string
}

type Range = { readonly address: bigint; readonly bytes: number }

const memory = ({ address, bytes }: Range): Stop => ({
  kind: 'change',
  of: { kind: 'location', location: { kind: 'memory', address, bytes } },
})

interface StopType {
  readonly reply: (address: string) => string
  readonly stop: (range: Range) => Stop
  readonly isWatch: boolean
}

const TYPES: Readonly<Record<string, StopType>> = {
  0: { reply: () => 'swbreak:;', stop: ({ address }) => ({ kind: 'address', address, isLinear: true }), isWatch: false },
  1: { reply: () => 'hwbreak:;', stop: ({ address }) => ({ kind: 'address', address, isLinear: true }), isWatch: false },
  2: { reply: address => `watch:${address};`, stop: memory, isWatch: true },
  3: { reply: address => `rwatch:${address};`, stop: range => ({ kind: 'access', access: 'read', ...range }), isWatch: true },
  4: { reply: address => `awatch:${address};`, stop: range => ({ kind: 'access', access: 'any', ...range }), isWatch: true },
}

/** The stops of one gdb: those that it set by packets, and expressions of the `monitor`. */
export class Breakpoints {
  readonly #set = new Map<string, GdbStop>()
  readonly #expressions = new Map<string, Stop>()

  get all(): readonly GdbStop[] {
    return [...this.#set.values(), ...[...this.#expressions.values()].map(stop => ({ stop, reply: '' }))]
  }

  /** The expressions in the order in which they were set. */
  get expressions(): readonly string[] {
    return [...this.#expressions.keys()]
  }

  /** False: it was set, and is not any more. */
  toggle(text: string, stop: Stop): boolean {
    if (this.#expressions.delete(text)) return false
    this.#expressions.set(text, stop)
    return true
  }

  /** `Z0,address,kind` sets, `z0,address,kind` clears. What comes back is the reply; empty: there is no such type. */
  take(data: string): 'OK' | 'E01' | '' {
    const [, type = '', address, kind = ''] = /^[Zz](\d),([0-9a-f]{1,16}),([0-9a-f]{1,8})/.exec(data) ?? []
    if (address === undefined) return 'E01'
    const row = TYPES[type]
    if (row === undefined) return ''
    const key = `${type},${address},${kind}`
    if (data.startsWith('z')) {
      this.#set.delete(key)
      return 'OK'
    }
    const range = { address: BigInt(`0x${address}`), bytes: Number.parseInt(kind, 16) }
    if (row.isWatch && (range.bytes < 1 || range.bytes > PACKET_SIZE)) return 'E01'
    this.#set.set(key, { stop: row.stop(range), reply: row.reply(range.address.toString(16)) })
    return 'OK'
  }
}
