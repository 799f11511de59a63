/**
 * `vtick demo`, which `npm start` runs: one guest under KVM with APIC-timer virtualization off and on, both recorded and replayed,
 * and on one screen which VM exits are gone.
 */

import { join, relative, resolve } from 'node:path'
import type { Image } from '../assembler/image.ts'
import { resolveRunConfig } from '../session/config.ts'
import { type Recording, recordInSlices } from '../session/record.ts'
import { replayInSlices } from '../session/replay.ts'
import { diffTraces } from '../trace/diff.ts'
import { exitChangesText } from '../trace/diff-text.ts'
import { openTrace, openTraceFile, type TraceReader } from '../trace/file.ts'
import { exitStatisticsOf } from '../trace/statistics.ts'
import { statisticsText } from '../trace/statistics-text.ts'
import { groupedNumber, textTable } from '../trace/table.ts'
import { paintDiff, paintTable } from './colour.ts'
import { EXIT, type ExitCode, UserError } from './exit-codes.ts'
import { PACKAGE_ROOT } from './files.ts'
import { GuestWatch } from './guest-watch.ts'
import { OWN_DIRECTORY } from './own-directory.ts'
import { divergenceText } from './replay.ts'
import { runSlices } from './slices.ts'
import { loadProgram } from './source.ts'
import type { Terminal } from './terminal.ts'
import { prepareTracePlace } from './trace-argument.ts'
import { verdictOf } from './verdict.ts'

const GUEST = join('examples', 'deadline-busy.asm')

interface DemoRun {
  readonly name: string
  readonly setting: string
  readonly recording: Recording
  readonly reader: TraceReader
  readonly console: string
}

export async function demoCommand(terminal: Terminal): Promise<ExitCode> {
  const { colours, io } = terminal
  const heading = (text: string): void => terminal.print(`\n${colours.strong(text)}`)
  const path = join(PACKAGE_ROOT, GUEST)
  const named = relative(io.cwd, path)
  const { image } = loadProgram(terminal, named.startsWith('..') ? path : named, {})
  terminal.print(colours.strong('One guest, run twice under KVM: APIC-timer virtualization off, then on.'))
  terminal.print(`${GUEST} arms IA32_TSC_DEADLINE again and again, and spins until each interrupt has come.\n`)
  const off = await demoRun(terminal, image, false)
  const on = await demoRun(terminal, image, true)
  for (const { setting, reader } of [off, on]) {
    heading(`VM exits with ${setting}`)
    terminal.print(paintTable(statisticsText(exitStatisticsOf(reader)), colours))
  }
  heading('Off (A) and on (B): the exits that are gone')
  terminal.print(paintDiff(exitChangesText(diffTraces(off.reader, on.reader, { by: 'exits' })), colours))
  heading('What the guest printed is the same, but for what it measured')
  terminal.print(paintTable(measuredText(off, on), colours))
  heading('Try next')
  terminal.print(NEXT_COMMANDS)
  for (const { reader } of [off, on]) reader.close()
  return EXIT.fine
}

/** The console lines in which the runs differ, `name: number` each, side by side. */
function measuredText(off: DemoRun, on: DemoRun): string {
  const lines = on.console.split('\n')
  const rows = off.console.split('\n').flatMap((line, at) => {
    const [, label, value] = /^(.*?):?\s+(\d+)$/.exec(line) ?? []
    const other = lines[at] ?? ''
    return line === other ? [] : [[label ?? line, value ?? '', /\d+$/.exec(other)?.[0] ?? other]]
  })
  return textTable([['', off.setting, on.setting], ...rows], 1)
}

/** Records the guest with the parameter off or on, and replays the recording. */
async function demoRun(terminal: Terminal, image: Image, enabled: boolean): Promise<DemoRun> {
  const name = join(OWN_DIRECTORY, `deadline-busy-${enabled ? 'on' : 'off'}.vtrace`)
  const setting = `apic_timer_virt=${enabled ? 1 : 0}`
  const path = prepareTracePlace(terminal.io, name)
  const printed: Uint8Array[] = []
  const watch = new GuestWatch(bytes => printed.push(bytes))
  const config = resolveRunConfig({ parameters: { apic_timer_virt: enabled } })
  const slices = recordInSlices(config, image, { sink: openTraceFile(path), observe: event => watch.see(event) })
  const { value: recording, interrupted } = await runSlices(terminal, slices, { doing: `running with ${setting}` })
  if (recording === null || interrupted) throw interruption()
  watch.finish()
  const { words } = verdictOf({ name: GUEST, image, recording, watch, guestStatus: false, trace: name })
  if (words !== '') throw new UserError(EXIT.no, words, 'the demo needs the guest as it came')
  const reader = openTrace(resolve(terminal.io.cwd, name))
  const { value: result } = await runSlices(terminal, replayInSlices(reader), { doing: `replaying ${name}` })
  if (result === null) throw interruption()
  if (result.kind === 'diverged')
    throw new UserError(EXIT.diverged, divergenceText({ name, reader }, result.divergence), 'this should not be')
  const events = groupedNumber(recording.events)
  terminal.print(`${setting}  ran, ${events} events recorded to ${name}, replayed: ${terminal.colours.good('the same')}`)
  return { name, setting, recording, reader, console: Buffer.concat(printed).toString('latin1') }
}

const interruption = (): UserError => new UserError(EXIT.interrupted, 'interrupted', 'start it again with `npm start`')

const NEXT_COMMANDS = textTable(
  [
    ['  npx vtick explore', 'walk through the second of them, event by event'],
    ['  npx vtick diff --by exits', 'where these two runs part, exit by exit'],
    [`  npx vtick run ${GUEST} -D TICKS=3`, 'the guest itself; edit it'],
    [`  npx vtick run ${join('examples', 'deadline-hlt.asm')} --record hlt.vtrace`, 'another one, asleep in HLT between its ticks'],
  ],
  2,
)
