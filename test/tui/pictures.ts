/** The pictures of the documentation: real screens, after the keys that the tour names. `npm run pictures` writes them. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openTrace } from '../../src/trace/file.ts'
import type { Overlay } from '../../src/tui/model.ts'
import { openTraceSource } from '../../src/tui/trace-source.ts'
import { recorded } from '../recorded.ts'
import { type Sitting, sitDown } from './streams.ts'
import { terminalSvg } from './terminal-svg.ts'

const SIZE = [124, 32] as const

/** The keys of the tour, in the order in which they are pressed; each picture shows the screen behind them. */
export const TOUR = [
  { file: 'tour-1-diff.svg', keys: 'n' },
  { file: 'tour-2-there.svg', keys: '\r' },
  { file: 'tour-3-armed.svg', keys: 'TT' },
  { file: 'tour-4-vmcs.svg', keys: '2' },
  { file: 'tour-5-why.svg', keys: 'w' },
] as const

export interface Picture {
  readonly file: string
  readonly svg: string
  readonly text: string
}

/** Sits down at `vtick diff off.vtrace on.vtrace --tui` and takes the tour. */
export async function takeTour(): Promise<readonly Picture[]> {
  const folder = mkdtempSync(join(tmpdir(), 'vtick-tour-'))
  const off = recorded('examples/deadline-busy.asm', { defines: { TICKS: '3' }, parameters: { apic_timer_virt: false } })
  const on = recorded('examples/deadline-busy.asm', { defines: { TICKS: '3' } })
  const path = join(folder, 'off.vtrace')
  writeFileSync(path, off.bytes)
  const trace = openTraceSource(openTrace(on.bytes), 'on.vtrace')
  trace.visits.advance(Number.POSITIVE_INFINITY)
  const overlay: Overlay = { screen: 'diff', at: 0, other: path, otherName: 'off.vtrace', swapped: true }
  const person = await sitDown(trace, { kind: 'event', index: 0 }, SIZE, { theme: 'dark', overlay })
  await person.screen()
  try {
    const pictures: Picture[] = []
    for (const { file, keys } of TOUR) pictures.push(await picture(person, file, keys))
    return pictures
  } finally {
    person.explorer.stop()
    rmSync(folder, { recursive: true })
  }
}

async function picture(person: Sitting, file: string, keys: string): Promise<Picture> {
  await person.type(keys)
  let text = (await person.screen()).join('\n')
  while (text.includes('looking back')) text = (await person.screen()).join('\n')
  return { file, svg: terminalSvg(person.terminal.screen), text }
}
