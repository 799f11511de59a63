/** One cell of a test's matrix as a run: recorded in memory, with everything that expectations are about. */

import type { Image } from '../assembler/image.ts'
import { parametersOf, type RunConfig, resolveRunConfig } from '../session/config.ts'
import { endRun, instructionsOf, type RunEnd } from '../session/guest-run.ts'
import { record } from '../session/record.ts'
import { CPU_FEATURES, DEFAULT_CPU_FEATURES } from '../spec/cpu-models.ts'
import type { TraceEvent } from '../spec/trace-events.ts'
import { memorySink } from '../trace/file.ts'
import { defectsOf } from './directive-parts.ts'
import { type Exit, exitsOf } from './exits.ts'
import { applies, type Cell, type GuestTestPlan } from './plan.ts'

export interface CellRun {
  readonly cell: Cell
  readonly config: RunConfig
  readonly input: Uint8Array
  readonly image: Image
  readonly events: readonly TraceEvent[]
  readonly exits: readonly Exit[]
  readonly end: RunEnd
  readonly instructions: number
  readonly cycles: number
  readonly output: readonly OutputLine[]
  /** The trace file. */
  readonly trace: Uint8Array
}

export interface OutputLine {
  readonly text: string
  /** Number of the event that printed its first byte. */
  readonly index: number
}

/** A guest that never ends is stopped here, so that its test fails instead of hanging. */
export const MAX_INSTRUCTIONS = 20_000_000

export function configOfCell({ matrix, features, defects }: GuestTestPlan, cell: Cell): RunConfig {
  const byDefault: ReadonlySet<string> = new Set(DEFAULT_CPU_FEATURES)
  const isOn = (name: string): boolean =>
    matrix.some(axis => axis.name === name) ? cell[name] === '1' : (features[name] ?? byDefault.has(name))
  const parameters = matrix.filter(({ kind }) => kind === 'parameter').map(({ name }) => [name, cell[name]!] as const)
  return resolveRunConfig({
    bare: cell.level === 'L0',
    defects: cell.level === 'L0' ? [] : [...defects, ...defectsOf(cell)],
    level: cell.level === 'L2' ? 'L2' : 'L1',
    features: CPU_FEATURES.filter(isOn),
    parameters: parametersOf(parameters),
  })
}

export function runCell(plan: GuestTestPlan, cell: Cell, image: Image): CellRun {
  const events: TraceEvent[] = []
  const sink = memorySink()
  // One more than the budget, so that a guest which uses all of it has room to end.
  const limits = plan.expectations.flatMap(wanted =>
    wanted.kind === 'budget' && wanted.budget === 'insns' && applies(wanted, cell) ? [wanted.limit + 1] : [],
  )
  const maxInstructions = Math.min(MAX_INSTRUCTIONS, ...limits)
  const config = configOfCell(plan, cell)
  const input = Buffer.from(plan.input)
  const { end, guest } = record(config, image, { sink, maxInstructions, input, observe: event => events.push(event) })
  const run = {
    cell,
    config,
    input,
    image,
    events,
    exits: exitsOf(events),
    end,
    instructions: instructionsOf(guest),
    cycles: guest.machine.tick,
    output: outputOf(events),
    trace: sink.bytes(),
  }
  endRun(guest)
  return run
}

function outputOf(events: readonly TraceEvent[]): OutputLine[] {
  const lines: OutputLine[] = []
  let text = ''
  let start = 0
  const finish = (): void => {
    if (text !== '') lines.push({ text, index: start })
    text = ''
  }
  for (const [index, event] of events.entries()) {
    if (event.kind !== 'console') continue
    const character = String.fromCharCode(event.byte)
    if (character === '\n') finish()
    else if (character !== '\r') {
      if (text === '') start = index
      text += character
    }
  }
  finish()
  return lines
}
