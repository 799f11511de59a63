/**
 * One gdb at a recording: packets in, packets out (the gdb manual, "Remote Protocol", "Packets"). The recording can be looked at and
 * travelled through in both directions; it cannot be written to. A thread is a CPU; all of them stop together, where the recording
 * stands, and thread N is CPU N - 1.
 */

import { stepCpuBackward, stepCpuForward } from '../session/cpu-step.ts'
import { stepBackward, stepForward } from '../session/steps.ts'
import type { Place, Timeline, TimelineView } from '../session/timeline.ts'
import { type Arrival, continueBackward, continueForward, type Journey, type Reason } from '../session/travel.ts'
import { Breakpoints, type GdbStop } from './breakpoints.ts'
import { PACKET_SIZE, PacketReader, packet, textHex } from './packets.ts'
import { type Moment, momentOf, type RegisterSet, registerHex } from './registers.ts'
import { memoryHex, OK, REFUSED, threadInfo, transfer } from './replies.ts'
import { targetXml } from './target-xml.ts'
import { isThread, parseResume, parseThread, threadText } from './threads.ts'

export interface GdbHost {
  /** Sends bytes to gdb. */
  send(text: string): void
  /** Lets other bytes arrive. */
  breathe(): Promise<void>
  /** A line after `monitor`, answered in text; it may move to another place by returning it. */
  monitor(line: string, here: Here): Promise<{ readonly text: string; readonly place?: Place }>
}

/** Where gdb stands. */
export interface Here {
  readonly place: Place
  /** The CPU of the thread that it looks at. */
  readonly cpu: number
  readonly breakpoints: Breakpoints
}

const SUPPORTED = `PacketSize=${PACKET_SIZE.toString(16)};qXfer:features:read+;ReverseStep+;ReverseContinue+;QStartNoAckMode+;vContSupported+;swbreak+;hwbreak+`

export class GdbSession {
  readonly #timeline: Timeline
  readonly #host: GdbHost
  readonly #registers: RegisterSet
  readonly #packets = new PacketReader()
  readonly #breakpoints = new Breakpoints()
  readonly #waiting: string[] = []
  #place: Place
  #reason: Reason | { readonly kind: 'interrupted' } = { kind: 'step' }
  #stoppedBy = ''
  /** The CPU whose registers and memory are asked for, and the one that steps; -1: the one that stopped. */
  #general = -1
  #control = -1
  #acknowledges = true
  #interrupted = false
  #busy = false
  /** gdb has gone, or asked us to. */
  isOver = false

  constructor(timeline: Timeline, host: GdbHost, registers: RegisterSet, place: Place = { instructions: 0, events: 0 }) {
    this.#timeline = timeline
    this.#host = host
    this.#registers = registers
    this.#place = place
  }

  /** The connection is gone: whatever runs is given up. */
  hangUp(): void {
    this.isOver = true
    this.#interrupted = true
  }

  /** Nothing is being answered. */
  get isIdle(): boolean {
    return !this.#busy
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
        return this.#registers.general.map(row => registerHex(row, this.#moment())).join('')
      case 'p':
        return this.#register(Number.parseInt(data.slice(1), 16))
      case 'm':
        return memoryHex(this.#moment(), data.slice(1))
      case 's':
        return this.#step(this.#control)
      case 'c':
        return this.#continue(continueForward)
      case 'b':
        return await this.#backward(data)
      case 'Z':
      case 'z':
        return this.#breakpoints.take(data)
      case 'H':
        return this.#select(data)
      case 'T':
        return isThread(data.slice(1), this.#cpus) ? OK : REFUSED
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

  get #cpus(): number {
    return this.#timeline.engines.length
  }

  /** Where gdb stands, and what it looks at there, as long as the timeline has not been elsewhere. */
  #view: TimelineView | undefined
  #moments: (Moment | undefined)[] = []

  #standing(): TimelineView {
    this.#view ??= this.#timeline.atMoment(this.#place)
    return this.#view
  }

  #moment(): Moment {
    const view = this.#standing()
    const cpu = this.#general < 0 ? view.cpu : this.#general
    this.#moments[cpu] ??= momentOf({ ...view, cpu })
    return this.#moments[cpu]
  }

  /** `Hg2`, `Hc-1`: the thread that what follows is about. 0 and -1 are any. */
  #select(data: string): string {
    const thread = parseThread(data.slice(2))
    if (thread === undefined || thread > this.#cpus) return REFUSED
    if (data[1] === 'g') this.#general = thread - 1
    else if (data[1] === 'c') this.#control = thread - 1
    else return REFUSED
    return OK
  }

