/** Watches a run from outside: passes the guest's console on as it prints, and keeps what is needed to say how it ended. */

import type { EventOf, TraceEvent } from '../spec/trace-events.ts'

const NEWLINE = 10
/** Longer lines are passed on in parts; of a line only this much is kept to be judged. */
const LINE_BYTES = 1024

export class GuestWatch {
  /** The first console line that starts with `FAIL:`. */
  failure: string | null = null
  shutdown: EventOf<'shutdown'> | null = null
  exception: EventOf<'exception'> | null = null
  exit: EventOf<'kvm_exit'> | null = null
  /** Whether the last thing printed was the end of a line. */
  atLineStart = true
  readonly #pass: (bytes: Uint8Array) => void
  #line: number[] = []
  #waiting: number[] = []

  constructor(pass: (bytes: Uint8Array) => void) {
    this.#pass = pass
  }

  see(event: TraceEvent): void {
    switch (event.kind) {
      case 'console':
        return this.#print(event.byte)
      case 'shutdown':
        this.shutdown = event
        return
      case 'exception':
        this.exception = event
        return
      case 'kvm_exit':
        this.exit = event
        return
    }
  }

  #print(byte: number): void {
    this.#waiting.push(byte)
    this.atLineStart = byte === NEWLINE
    if (byte !== NEWLINE && this.#line.length < LINE_BYTES) this.#line.push(byte)
    if (byte === NEWLINE) this.#endLine()
    if (byte === NEWLINE || this.#waiting.length >= LINE_BYTES) this.flush()
  }

  #endLine(): void {
    const line = Buffer.from(this.#line).toString('utf8').trimEnd()
    this.#line = []
    if (line.startsWith('FAIL:')) this.failure ??= line
  }

  /** Passes on what is not a whole line yet. */
  flush(): void {
    if (this.#waiting.length === 0) return
    this.#pass(Uint8Array.from(this.#waiting))
    this.#waiting = []
  }

  /** The run is over. */
  finish(): void {
    this.flush()
    if (this.#line.length > 0) this.#endLine()
  }
}
