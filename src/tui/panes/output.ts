/** What a command printed; a line that begins with a position leads there. */

import { parsePosition, resolvePosition } from '../../query/position.ts'
import { cliRun } from '../cli.ts'
import { printable, span } from '../lines.ts'
import type { Model } from '../model.ts'
import type { OverlayRow, OverlayScreen } from '../overlay-screen.ts'

function rowOf(text: string, events: number): OverlayRow {
  const [, at] = /^\s*((?:#|i:)\d+)\b/.exec(text) ?? []
  const target = at === undefined ? null : (resolvePosition(parsePosition(at)!, events) ?? null)
  return { line: [span(`  ${printable(text)}`)], target }
}

export function outputScreen(model: Model): OverlayScreen {
  const run = cliRun(model)
  const { argv = [], output } = model.overlay!.request ?? {}
  const title = `vtick ${argv.join(' ')}${output === undefined ? '' : ` > ${output}`}`
  const { lines = [], status } = run ?? {}
  const end = status === undefined ? 'it runs, Esc stops it' : status === 0 ? 'done' : `exit code ${status}`
  return { title, rows: [{ line: [span(`  ${end}`, 'dim')], target: null }, ...lines.map(text => rowOf(text, model.trace.count))] }
}
