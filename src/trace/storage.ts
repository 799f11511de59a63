/** Where the bytes of a trace go and come from: a file or memory. A sink only ever appends. */

import { closeSync, fstatSync, openSync, readSync, writeSync } from 'node:fs'

export interface Sink {
  write(bytes: Uint8Array): void
  close(): void
}

export interface Source {
  readonly size: number
  /** At most `length` bytes from `offset`; fewer where the source ends. */
  read(offset: number, length: number): Uint8Array
  close(): void
}

/** A sink that writes to the file at `path`, in place: whatever was written survives the end of the process. */
export function openTraceFile(path: string): Sink {
  const file = openSync(path, 'w')
  return {
    write(bytes) {
      for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at)
    },
    close: () => closeSync(file),
  }
}

/** A sink in memory, and the bytes that it took. */
export function memorySink(): Sink & { bytes(): Uint8Array } {
  const parts: Uint8Array[] = []
  return {
    write: bytes => void parts.push(bytes.slice()),
    close() {},
    bytes: () => new Uint8Array(Buffer.concat(parts)),
  }
}

export function fileSource(path: string): Source {
  const file = openSync(path, 'r')
  const { size } = fstatSync(file)
  return {
    size,
    read(offset, length) {
      const bytes = new Uint8Array(Math.max(0, Math.min(length, size - offset)))
      let at = 0
      while (at < bytes.length) {
        const read = readSync(file, bytes, at, bytes.length - at, offset + at)
        if (read === 0) break // the file became shorter while it was open
        at += read
      }
      return bytes.subarray(0, at)
    },
    close: () => closeSync(file),
  }
}

export const bytesSource = (bytes: Uint8Array): Source => ({
  size: bytes.length,
  read: (offset, length) => bytes.subarray(offset, offset + length),
  close() {},
})
