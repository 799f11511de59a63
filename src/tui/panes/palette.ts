/** The palette over the panes: the commands that what was typed may mean, with their keys and what they do. */

import { overlayRows } from '../layout.ts'
import { fit, type Line, span } from '../lines.ts'
import type { Model } from '../model.ts'
import { paletteRows } from '../palette.ts'

const KEYS_COLUMN = 12
const NAME_COLUMN = 21

export function paletteLines(model: Model): readonly Line[] {
  const { columns } = model.size
  const rows = overlayRows(model.size)
  const { at } = model.prompt!
  const found = paletteRows(model)
  const top = Math.min(Math.max(0, at - rows + 1), Math.max(0, found.length - rows))
  const title = `──[all keys]─ ${found.length} commands; type to find one, Enter runs it `
  const lines = found.slice(top, top + rows).map(({ label, name, help }, row): Line => {
    const isCurrent = top + row === at
    const keys = `${isCurrent ? '>' : ' '}${label}`.padEnd(KEYS_COLUMN)
    if (isCurrent) return fit([span(`${keys} ${name.padEnd(NAME_COLUMN)} ${help}`, 'current')], columns)
    return fit([span(keys, 'key'), span(` ${name.padEnd(NAME_COLUMN)} `, 'dim'), span(help)], columns)
  })
  return [fit([span(title.padEnd(columns, '─'), 'focus')], columns), ...lines]
}
