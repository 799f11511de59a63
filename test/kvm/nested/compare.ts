/**
 * Two runs of one program, observation by observation. A value that moves when the program's TSC begins elsewhere is derived from
 * the TSC: two such are compared by their order only. Everything else must be equal, or be in the list of allowed differences.
 */

import { ALLOWED_DIFFERENCES, type AllowedDifference } from './differences.ts'
import type { Observation, Observed } from './observation.ts'

/** One value that the program sees, and where. */
export interface Seen {
  readonly place: string
  readonly value: bigint
  readonly from: Observation
}

const hex = (value: bigint | undefined): string => (value === undefined ? 'nothing' : `0x${value.toString(16)}`)

/** The values of an observation, in an order of their own. */
function valuesOf(observation: Observation): readonly Seen[] {
  const from = observation
  if (observation.kind === 'exit') {
    const fields = [...observation.fields].map(([name, value]) => ({ place: name as string, value, from }))
    const registers = observation.gpr.map((value, index) => ({ place: `gpr ${index}`, value, from }))
    return [...fields, ...registers, { place: 'cr2', value: observation.cr2, from }]
  }
  const { rip, mnemonic, operand, next, rflags, changed } = observation
  const at = `${mnemonic} ${hex(operand)} at ${hex(rip)}`
  return [
    { place: `${at} next`, value: next, from },
    { place: `${at} rflags`, value: rflags, from },
    ...changed.map(([index, value]) => ({ place: `${at} gpr ${index}`, value, from })),
  ]
}

/** The numbers of the values that differ between runs which begin at other TSCs. */
function movingValues(base: Observed, moved: readonly Observed[]): ReadonlySet<string> {
  const moving = new Set<string>()
  for (const [index, observation] of base.observations.entries())
    for (const [position, { value }] of valuesOf(observation).entries())
      if (moved.some(other => valueAt(other, index, position) !== value)) moving.add(`${index} ${position}`)
  return moving
}

function valueAt({ observations }: Observed, index: number, position: number): bigint | undefined {
  const observation = observations[index]
  return observation === undefined ? undefined : valuesOf(observation)[position]?.value
}

const isAllowed = (row: AllowedDifference, { place, from }: Seen): boolean => {
  if ('field' in row)
    return (
      place === row.field &&
      (row.reasons === undefined || (from.kind === 'exit' && row.reasons.includes(Number(from.fields.get('VM_EXIT_REASON')!) & 0xffff)))
    )
  if (!('mnemonics' in row) || from.kind !== 'instruction' || !row.mnemonics.includes(from.mnemonic)) return false
  return row.operands === undefined || row.operands.includes(Number(from.operand))
}

export interface Comparison {
  /** What differs and may not. */
  readonly differences: readonly string[]
  /** Which rows of the list were needed. */
  readonly used: ReadonlySet<AllowedDifference>
  readonly compared: number
}

/** `moved`: runs like `bare`, which begin at other TSCs. */
export function compare(bare: Observed, moved: readonly Observed[], nested: Observed): Comparison {
  const differences: string[] = []
  const used = new Set<AllowedDifference>()
  const moving = movingValues(bare, moved)
  const orders = new Map<string, { bare: bigint; nested: bigint }>()
  let compared = 0
  if (bare.observations.length !== nested.observations.length)
    differences.push(`${bare.observations.length} observations on the bare CPU, ${nested.observations.length} under KVM`)
  for (const [index, observation] of bare.observations.entries()) {
    const other = nested.observations[index]
    if (other === undefined) break
    const [ours, theirs] = [valuesOf(observation), valuesOf(other)]
    for (const [position, seen] of ours.entries()) {
      compared++
      const value = theirs[position]?.place === seen.place ? theirs[position].value : undefined
      if (moving.has(`${index} ${position}`) && value !== undefined) {
        const last = orders.get(seen.place)
        if (last !== undefined && Math.sign(Number(seen.value - last.bare)) !== Math.sign(Number(value - last.nested)))
          differences.push(`${index}: ${seen.place} comes in another order`)
        orders.set(seen.place, { bare: seen.value, nested: value })
        continue
      }
      if (value === seen.value) continue
      const row = ALLOWED_DIFFERENCES.find(candidate => isAllowed(candidate, seen))
      if (row !== undefined) used.add(row)
      else
        differences.push(`${index} (${about(observation)}): ${seen.place} is ${hex(seen.value)} on the bare CPU, ${hex(value)} under KVM`)
    }
    const isExcused = ours.some(seen => ALLOWED_DIFFERENCES.some(row => isAllowed(row, seen)))
    if (theirs.length > ours.length && !isExcused) differences.push(`${index} (${about(other)}): more is seen under KVM`)
  }
  differences.push(...memoryDifferences(bare, moved, nested))
  if (bare.console !== nested.console) differences.push(`the console: ${JSON.stringify(bare.console)}, ${JSON.stringify(nested.console)}`)
  if (bare.end.reason !== nested.end.reason || bare.end.status !== nested.end.status)
    differences.push(`the end: ${JSON.stringify(bare.end)}, ${JSON.stringify(nested.end)}`)
  return { differences, used, compared }
}

const about = (observation: Observation): string =>
  observation.kind === 'exit'
    ? `exit ${hex(observation.fields.get('VM_EXIT_REASON'))}`
    : `${observation.mnemonic} at ${hex(observation.rip)}`

const PAGE = 4096

/** Page by page, but for regions whose format is the processor's own, and bytes that move with the TSC. */
function memoryDifferences(bare: Observed, moved: readonly Observed[], nested: Observed): string[] {
  const differences: string[] = []
  for (let page = 0; page < bare.memory.length; page += PAGE) {
    if (bare.opaque.has(page)) continue
    const of = ({ memory }: Observed): Uint8Array => memory.subarray(page, page + PAGE)
    if (Buffer.compare(of(bare), of(nested)) === 0) continue
    for (let at = page; at < page + PAGE; at++) {
      const value = bare.memory[at]
      if (value === nested.memory[at] || moved.some(({ memory }) => memory[at] !== value)) continue
      differences.push(`memory at ${hex(BigInt(at))}: 0x${value!.toString(16)}, 0x${nested.memory[at]!.toString(16)}`)
      break
    }
  }
  return differences
}
