/** What differs between two outcomes of a case, in words; flags that the table says are undefined count apart. */

import { type FlagName, RFLAGS } from '../../../src/spec/rflags.ts'
import type { Outcome, SiliconCase } from './case.ts'
import { comparableFlags } from './emulator.ts'
import type { Section } from './sections.ts'

export interface Comparison {
  /** Flags or results that the row says are undefined. */
  readonly undefinedDiffers: boolean
  /** Everything else. */
  readonly differences: readonly string[]
}

const maskOf = (names: string): number =>
  names
    .split(' ')
    .filter(name => name in RFLAGS)
    .reduce((mask, name) => mask | (1 << RFLAGS[name as FlagName]), 0)

const hex = (value: bigint | number): string => value.toString(16)

export function compare({ row }: Section, c: SiliconCase, silicon: Outcome, ours: Outcome): Comparison {
  const differences: string[] = []
  const expect = (name: string, theirs: bigint | number | string, mine: bigint | number | string): void => {
    if (theirs !== mine)
      differences.push(
        `${name}: processor ${typeof theirs === 'string' ? theirs : hex(theirs)}, ours ${typeof mine === 'string' ? mine : hex(mine)}`,
      )
  }
  const words = ({ kind, vector }: Outcome): string => (kind === 'fault' ? `fault ${vector}` : kind)
  expect('outcome', words(silicon), words(ours))
  if (differences.length > 0) return { undefinedDiffers: false, differences }
  const low = (value: bigint): bigint => (c.mode === 64 ? value : value & 0xffff_ffffn)
  if (silicon.kind === 'fault') {
    expect('error code', silicon.error, ours.error)
    expect('CR2', silicon.address, ours.address)
  }
  if (silicon.kind !== 'fell') expect('RIP', silicon.rip, ours.rip)
  for (let index = 0; index < (c.mode === 64 ? 16 : 8); index++) expect(`r${index}`, low(silicon.gpr[index]!), low(ours.gpr[index]!))
  const flags = comparableFlags(silicon.flags) ^ comparableFlags(ours.flags)
  const undefinedFlags = silicon.kind === 'fault' ? 0 : maskOf(row.undefined)
  if ((flags & ~undefinedFlags) !== 0) expect('flags', comparableFlags(silicon.flags), comparableFlags(ours.flags))
  compareMemory(silicon, ours, expect)
  if (silicon.vectors !== null && ours.vectors !== null && silicon.kind !== 'fault')
    compareVectors(silicon.vectors, ours.vectors, c.mode === 64 ? 32 : 16, expect)
  return { undefinedDiffers: (flags & undefinedFlags) !== 0, differences }
}

type Expect = (name: string, theirs: bigint | number | string, mine: bigint | number | string) => void

function compareMemory(silicon: Outcome, ours: Outcome, expect: Expect): void {
  const text = ({ runs }: Outcome): string =>
    runs.map(({ offset, bytes }) => `${hex(offset)}:${Buffer.from(bytes).toString('hex')}`).join(' ')
  expect('memory', text(silicon), text(ours))
}

function compareVectors(
  theirs: NonNullable<Outcome['vectors']>,
  mine: NonNullable<Outcome['vectors']>,
  lanes: number,
  expect: Expect,
): void {
  for (const name of ['mxcsr', 'control', 'status', 'tag'] as const) expect(name, theirs[name], mine[name])
  for (let lane = 0; lane < lanes; lane++) {
    expect(`xmm${lane >> 1}.${lane & 1}`, theirs.low[lane]!, mine.low[lane]!)
    expect(`ymm${lane >> 1}.${2 + (lane & 1)}`, theirs.high[lane]!, mine.high[lane]!)
  }
}
