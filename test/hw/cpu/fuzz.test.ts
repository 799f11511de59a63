/** Whatever a program does, the CPU does something that is defined: no exception of ours, no hang, a state that could be. */

import { expect, test } from 'vitest'
import { isFull } from '../../slice.ts'
import { fuzzMachine } from './fuzz.ts'

const CASES = isFull ? 1_000_000 : 10_000
const SEED = 0x5eed
const RESERVED_FLAGS = ~0x3f_7fd5n & 0xffff_ffff_ffff_ffffn

test(`${CASES} random instruction strings in random modes (seed ${SEED}) end in a state that a CPU can have`, {
  timeout: 3_600_000,
}, () => {
  const { machine, runCase } = fuzzMachine()
  const results = new Set<string>()
  for (let index = 0; index < CASES; index++) {
    const seed = SEED + index
    try {
      results.add(runCase(seed))
    } catch (thrown) {
      throw new Error(`seed ${seed} raises an exception of ours`, { cause: thrown })
    }
    const { rip, rflags } = machine.registers[0]!
    const engine = machine.engines[0]!
    const isSound =
      (rflags[0]! & RESERVED_FLAGS) === 2n &&
      (engine.bits === 64 || rip[0]! <= 0xffff_ffffn) &&
      machine.cpus[0]!.segments.every(({ selector, limit }) => selector >= 0 && selector <= 0xffff && limit >= 0 && limit <= 0xffff_ffff)
    if (!isSound) throw new Error(`seed ${seed}: RIP ${rip[0]!.toString(16)}, RFLAGS ${rflags[0]!.toString(16)}`)
  }
  expect([...results].sort()).toEqual(['budget', 'ended', 'idle', 'paused'])
})
