/**
 * RDRAND and RDSEED (Intel SDM, their pages): a stream of numbers that the configuration's seed decides, so that a run can be
 * repeated; it never runs dry.
 */

import { shiftRight, unsigned } from '../../../base/u64.ts'
import type { Instruction } from '../../../isa/instruction.ts'
import type { RegisterOperand } from '../../../isa/operands.ts'
import { CF, STATUS } from '../../../isa/status-flags.ts'
import type { Engine } from '../engine.ts'

/** SplitMix64 (Steele, Lea, Flood: "Fast Splittable Pseudorandom Number Generators"): the nth value of a seed's stream. */
export function splitMix64(seed: bigint, n: number): bigint {
  let z = BigInt.asUintN(64, seed + BigInt(n) * 0x9e37_79b9_7f4a_7c15n)
  z = BigInt.asUintN(64, (z ^ shiftRight(z, 30)) * 0xbf58_476d_1ce4_e5b9n)
  z = BigInt.asUintN(64, (z ^ shiftRight(z, 27)) * 0x94d0_49bb_1331_11ebn)
  return z ^ shiftRight(z, 31)
}

/** CF tells that there was a number; the other flags are cleared. */
export function drawRandom(engine: Engine, i: Instruction): void {
  const { cpu, machine } = engine
  const seed = (BigInt(machine.config.randomSeed) << 8n) | BigInt(engine.index)
  cpu.randomDraws++
  engine.write(i.dst, unsigned((i.dst as RegisterOperand).size, splitMix64(seed, cpu.randomDraws)))
  engine.replaceFlags((engine.materialised() & ~STATUS) | CF)
}
