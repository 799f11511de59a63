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
