/**
 * Packets of gdb's remote protocol (the gdb manual, "Remote Protocol", "Overview"): `$data#checksum`, acknowledged by `+` until both
 * sides agree to leave that out. Data is Latin-1 text; `}` escapes a byte as its exclusive-or with 0x20.
 */

export type Received = { readonly kind: 'packet'; readonly data: string } | { readonly kind: 'interrupt' } | { readonly kind: 'damaged' }

/** More than gdb sends; we say so in qSupported. */
export const PACKET_SIZE = 0x4000

/** Ctrl-C in gdb; it stands between packets. */
const INTERRUPT = '\x03'

const checksum = (data: string): string => {
  let sum = 0
  for (let i = 0; i < data.length; i++) sum = (sum + data.charCodeAt(i)) & 0xff
  return sum.toString(16).padStart(2, '0')
}

const unescaped = (data: string): string => data.replace(/\}(.)/gs, (_, char: string) => String.fromCharCode(char.charCodeAt(0) ^ 0x20))

/** What must not stand in a packet as it is; `*` would begin a run length. */
const escaped = (data: string): string => data.replace(/[#$}*]/g, char => `}${String.fromCharCode(char.charCodeAt(0) ^ 0x20)}`)

export function packet(data: string): string {
  const body = escaped(data)
  return `$${body}#${checksum(body)}`
}

export const textHex = (text: string): string => Buffer.from(text, 'utf8').toString('hex')

/** Bytes as they come, to whole packets. */
export class PacketReader {
  #rest = ''

  receive(bytes: Uint8Array): Received[] {
    this.#rest += Buffer.from(bytes).toString('latin1')
    const received: Received[] = []
    for (let next = this.#next(); next !== undefined; next = this.#next()) received.push(next)
    return received
  }

  /** The next whole packet or interrupt; what stands before it are acknowledgements. */
  #next(): Received | undefined {
    const starts = [this.#rest.indexOf('$'), this.#rest.indexOf(INTERRUPT)].filter(at => at >= 0)
    if (starts.length === 0) {
      this.#rest = ''
      return undefined
    }
    this.#rest = this.#rest.slice(Math.min(...starts))
    if (this.#rest[0] === INTERRUPT) {
      this.#rest = this.#rest.slice(1)
      return { kind: 'interrupt' }
    }
    const end = this.#rest.indexOf('#')
    if (end < 0 || this.#rest.length < end + 3) {
      if (this.#rest.length > 2 * PACKET_SIZE) this.#rest = ''
      return undefined
    }
    const body = this.#rest.slice(this.#rest.lastIndexOf('$', end) + 1, end) // a packet holds no `$`: what was cut off before is noise
    const sum = this.#rest.slice(end + 1, end + 3)
    this.#rest = this.#rest.slice(end + 3)
    return sum.toLowerCase() === checksum(body) ? { kind: 'packet', data: unescaped(body) } : { kind: 'damaged' }
  }
}
