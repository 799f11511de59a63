/** `vtick run`: a program, from its source or flat binary to the end of its run, recorded on request. */

import type { Image } from '../assembler/image.ts'
import { retired } from '../hw/run.ts'
import type { DefectName } from '../kvm/defects.ts'
import type { KvmParameters } from '../kvm/parameters.ts'
import type { RunConfig } from '../session/config.ts'
import { environmentOf } from '../session/guest-run.ts'
import { type Recording, recordInSlices } from '../session/record.ts'
import { STEP_EVENTS } from '../session/steps.ts'
import type { TimelineView } from '../session/timeline.ts'
import { formatEvent } from '../trace/format.ts'
import { groupedNumber } from '../trace/table.ts'
import { isElf } from '../vmm/loaders/elf.ts'
import { LoadError } from '../vmm/loaders/load-error.ts'
import type { BootOptions } from './boot-options.ts'
import { EXIT, type ExitCode, usageError } from './exit-codes.ts'
import { readFileNamed, refuseOverwriting } from './files.ts'
import { GuestWatch } from './guest-watch.ts'
import type { Printable } from './printable.ts'
import { runConfigOf } from './run-config.ts'
import { runSlices } from './slices.ts'
import { loadProgram } from './source.ts'
import { stateText } from './state-text.ts'
import type { CommonOptions, Terminal } from './terminal.ts'
import { prepareTracePlace } from './trace-argument.ts'
import { openSink } from './trace-sink.ts'
import type { CpuChoice } from './values.ts'
import { verdictOf } from './verdict.ts'

export interface RunCommandOptions extends CommonOptions, BootOptions {
  readonly define?: Readonly<Record<string, string>>
  readonly include?: readonly string[]
  readonly bare?: boolean
  readonly cpu?: CpuChoice
  readonly param?: Partial<KvmParameters>
  readonly defect?: readonly DefectName[]
  readonly memory?: number
  readonly smp?: number
  readonly level?: 'L1' | 'L2'
  readonly stdin?: string
  readonly record?: string
  readonly guestStatus?: boolean
  readonly print?: ReadonlySet<Printable>
  readonly maxInsns: number
}

export async function runCommand(terminal: Terminal, file: string, options: RunCommandOptions): Promise<ExitCode> {
  const { io } = terminal
  const { stdin, record: trace, maxInsns, guestStatus = false, print = new Set<Printable>() } = options
  if (file === '-' && stdin === '-') throw usageError('both the program and its console input are `-`', 'put one of them in a file')
  const { image, inputs } = loadProgram(terminal, file, options)
  const config = runConfigOf(terminal, file, image, options)
  checkImage(terminal, file, image, config)
  checkBoot(file, image, config)
  if (stdin === '-' && io.isStdinTerminal) terminal.say('type the console input of the guest; Ctrl-D ends it')
  const input = stdin === undefined ? new Uint8Array() : readFileNamed(io, stdin)
  if (trace !== undefined) refuseOverwriting(io, trace, inputs)
  const sink = trace === undefined ? undefined : openSink(prepareTracePlace(io, trace), trace)
  let index = 0
  const watch = new GuestWatch(bytes => io.stdout.write(bytes))
  const slices = recordInSlices(config, image, {
    maxInstructions: maxInsns,
    input,
    observe: event => {
      watch.see(event)
      if (print.has('exits') && STEP_EVENTS.exit.has(event.kind)) io.stderr.write(`${formatEvent(event, index)}\n`)
      index++
    },
    ...(sink === undefined ? {} : { sink }),
  })
  const { value: recording, interrupted } = await runSlices(terminal, slices, {
    doing: `running ${file}`,
    quiet: () => watch.atLineStart,
    beforeSlice: () => watch.flush(),
  })
  watch.finish()
  if (!watch.atLineStart && io.stdout.isTerminal) io.stdout.write('\n')
  if (recording !== null && print.has('regs')) io.stderr.write(`${stateText(image, viewOf(recording)).join('\n')}\n`)
  if (recording !== null && trace !== undefined)
    terminal.say(`recorded ${groupedNumber(recording.events)} events to ${trace}; \`vtick stat ${trace}\` counts its exits`)
  if (recording === null || (interrupted && recording.end.reason === 'budget')) {
    const kept =
      trace === undefined ? 'record it with --record T.vtrace to look at it later' : `\`vtick info ${trace}\` tells how far it came`
    terminal.complain(`${file}: interrupted; ${kept}`)
    return EXIT.interrupted
  }
  const verdict = verdictOf({ name: file, image, recording, watch, guestStatus, ...(trace === undefined ? {} : { trace }) })
  if (verdict.words !== '') terminal.complain(verdict.words)
  return verdict.code
}

/** The machine as the run left it. */
const viewOf = ({ guest: { machine }, events }: Recording): TimelineView => ({
  machine,
  cpu: machine.turn.cpu,
  tick: machine.tick,
  instructions: retired(machine),
  eventIndex: events,
})

/** Where the boot environment has its tables (`vmm/boot.ts`). */
const BOOT_TABLES = { start: 0x1000, end: 0x6000 }

const hex = (value: number): string => `0x${value.toString(16)}`

/** Whether the program can be booted so is found out before anything is written. */
function checkBoot(file: string, image: Image, config: RunConfig): void {
  try {
    environmentOf(config, image)
  } catch (error) {
    if (error instanceof LoadError) throw usageError(`${file}: ${error.message}`, error.next)
    throw error
  }
}

/** What would fail in the guest in ways that are hard to read is said before. */
function checkImage(
  terminal: Terminal,
  file: string,
  { origin, bytes, bits, bitsStated }: Image,
  { guestMemoryMiB, boot }: RunConfig,
): void {
  if (boot.kind !== 'long' || isElf(bytes)) return
  const end = origin + bytes.length
  if (end > guestMemoryMiB * 2 ** 20) {
    const needed = Math.ceil(end / 2 ** 20)
    const next = needed <= 1024 ? `give it more with -m ${needed}` : 'place it lower with `org 0x100000`'
    throw usageError(`${file}: its ${bytes.length} bytes at ${hex(origin)} do not fit into ${guestMemoryMiB} MiB`, next)
  }
  const begin = 'begin it with `%include "guest.inc"`'
  if (bits !== 64)
    terminal.say(
      `warning: ${file}: the code is ${bits}-bit${bitsStated ? '' : " (no BITS says otherwise, and that is NASM's default)"}, but guests start in 64-bit mode; ${begin}`,
    )
  if (origin < BOOT_TABLES.end && end > BOOT_TABLES.start)
    terminal.say(
      `warning: ${file}: it is loaded over the boot GDT and page tables at ${hex(BOOT_TABLES.start)}; place it with \`org 0x100000\``,
    )
}
