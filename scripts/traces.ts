/**
 * Records the golden traces anew (`npm run traces`). To be done when the format or the machine changes on purpose; the commit says
 * why. A test replays each and compares what a fresh recording gives.
 */

import { readFileSync } from 'node:fs'
import { assemble } from '../src/assembler/assemble.ts'
import { renderDiagnostics } from '../src/assembler/render-diagnostics.ts'
import { type RunOptions, resolveRunConfig } from '../src/session/config.ts'
import { record } from '../src/session/record.ts'
import { openTraceFile } from '../src/trace/file.ts'

interface Golden {
  readonly name: string
  readonly guest: string
  readonly defines?: Readonly<Record<string, string>>
  readonly options: RunOptions
  readonly input?: string
}

export const GOLDEN_TRACES: readonly Golden[] = [
  {
    name: 'deadline-busy-off',
    guest: 'examples/deadline-busy.asm',
    defines: { TICKS: '10' },
    options: { parameters: { apic_timer_virt: false } },
  },
  { name: 'deadline-busy-on', guest: 'examples/deadline-busy.asm', defines: { TICKS: '10' }, options: {} },
  { name: 'echo', guest: 'examples/echo.asm', options: {}, input: 'hello\n' },
  { name: 'bare-vmx', guest: 'examples/bare-vmx.asm', options: { bare: true } },
]

const text = (path: string): string => readFileSync(new URL(`../${path}`, import.meta.url), 'utf8')

function recordGolden({ name, guest, defines = {}, options, input = '' }: Golden): void {
  const include = (file: string) => ({ file, text: text(`asm/include/${file}`) })
  const { image, diagnostics, sources } = assemble(text(guest), { file: guest, include, defines })
  if (image === undefined) throw new Error(renderDiagnostics(diagnostics, sources))
  const sink = openTraceFile(new URL(`../traces/${name}.vtrace`, import.meta.url).pathname)
  const { identity, events } = record(resolveRunConfig(options), image, { sink, input: Buffer.from(input) })
  console.log(`${name}: ${events} events, ${identity}`)
}

if (process.argv[1]?.endsWith('traces.ts')) for (const golden of GOLDEN_TRACES) recordGolden(golden)
