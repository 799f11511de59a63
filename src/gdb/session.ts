/**
 * One gdb at a recording: packets in, packets out (the gdb manual, "Remote Protocol", "Packets"). The recording can be looked at and
 * travelled through in both directions; it cannot be written to.
 */

import type { Place, Timeline } from '../session/timeline.ts'
import { linearBytes } from '../session/timeline-memory.ts'
import { PACKET_SIZE, PacketReader, packet, textHex } from './packets.ts'
import { GENERAL_REGISTERS, type Moment, momentOf, REGISTERS, registerHex } from './registers.ts'
import { TARGET_XML } from './target-xml.ts'
import { type Arrival, continueBackward, continueForward, type StopReason, stepBackward, stepForward, type Watchpoint } from './travel.ts'

export interface GdbHost {
  /** Sends bytes to gdb. */
  send(text: string): void
  /** Lets other bytes arrive. */
  breathe(): Promise<void>
  /** A line after `monitor`, with the place where gdb stands, answered in text; it may move to another place by returning it. */
  monitor(line: string, place: Place): Promise<{ readonly text: string; readonly place?: Place }>
}

const SUPPORTED = `PacketSize=${PACKET_SIZE.toString(16)};qXfer:features:read+;ReverseStep+;ReverseContinue+;QStartNoAckMode+;vContSupported+;swbreak+;hwbreak+`

const OK = 'OK'
/** What cannot be done here; gdb prints the number only. */
const REFUSED = 'E01'
const NOT_MAPPED = 'E0e'

export class GdbSession {
  readonly #timeline: Timeline
  readonly #host: GdbHost
  readonly #packets = new PacketReader()
  readonly #breakpoints = new Map<bigint, 'software' | 'hardware'>()
  readonly #watchpoints: Watchpoint[] = []
  readonly #waiting: string[] = []
  #place: Place
  #reason: StopReason = { kind: 'step' }
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
        return this.#arrive(stepForward(this.#timeline, this.#place))
      case 'c':
        return this.#travel(continueForward(this.#timeline, this.#place, this.#stops))
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

  get #stops() {
    return { breakpoints: this.#breakpoints, watchpoints: this.#watchpoints }
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

  #arrive({ place, reason }: Arrival): string {
    this.#here = undefined
    this.#place = place
    this.#reason = reason
    return this.#stopReply()
  }

  async #travel(road: Generator<Place, Arrival, void>): Promise<string> {
    this.#interrupted = false
    for (;;) {
      const { done, value } = road.next()
      if (done) return this.#arrive(value)
      await this.#host.breathe()
      if (this.#interrupted) return this.#arrive({ place: value, reason: { kind: 'interrupted' } })
    }
  }

  async #backward(data: string): Promise<string> {
    if (data === 'bs') return this.#arrive(stepBackward(this.#timeline, this.#place))
    return data === 'bc' ? await this.#travel(continueBackward(this.#timeline, this.#place, this.#stops)) : ''
  }

  #stopReply(): string {
    const { kind } = this.#reason
    if (kind === 'interrupted') return 'T02thread:01;'
    const why = {
      step: '',
      begin: 'replaylog:begin;',
      end: 'replaylog:end;',
      breakpoint: this.#reason.kind === 'breakpoint' && this.#reason.hardware ? 'hwbreak:;' : 'swbreak:;',
      watchpoint: this.#reason.kind === 'watchpoint' ? `watch:${this.#reason.address.toString(16)};` : '',
    }[kind]
    return `T05thread:01;${why}`
  }

  /** `Z0,address,kind`: 0 software and 1 hardware breakpoint, 2 write watchpoint. */
  #stopPoint(data: string): string {
    const [, type, address, kind] = /^[Zz](\d),([0-9a-f]{1,16}),([0-9a-f]{1,8})/.exec(data) ?? []
    if (address === undefined) return REFUSED
    const at = BigInt(`0x${address}`)
    if (type === '0' || type === '1') {
      if (data.startsWith('Z')) this.#breakpoints.set(at, type === '0' ? 'software' : 'hardware')
      else this.#breakpoints.delete(at)
      return OK
    }
    if (type !== '2') return ''
    const length = Number.parseInt(kind!, 16)
    const known = this.#watchpoints.findIndex(watchpoint => watchpoint.address === at && watchpoint.length === length)
    if (data.startsWith('Z') && known < 0) this.#watchpoints.push({ address: at, length })
    if (data.startsWith('z') && known >= 0) this.#watchpoints.splice(known, 1)
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
    if (data.startsWith('vCont;s') || data.startsWith('vCont;S')) return this.#arrive(stepForward(this.#timeline, this.#place))
    if (data.startsWith('vCont;c') || data.startsWith('vCont;C'))
      return this.#travel(continueForward(this.#timeline, this.#place, this.#stops))
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
