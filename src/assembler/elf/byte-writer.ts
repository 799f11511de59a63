/** Little-endian bytes, one behind another: what ELF and DWARF are written with. */

import { high32, low32 } from '../../base/u64.ts'

export class ByteWriter {
  #bytes = new Uint8Array(1024)
  #length = 0

  get length(): number {
    return this.#length
  }

  #room(count: number): number {
    const at = this.#length
    this.#length += count
    if (this.#length > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(this.#length, this.#bytes.length * 2))
      larger.set(this.#bytes)
      this.#bytes = larger
    }
    return at
  }

  u8(value: number): void {
    const at = this.#room(1)
    this.#bytes[at] = value
  }

  u16(value: number): void {
    this.u8(value & 0xff)
    this.u8((value >> 8) & 0xff)
  }

  u32(value: number): void {
    this.patch32(this.#room(4), value)
  }

  u64(value: bigint): void {
    this.u32(low32(value))
    this.u32(high32(BigInt.asUintN(64, value)))
  }

  /** 4 or 8 bytes. */
  word(value: bigint, bytes: 4 | 8): void {
    if (bytes === 8) this.u64(value)
    else this.u32(low32(value))
  }

  patch32(at: number, value: number): void {
    for (let position = 0; position < 4; position++) this.#bytes[at + position] = (value >>> (8 * position)) & 0xff
  }

  raw(bytes: Uint8Array): void {
    const at = this.#room(bytes.length)
    this.#bytes.set(bytes, at)
  }

  /** A text and the zero behind it. */
  text(value: string): void {
    this.raw(new TextEncoder().encode(value))
    this.u8(0)
  }

  /** LEB128, seven bits a byte. */
  uleb(value: number): void {
    let rest = value
    for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) this.u8((rest % 0x80) | 0x80)
    this.u8(rest)
  }

  sleb(value: number): void {
    let rest = value
    for (; rest < -0x40 || rest > 0x3f; rest >>= 7) this.u8((rest & 0x7f) | 0x80)
    this.u8(rest & 0x7f)
  }

  align(alignment: number): void {
    while (this.#length % alignment !== 0) this.u8(0)
  }

  done(): Uint8Array {
    return this.#bytes.slice(0, this.#length)
  }
}
