/** Running a few instructions on the bare CPU, for the tests of the hardware. */

import { readFileSync } from 'node:fs'
import { assemble } from '../../src/assembler/assemble.ts'
import { renderDiagnostics } from '../../src/assembler/render-diagnostics.ts'
import { createMachine, type Machine, type MachineOptions, resolveConfig } from '../../src/hw/machine.ts'
import { type RunResult, run } from '../../src/hw/run.ts'
import type { TraceEvent } from '../../src/spec/trace-events.ts'
import { bootBare } from '../../src/vmm/bare.ts'
import { longModeBoot } from '../../src/vmm/boot.ts'

const include = (name: string) => ({ file: name, text: readFileSync(new URL(`../../asm/include/${name}`, import.meta.url), 'utf8') })

export interface BareRun {
  readonly machine: Machine
  readonly result: RunResult
  readonly events: readonly TraceEvent[]
  /** A general register by its encoding, at the end. */
  gpr(index: number): bigint
  console: string
}

/** A guest from its source: `guest.inc` before it, a write of 0 to the exit port and `lib.inc` behind it. */
export const guestSource = (body: string): string => `%include "guest.inc"\n${body}\n  exit 0\n%include "lib.inc"\n`

export function assembled(source: string) {
  const result = assemble(source, { file: 'test.asm', include })
  if (result.image === undefined) throw new Error(renderDiagnostics(result.diagnostics, result.sources))
  return result.image
}

/** Runs a guest on the bare CPU until it ends, or for at most `instructions`. */
export function runBare(body: string, options: MachineOptions = {}, instructions = 2_000_000): BareRun {
  const machine = createMachine(resolveConfig({ memoryMiB: 8, ...options }))
  bootBare(machine, longModeBoot(assembled(guestSource(body))))
  const events: TraceEvent[] = []
  machine.observe = event => events.push(event)
  const result = run(machine, instructions)
  const bytes = events.flatMap(event => (event.kind === 'console' ? [event.byte] : []))
  return { machine, result, events, gpr: index => machine.registers[0]!.gpr[index]!, console: Buffer.from(bytes).toString('latin1') }
}
