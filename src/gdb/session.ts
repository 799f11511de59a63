/**
 * One gdb at a recording: packets in, packets out (the gdb manual, "Remote Protocol", "Packets"). The recording can be looked at and
 * travelled through in both directions; it cannot be written to.
 */

import { stepBackward, stepForward } from '../session/steps.ts'
import type { Place, Timeline } from '../session/timeline.ts'
import { linearBytes } from '../session/timeline-memory.ts'
import { type Arrival, continueBackward, continueForward, type Journey, type Reason, type Stop } from '../session/travel.ts'
import { PACKET_SIZE, PacketReader, packet, textHex } from './packets.ts'
import { GENERAL_REGISTERS, type Moment, momentOf, REGISTERS, registerHex } from './registers.ts'
import { TARGET_XML } from './target-xml.ts'

export interface GdbHost {
  /** Sends bytes to gdb. */
  send(text: string): void
  /** Lets other bytes arrive. */
  breathe(): Promise<void>
  /** A line after `monitor`, with the place where gdb stands, answered in text; it may move to another place by returning it. */
  monitor(line: string, place: Place): Promise<{ readonly text: string; readonly place?: Place }>
}

const SUPPORTED = `PacketSize=${PACKET_SIZE.toString(16)};qXfer:features:read+;ReverseStep+;ReverseContinue+;QStartNoAckMode+;vContSupported+;swbreak+;hwbreak+`

/** What gdb asked to stop at, and how it is told. */
interface GdbStop {
  readonly stop: Stop
  readonly reply: string
}

const OK = 'OK'
/** What cannot be done here; gdb prints the number only. */
const REFUSED = 'E01'
const NOT_MAPPED = 'E0e'

export class GdbSession {
  readonly #timeline: Timeline
  readonly #host: GdbHost
  readonly #packets = new PacketReader()
  readonly #stops = new Map<string, GdbStop>()
  readonly #waiting: string[] = []
  #place: Place
  #reason: Reason | { readonly kind: 'interrupted' } = { kind: 'step' }
  #stoppedBy = ''
  #acknowledges = true
  #interrupted = false
  #busy = false
  /** gdb has gone, or asked us to. */
  isOver = false

  constructor(timeline: Timeline, host: GdbHost, place: Place = { instructions: 0, events: 0 }) {
    this.#timeline = timeline
    this.#host = host
    this.#place = place
  }

  /** Takes bytes from gdb; answers when it can. */
  async receive(bytes: Uint8Array): Promise<void> {
    for (const received of this.#packets.receive(bytes)) {
      if (received.kind === 'interrupt') this.#interrupted = true
      else if (received.kind === 'damaged') this.#host.send('-')
      else {
        if (this.#acknowledges) this.#host.send('+')
        this.#waiting.push(received.data)
      }
    }
    if (this.#busy) return // the packet under way is waited for below
    this.#busy = true
    try {
      for (let data = this.#waiting.shift(); data !== undefined && !this.isOver; data = this.#waiting.shift()) {
        const reply = await this.#answer(data)
        if (reply !== undefined) this.#host.send(packet(reply))
        if (data === 'QStartNoAckMode') this.#acknowledges = false
      }
    } finally {
      this.#busy = false
    }
  }

  /** The reply; undefined where there is none. Empty: we do not know this packet. */
  async #answer(data: string): Promise<string | undefined> {
    switch (data[0]) {
      case '?':
        return this.#stopReply()
      case 'g':
        return GENERAL_REGISTERS.map(row => registerHex(row, this.#moment())).join('')
      case 'p':
        return this.#register(Number.parseInt(data.slice(1), 16))
      case 'm':
        return this.#memory(data.slice(1))
      case 's':
        return this.#travel(stepForward(this.#timeline, this.#place, 'instruction'))
      case 'c':
        return this.#continue(continueForward)
      case 'b':
        return await this.#backward(data)
      case 'Z':
      case 'z':
        return this.#stopPoint(data)
      case 'H':
      case 'T':
        return OK
      case 'P':
      case 'G':
      case 'M':
      case 'X':
        return REFUSED
      case 'D':
        this.isOver = true
        return OK
      case 'k':
        this.isOver = true
        return undefined
      case 'q':
      case 'Q':
        return this.#query(data)
      case 'v':
        return this.#verbose(data)
      default:
        return ''
    }
  }

  /** Where gdb stands, as long as the timeline has not been elsewhere. */
  #here: Moment | undefined

  #moment(): Moment {
    this.#here ??= momentOf(this.#timeline.atMoment(this.#place))
    return this.#here
  }

  #register(number: number): string {
    const row = REGISTERS[number]
    return row === undefined ? REFUSED : registerHex(row, this.#moment())
  }

  #memory(range: string): string {
    const [, from, count] = /^([0-9a-f]{1,16}),([0-9a-f]{1,8})$/.exec(range) ?? []
    if (from === undefined) return REFUSED
    const [address, length] = [BigInt(`0x${from}`), BigInt(`0x${count}`)]
    const { view, guest } = this.#moment()
    const byteAt = linearBytes(view, guest)
    let hex = ''
    for (let i = 0n; i < length && hex.length < 2 * PACKET_SIZE; i++) {
      const byte = byteAt(BigInt.asUintN(64, address + i))
      if (byte === undefined) break
      hex += byte.toString(16).padStart(2, '0')
    }
    return hex === '' && length > 0n ? NOT_MAPPED : hex
  }

  #arrive(place: Place, reason: Reason | { readonly kind: 'interrupted' }, stoppedBy = ''): string {
    this.#here = undefined
    this.#place = place
    this.#reason = reason
    this.#stoppedBy = stoppedBy
    return this.#stopReply()
  }

