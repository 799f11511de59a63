/** Ports that are devices in the kernel: the 8259 pair with its edge/level registers, and the PIT with port 0x61. All others are user space's. */

import { readElcr, readPic, writeElcr, writePic } from '../devices/pic.ts'
import { readPit, readPort61, writePit, writePort61 } from '../devices/pit.ts'
import type { VmContext } from './context.ts'
import { picChanged } from './irqchip.ts'
import { pitChanged, pitMoment } from './pit.ts'

interface PortRow {
  readonly first: number
  readonly count: number
  readonly chip: 'chips' | 'pit'
  readonly read: (v: VmContext, offset: number) => number
  readonly write: (v: VmContext, offset: number, value: number) => void
}

const pic = (first: number, which: 0 | 1): PortRow => ({
  first,
  count: 2,
  chip: 'chips',
  read: (v, offset) => readPic(v.vm.chips!.pics, which, offset),
  write: (v, offset, value) => {
    writePic(v.vm.chips!.pics, which, offset, value)
    picChanged(v)
  },
})

const PORTS: readonly PortRow[] = [
  pic(0x20, 0),
  pic(0xa0, 1),
  {
    first: 0x4d0,
    count: 2,
    chip: 'chips',
    read: (v, offset) => readElcr(v.vm.chips!.pics, offset === 0 ? 0 : 1),
    write: (v, offset, value) => writeElcr(v.vm.chips!.pics, offset === 0 ? 0 : 1, value),
  },
  {
    first: 0x40,
    count: 4,
    chip: 'pit',
    read: (v, offset) => readPit(v.vm.pit!.state, offset, pitMoment(v)),
    write: (v, offset, value) => {
      writePit(v.vm.pit!.state, offset, value, pitMoment(v))
      pitChanged(v)
    },
  },
  {
    first: 0x61,
    count: 1,
    chip: 'pit',
    read: v => readPort61(v.vm.pit!.state, pitMoment(v)),
    write: (v, _, value) => writePort61(v.vm.pit!.state, value, pitMoment(v)),
  },
]

const rowOf = new Map<number, PortRow>(
  PORTS.flatMap(row => Array.from({ length: row.count }, (_, offset) => [row.first + offset, row] as const)),
)

const rowAt = ({ vm }: VmContext, port: number): PortRow | null => {
  const row = rowOf.get(port)
  return row !== undefined && vm[row.chip] !== null ? row : null
}

/** These devices are of bytes: a wider access is one of each byte. Null where the first is none of the kernel's. */
export function readKernelPort(v: VmContext, port: number, size: number): number | null {
  if (rowAt(v, port) === null) return null
  let value = 0
  for (let byte = size - 1; byte >= 0; byte--) {
    const row = rowAt(v, port + byte)
    value = value * 256 + (row === null ? 0xff : row.read(v, port + byte - row.first))
  }
  return value
}

/** False where the port is none of the kernel's. */
export function writeKernelPort(v: VmContext, port: number, size: number, value: number): boolean {
  if (rowAt(v, port) === null) return false
  for (let byte = 0; byte < size; byte++) {
    const row = rowAt(v, port + byte)
    row?.write(v, port + byte - row.first, (value >>> (8 * byte)) & 0xff)
  }
  return true
}
