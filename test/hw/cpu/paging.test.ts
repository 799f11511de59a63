/**
 * Address translation against the slow model of `paging-model.ts`: random paging structures (which may reference each other in
 * circles), random settings, random accesses, edits in between; what comes out and every byte of the structures must agree.
 */

import { describe, expect, test } from 'vitest'
import { Fault, VmExit } from '../../../src/hw/cpu/faults.ts'
import { PRIVILEGE } from '../../../src/hw/cpu/tlb.ts'
import { createMachine, type Machine, resolveConfig } from '../../../src/hw/machine.ts'
import { CR0, CR4, EFER } from '../../../src/spec/cr-bits.ts'
import { MSRS } from '../../../src/spec/msrs.ts'
import { VMX_CONTROLS } from '../../../src/spec/vmx-controls.ts'
import { isFull } from '../../slice.ts'
import { type ModelAccess, type ModelMemory, type ModelMode, type ModelOutcome, type ModelState, modelTranslate } from './paging-model.ts'

/** mulberry32. */
function randomFrom(seed: number) {
  let state = seed
  const word = (): number => {
    state = (state + 0x6d2b79f5) | 0
    let value = Math.imul(state ^ (state >>> 15), 1 | state)
    value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value
    return (value ^ (value >>> 14)) >>> 0
  }
  const below = (limit: number): number => word() % limit
  return {
    word,
    below,
    chance: (percent: number) => below(100) < percent,
    pick: <T>(items: readonly T[]): T => items[below(items.length)]!,
  }
}
type Random = ReturnType<typeof randomFrom>

const TABLES = 5
const TABLE_AT = 0x10_000
const EPT_TABLE_AT = 0x40_000
const tableAddress = (random: Random, base = TABLE_AT): bigint => BigInt(base + 4096 * random.below(TABLES))
const INDEXES_8 = [0, 1, 255, 256, 511]
const INDEXES_4 = [0, 1, 511, 512, 1023]

/** An entry that is mostly good: present, everything allowed; now and then a flag less, a page size more, a reserved bit. */
function randomEntry(random: Random, bytes: 4 | 8): bigint {
  if (random.chance(6)) return BigInt(random.word()) & ~1n
  let entry = random.chance(70) ? tableAddress(random) : BigInt(random.word()) * 4096n
  if (bytes === 8 && random.chance(10)) entry |= BigInt(random.word() & 0x3fff) << 32n
  entry |= 7n
  if (random.chance(15)) entry &= ~2n
  if (random.chance(25)) entry &= ~4n
  for (const position of [3, 4, 5, 6, 8, 9, 12]) if (random.chance(30)) entry |= 1n << BigInt(position)
  if (random.chance(30)) entry = alignLarge(entry | 0x80n, random)
  if (bytes === 8 && random.chance(20)) entry |= 1n << 63n
  if (random.chance(5)) entry |= 1n << BigInt(random.below(bytes * 8))
  return bytes === 4 ? BigInt.asUintN(32, entry) : entry
}

/** Large pages have address bits that must be 0. */
const alignLarge = (entry: bigint, random: Random): bigint => entry & ~(random.chance(50) ? 0x3fff_e000n : 0x1f_e000n)

function randomEptEntry(random: Random): bigint {
  if (random.chance(4)) return 0n
  let entry = random.chance(75) ? tableAddress(random, EPT_TABLE_AT) : tableAddress(random)
  entry |= 7n
  if (random.chance(12)) entry &= ~BigInt(1 << random.below(3))
  if (random.chance(30)) entry = (entry & ~(random.chance(50) ? 0x3fff_f000n : 0x1f_f000n)) | 0x80n
  if (random.chance(10)) entry |= BigInt(random.pick([0, 1, 2, 3, 4, 5, 6, 7]) << 3)
  for (const position of [8, 9, 11, 60]) if (random.chance(20)) entry |= 1n << BigInt(position)
  if (random.chance(3)) entry |= 1n << BigInt(random.below(64))
  return entry
}

function randomState(random: Random, mode: ModelMode, ept: boolean): ModelState {
  const flag = (): boolean => random.chance(50)
  return {
    mode,
    cr3: tableAddress(random),
    pdptes: Array.from({ length: 4 }, () => tableAddress(random) | (random.chance(80) ? 1n : 0n)),
    wp: flag(),
    pse: flag(),
    nxe: random.chance(70),
    smep: flag(),
    smap: flag(),
    eptp: ept ? tableAddress(random, EPT_TABLE_AT) | 0x1en | (flag() ? 0x40n : 0n) : null,
  }
}

const bits = (...positions: readonly (number | false)[]): bigint =>
  positions.reduce<bigint>((word, position) => (position === false ? word : word | (1n << BigInt(position))), 0n)

function load(machine: Machine, state: ModelState): void {
  const cpu = machine.cpus[0]!
  const { cr, pdpte } = machine.registers[0]!
  const long = state.mode === '4-level' || state.mode === '5-level'
  const paged = state.mode !== 'none'
  cr[0] = bits(CR0.PE, paged && CR0.PG, state.wp && CR0.WP)
  cr[3] = state.cr3
  cr[4] = bits(
    state.mode !== '32-bit' && paged && CR4.PAE,
    state.pse && CR4.PSE,
    state.smep && CR4.SMEP,
    state.smap && CR4.SMAP,
    state.mode === '5-level' && CR4.LA57,
  )
  pdpte.set(state.pdptes)
  cpu.msrs[MSRS.MSR_EFER.index] = bits(state.nxe && EFER.NX, long && EFER.LMA, long && EFER.LME)
  cpu.vmx.mode = state.eptp === null ? 'off' : 'non-root'
  cpu.vmx.controls = {
    ...cpu.vmx.controls,
    secondary: state.eptp === null ? 0 : 1 << VMX_CONTROLS.SECONDARY_EXEC_ENABLE_EPT.bit,
    eptPointer: state.eptp ?? 0n,
  }
  machine.engines[0]!.reload()
}