  async #travel(journey: Journey, stops: readonly GdbStop[] = []): Promise<string> {
    this.#interrupted = false
    for (;;) {
      const { done, value } = journey.next()
      if (done) {
        const { place, reason }: Arrival = value
        return this.#arrive(place, reason, reason.kind === 'stop' ? stops[reason.stop]!.reply : '')
      }
      await this.#host.breathe()
      if (!this.#interrupted) continue
      journey.return(undefined as never)
      const { instructions, eventIndex } = this.#timeline.atMoment(value)
      return this.#arrive({ instructions, events: eventIndex }, { kind: 'interrupted' })
    }
  }

  #continue(direction: typeof continueForward): Promise<string> {
    const stops = [...this.#stops.values()]
    return this.#travel(
      direction(
        this.#timeline,
        this.#place,
        stops.map(({ stop }) => stop),
      ),
      stops,
    )
  }

  async #backward(data: string): Promise<string> {
    if (data === 'bs') return await this.#travel(stepBackward(this.#timeline, this.#place, 'instruction'))
    return data === 'bc' ? await this.#continue(continueBackward) : ''
  }

  #stopReply(): string {
    const { kind } = this.#reason
    if (kind === 'interrupted') return 'T02thread:01;'
    const why = { step: '', begin: 'replaylog:begin;', end: 'replaylog:end;', stop: this.#stoppedBy }[kind]
    return `T05thread:01;${why}`
  }

  /** `Z0,address,kind`: 0 software and 1 hardware breakpoint, 2 write watchpoint. */
  #stopPoint(data: string): string {
    const [, type, address, kind] = /^[Zz](\d),([0-9a-f]{1,16}),([0-9a-f]{1,8})/.exec(data) ?? []
    if (address === undefined) return REFUSED
    if (type !== '0' && type !== '1' && type !== '2') return ''
    const key = `${type},${address},${kind}`
    if (data.startsWith('z')) {
      this.#stops.delete(key)
      return OK
    }
    const at = BigInt(`0x${address}`)
    const bytes = Number.parseInt(kind!, 16)
    if (type === '2' && (bytes < 1 || bytes > PACKET_SIZE)) return REFUSED
    const stop: Stop =
      type === '2'
        ? { kind: 'change', of: { kind: 'location', location: { kind: 'memory', address: at, bytes } } }
        : { kind: 'address', address: at }
    this.#stops.set(key, { stop, reply: { 0: 'swbreak:;', 1: 'hwbreak:;', 2: `watch:${at.toString(16)};` }[type] })
    return OK
  }

  async #query(data: string): Promise<string> {
    const [name] = data.split(/[:,;]/)
    switch (name) {
      case 'qSupported':
        return SUPPORTED
      case 'QStartNoAckMode':
        return OK
      case 'qXfer':
        return transfer(data)
      case 'qC':
        return 'QC1'
      case 'qfThreadInfo':
        return 'm1'
      case 'qsThreadInfo':
        return 'l'
      case 'qThreadExtraInfo':
        return textHex('vcpu 0')
      case 'qAttached':
        return '1'
      case 'qSymbol':
        return OK
      case 'qRcmd':
        return await this.#monitor(Buffer.from(data.slice('qRcmd,'.length), 'hex').toString())
      default:
        return ''
    }
  }

  async #monitor(line: string): Promise<string> {
    const { text, place } = await this.#host.monitor(line, this.#place)
    if (place !== undefined) this.#place = place
    this.#here = undefined
    return text === '' ? OK : textHex(text)
  }

  #verbose(data: string): string | undefined | Promise<string> {
    if (data === 'vCont?') return 'vCont;c;C;s;S'
    if (data.startsWith('vCont;s') || data.startsWith('vCont;S'))
      return this.#travel(stepForward(this.#timeline, this.#place, 'instruction'))
    if (data.startsWith('vCont;c') || data.startsWith('vCont;C')) return this.#continue(continueForward)
    if (data.startsWith('vKill')) {
      this.isOver = true
      return OK
    }
    return ''
  }
}

/** `qXfer:features:read:target.xml:offset,length`. */
function transfer(data: string): string {
  const range = /^qXfer:features:read:target\.xml:([0-9a-f]+),([0-9a-f]+)$/.exec(data)
  if (range === null) return ''
  const [offset, length] = [Number.parseInt(range[1]!, 16), Number.parseInt(range[2]!, 16)]
  const part = TARGET_XML.slice(offset, offset + length)
  return `${offset + length >= TARGET_XML.length ? 'l' : 'm'}${part}`
}
