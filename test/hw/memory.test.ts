import { expect, test } from 'vitest'
import { BLOCK_BYTES } from '../../src/hw/cpu/registers.ts'
import { createMachine, resolveConfig } from '../../src/hw/machine.ts'
import { hashMachine, takeSnapshot } from '../../src/hw/snapshot.ts'

const MIB = 2 ** 20

test('a machine in the memory of one before is a machine just made', () => {
  const config = resolveConfig({ memoryMiB: 3 })
  const first = createMachine(config)
  const fresh = { hash: hashMachine(first), snapshot: takeSnapshot(first, false) }
  const { buffer, size } = first.memory
  for (const address of [0, 0x1234, MIB, size - 1]) first.memory.write8(address, 0xa5)
  first.memory.markCode(1)
  first.registers[0]!.rip[0] = 0x1234n
  first.memory.release()

  const second = createMachine(config)
  expect(second.memory.buffer).toBe(buffer)
  expect(Buffer.compare(second.memory.ram, new Uint8Array(size))).toBe(0)
  expect(hashMachine(second)).toBe(fresh.hash)
  expect(takeSnapshot(second, false)).toEqual(fresh.snapshot)
  expect(second.memory.beginPlainWrites(0x1000)).toBe(true)
})

test('a machine of another size has memory of its own', () => {
  const first = createMachine(resolveConfig({ memoryMiB: 3 }))
  const { buffer } = first.memory
  first.memory.release()
  const second = createMachine(resolveConfig({ memoryMiB: 4 }))
  expect(second.memory.buffer).not.toBe(buffer)
  expect(second.memory.buffer.byteLength).toBeGreaterThanOrEqual(BLOCK_BYTES + 4 * MIB)
})

test('a watch is told of every store to its bytes, and of no other', () => {
  const { memory } = createMachine(resolveConfig({ memoryMiB: 3 }))
  let told = 0
  memory.watch({ address: 0x1ffe, bytes: 4, see: () => told++ }) // the last two bytes of a page and the first two of the next
  memory.write8(0x1ffd, 1)
  memory.write16(0x2002, 1)
  expect(told).toBe(0)
  memory.write8(0x1ffe, 1)
  memory.write64(0x1ff8, 1n)
  memory.write32(0x2000, 1)
  memory.setPagingBits(0x2000, 8, 0x21n, 'guest')
  expect(told).toBe(4)
  memory.writeBytes(0x1f00, new Uint8Array(0x200)) // across: told once for each page
  expect(told).toBe(6)
  expect(memory.beginPlainWrites(0x1000)).toBe(false) // bulk stores would pass it by
  memory.unwatch()
  memory.write8(0x1ffe, 1)
  expect(told).toBe(6)
  expect(memory.beginPlainWrites(0x1000)).toBe(true)
})
