/** What `--print` and `--to` show of a run: the state at a moment in lines, and its VM exits. */

import { type Image, lineAt } from '../assembler/image.ts'
import { hex } from '../base/u64.ts'
import { STEP_EVENTS } from '../session/steps.ts'
import { openTimeline, type TimelineView } from '../session/timeline.ts'
import { guestRegisters, guestTimer, levelOf } from '../session/timeline-guest.ts'
import { symbolsOf } from '../session/timeline-symbols.ts'
import { GPR_NAMES } from '../spec/registers.ts'
import type { TraceReader } from '../trace/file.ts'
import { formatEvent } from '../trace/format.ts'
import type { Printable } from './printable.ts'
import type { Terminal } from './terminal.ts'

/** The VM exits before event `end`, as `vtick query` prints them. */
export function* exitLines(reader: TraceReader, end: number): Generator<string, void, undefined> {
  for (let index = 0; index < end; index++) {
    const event = reader.event(index)
    if (STEP_EVENTS.exit.has(event.kind)) yield formatEvent(event, index)
  }
}

const wide = (value: bigint): string => value.toString(16).padStart(16, '0')

/** The source line of an address. */
function sourceOf(image: Image, address: bigint): string {
  const line = address < 1n << 48n ? lineAt(image, Number(address)) : undefined
  const source = line && image.sources[line.source]
  return source === undefined ? '' : `  ${source.file}:${line!.line}`
}

/** The registers of the CPU whose turn it is, and the timer. */
export function stateText(image: Image, view: TimelineView): readonly string[] {
  const { gpr, rip, rflags, cr0, cr2, cr3, cr4, efer, cs, cpl } = guestRegisters(view)
  const { tsc, deadline, carrier } = guestTimer(view)
  const symbol = symbolsOf(image).nameOf(rip)
  const at = [
    `i:${view.instructions}`,
    `next #${view.eventIndex}`,
    `cpu${view.cpu}`,
    `L${levelOf(view.machine, view.cpu)}`,
    `tsc ${hex(tsc)}`,
  ]
  const names = GPR_NAMES[64]
  const rows = [0, 4, 8, 12].map(first =>
    gpr
      .slice(first, first + 4)
      .map((value, i) => `${names[first + i]!.padEnd(3)} ${wide(value)}`)
      .join('  '),
  )
  return [
    at.join('  '),
    `rip ${wide(rip)}${symbol === undefined ? '' : `  ${symbol}`}${sourceOf(image, rip)}`,
    ...rows,
    `rflags ${hex(rflags)}  cs ${hex(cs)}  cpl ${cpl}  cr0 ${hex(cr0)}  cr2 ${hex(cr2)}  cr3 ${hex(cr3)}  cr4 ${hex(cr4)}  efer ${hex(efer)}`,
    `deadline ${hex(deadline)}  carried by ${carrier}`,
  ]
}

/** What `--print` names of a whole run. */
export function printRun(terminal: Terminal, reader: TraceReader, print: ReadonlySet<Printable>): void {
  if (print.has('exits')) for (const line of exitLines(reader, reader.count)) terminal.print(line)
  if (print.has('regs') && reader.count > 0)
    terminal.print(stateText(reader.header.image, openTimeline(reader).atEvent(reader.count - 1)).join('\n'))
}