  #register(number: number): string {
    const row = this.#registers.all[number]
    return row === undefined ? REFUSED : registerHex(row, this.#moment())
  }

  #stand(place: Place): void {
    this.#view = undefined
    this.#moments = []
    this.#place = place
  }

  #arrive(place: Place, reason: Reason | { readonly kind: 'interrupted' }, stoppedBy = ''): string {
    this.#stand(place)
    this.#reason = reason
    this.#stoppedBy = stoppedBy
    this.#general = -1
    return this.#stopReply()
  }

  async #travel(journey: Journey, stops: readonly GdbStop[] = []): Promise<string> {
    this.#interrupted = this.isOver
    for (;;) {
      const { done, value } = journey.next()
      if (done) {
        const { place, reason }: Arrival = value
        return this.#arrive(place, reason, reason.kind === 'stop' ? stops[reason.stop]!.reply : '')
      }
      await this.#host.breathe()
      if (!this.#interrupted) continue
      journey.return(undefined as never)
      if (this.isOver) return ''
      const { instructions, eventIndex } = this.#timeline.atMoment(value)
      return this.#arrive({ instructions, events: eventIndex }, { kind: 'interrupted' })
    }
  }

  #continue(direction: typeof continueForward): Promise<string> {
    const stops = this.#breakpoints.all
    const journey = direction(
      this.#timeline,
      this.#place,
      stops.map(({ stop }) => stop),
    )
    return this.#travel(journey, stops)
  }

  /** An instruction of a CPU, or of the one that stopped; or until it leaves a range. */
  #step(control: number, within?: readonly [bigint, bigint]): Promise<string> {
    if (this.#cpus === 1 && within === undefined) return this.#travel(stepForward(this.#timeline, this.#place, 'instruction'))
    const stops = this.#breakpoints.all
    const cpu = control < 0 ? this.#standing().cpu : control
    const step = { cpu, stops: stops.map(({ stop }) => stop), ...(within === undefined ? {} : { within }) }
    return this.#travel(stepCpuForward(this.#timeline, this.#place, step), stops)
  }

  async #backward(data: string): Promise<string> {
    if (data === 'bc') return await this.#continue(continueBackward)
    if (data !== 'bs') return ''
    if (this.#cpus === 1) return await this.#travel(stepBackward(this.#timeline, this.#place, 'instruction'))
    const cpu = this.#control < 0 ? this.#standing().cpu : this.#control
    return await this.#travel(stepCpuBackward(this.#timeline, this.#place, cpu))
  }

  #stopReply(): string {
    const { kind } = this.#reason
    const thread = `thread:${threadText(this.#standing().cpu)};`
    if (kind === 'interrupted') return `T02${thread}`
    const why = { step: '', begin: 'replaylog:begin;', end: 'replaylog:end;', stop: this.#stoppedBy }[kind]
    return `T05${thread}${why}`
  }

  async #query(data: string): Promise<string> {
    const [name] = data.split(/[:,;]/)
    switch (name) {
      case 'qSupported':
        return SUPPORTED
      case 'QStartNoAckMode':
        return OK
      case 'qXfer':
        return transfer(data, targetXml(this.#registers))
      case 'qC':
        return `QC${threadText(this.#standing().cpu)}`
      case 'qfThreadInfo':
        return `m${Array.from({ length: this.#cpus }, (_, cpu) => threadText(cpu)).join(',')}`
      case 'qsThreadInfo':
        return 'l'
      case 'qThreadExtraInfo':
        return threadInfo(this.#standing(), data.slice('qThreadExtraInfo,'.length))
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
    const cpu = this.#general < 0 ? this.#standing().cpu : this.#general
    const { text, place } = await this.#host.monitor(line, { place: this.#place, cpu, breakpoints: this.#breakpoints })
    this.#stand(place ?? this.#place)
    return text === '' ? OK : textHex(text)
  }

  #verbose(data: string): string | undefined | Promise<string> {
    if (data === 'vCont?') return 'vCont;c;C;s;S;r'
    if (data.startsWith('vKill')) {
      this.isOver = true
      return OK
    }
    if (!data.startsWith('vCont;')) return ''
    const resume = parseResume(data, this.#cpus)
    if (resume === undefined) return REFUSED
    return resume.kind === 'continue' ? this.#continue(continueForward) : this.#step(resume.cpu, resume.within)
  }
}