const LOW_BITS: Readonly<Record<ModelMode, readonly number[]>> = {
  none: [],
  '32-bit': [22, 12],
  PAE: [30, 21, 12],
  '4-level': [39, 30, 21, 12],
  '5-level': [48, 39, 30, 21, 12],
}
const WIDTH: Readonly<Record<ModelMode, number>> = { none: 32, '32-bit': 32, PAE: 32, '4-level': 48, '5-level': 57 }

function randomLinear(random: Random, mode: ModelMode): bigint {
  if (mode === 'none') return BigInt(random.below(0x100_0000))
  const indexes = mode === '32-bit' ? INDEXES_4 : INDEXES_8
  let linear = BigInt(random.below(4096))
  for (const low of LOW_BITS[mode]) linear |= BigInt(random.pick(indexes)) << BigInt(low)
  const width = WIDTH[mode]
  return width === 32 ? BigInt.asUintN(32, linear) : BigInt.asUintN(64, BigInt.asIntN(width, linear))
}

const randomAccess = (random: Random): ModelAccess => ({
  kind: random.pick(['read', 'write', 'execute'] as const),
  user: random.chance(50),
  ac: random.chance(50),
})

function ourTranslate(machine: Machine, linear: bigint, { kind, user, ac }: ModelAccess): ModelOutcome {
  const privilege = user ? PRIVILEGE.user : ac ? PRIVILEGE.supervisorWithAc : PRIVILEGE.supervisor
  try {
    return { is: 'address', physical: BigInt(machine.engines[0]!.translate(linear, kind, privilege)) }
  } catch (thrown) {
    if (thrown instanceof Fault) {
      expect([thrown.vector, thrown.cr2]).toEqual([14, linear])
      return { is: '#PF', code: thrown.errorCode! }
    }
    if (!(thrown instanceof VmExit)) throw thrown
    const physical = BigInt(thrown.details.guestPhysical!)
    if (thrown.reason === 'EXIT_REASON_EPT_MISCONFIG') return { is: 'misconfiguration', physical }
    expect(thrown.details.guestLinear).toBe(linear)
    return { is: 'violation', qualification: thrown.details.qualification!, physical }
  }
}

/** The model's memory: a copy of the machine's, all ones beyond. */
function copyOf(machine: Machine): ModelMemory & { readonly bytes: Uint8Array } {
  const bytes = machine.memory.ram.slice()
  const view = new DataView(bytes.buffer)
  return {
    bytes,
    read: (address, count) => {
      if (address + BigInt(count) > bytes.length) return 2n ** BigInt(8 * count) - 1n
      return count === 8 ? view.getBigUint64(Number(address), true) : BigInt(view.getUint32(Number(address), true))
    },
    write: (address, count, value) => {
      if (address + BigInt(count) > bytes.length) return
      if (count === 8) view.setBigUint64(Number(address), value, true)
      else view.setUint32(Number(address), Number(value), true)
    },
  }
}

const ROUNDS = isFull ? 300 : 20
const ACCESSES = 60

function edit(random: Random, machine: Machine, model: ModelMemory, bytes: 4 | 8, ept: boolean): void {
  const inEpt = ept && random.chance(40)
  const width = inEpt ? 8 : bytes
  const at = Number(tableAddress(random, inEpt ? EPT_TABLE_AT : TABLE_AT)) + width * random.pick(width === 4 ? INDEXES_4 : INDEXES_8)
  const value = inEpt ? randomEptEntry(random) : randomEntry(random, bytes)
  if (width === 8) machine.memory.write64(at, value)
  else machine.memory.write32(at, Number(value))
  model.write(BigInt(at), width, value)
}

describe.each([false, true])('with EPT: %s', ept => {
  test.each(['none', '32-bit', 'PAE', '4-level', '5-level'] as const)('%s paging agrees with the tables of the SDM (seed 7)', mode => {
    const random = randomFrom(7)
    const outcomes = new Set<string>()
    const machine = createMachine(resolveConfig({ memoryMiB: 1 }))
    const bytes = mode === '32-bit' ? 4 : 8
    for (let round = 0; round < ROUNDS; round++) {
      const model = copyOf(machine)
      for (let entries = 0; entries < 60; entries++) edit(random, machine, model, bytes, ept)
      const state = randomState(random, mode, ept)
      load(machine, state)
      const addresses = Array.from({ length: 12 }, () => randomLinear(random, mode))
      for (let step = 0; step < ACCESSES; step++) {
        if (random.chance(15)) edit(random, machine, model, bytes, ept)
        const linear = random.pick(addresses)
        const access = randomAccess(random)
        const expected = modelTranslate(model, state, linear, access)
        const got = ourTranslate(machine, linear, access)
        outcomes.add(got.is === '#PF' ? `#PF ${got.code}` : got.is)
        expect(got, `round ${round} step ${step}`).toEqual(expected)
      }
      expect(Buffer.compare(machine.memory.ram, model.bytes), `accessed and dirty flags, round ${round}`).toBe(0)
    }
    expect(outcomes).toContain('address')
    if (mode !== 'none') expect([...outcomes].filter(outcome => outcome.startsWith('#PF')).length).toBeGreaterThan(6)
    if (ept) expect(outcomes).toContain('violation')
  })
})
