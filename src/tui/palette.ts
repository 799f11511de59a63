/** Finding a command by what one remembers of it: what has a key, then what takes words on the command line. */

import { WORD_COMMANDS } from './command-line.ts'
import { BINDINGS, type Command, isOnScreen, keyLabels } from './keymap.ts'
import { type Model, screenOf } from './model.ts'

export interface PaletteRow {
  /** As they are printed on the keyboard; `:` for what is typed. */
  readonly keys: readonly string[]
  readonly label: string
  readonly name: string
  readonly help: string
  /** What Enter runs; without it the name goes to the command line, for its words. */
  readonly command?: Command
}

/** The letters in order, anything between them; better the closer together and the earlier they stand. Infinite: not in it. */
export function fuzzyDistance(typed: string, text: string): number {
  let at = -1
  let distance = 0
  for (const letter of typed.toLowerCase()) {
    if (letter === ' ') continue
    const found = text.toLowerCase().indexOf(letter, at + 1)
    if (found < 0) return Number.POSITIVE_INFINITY
    distance += found - at - 1
    at = found
  }
  return distance
}

/** A name counts before the help, and a key by itself is what it says. */
function distanceTo(row: PaletteRow, typed: string): number {
  if (row.keys.includes(typed)) return -1
  const name = fuzzyDistance(typed, row.name)
  const help = row.help.toLowerCase().indexOf(typed.toLowerCase())
  return Math.min(name, help < 0 ? Number.POSITIVE_INFINITY : 100 + help)
}

/** Everything that can be asked for on the present screen. */
function validRows(model: Model): readonly PaletteRow[] {
  const screen = screenOf(model)
  const bound = BINDINGS.filter(binding => binding.command !== 'palette' && isOnScreen(binding, screen)).map(
    (binding): PaletteRow => ({ ...binding, label: keyLabels(binding), name: binding.command }),
  )
  if (screen !== 'main') return bound
  const typed = Object.entries(WORD_COMMANDS).map(([name, { help }]): PaletteRow => ({ keys: [], label: ':', name, help }))
  const others = (model.cli?.commands ?? []).filter(({ name }) => WORD_COMMANDS[name] === undefined)
  return [
    ...bound,
    ...typed,
    ...others.map(({ name, help }): PaletteRow => ({ keys: [], label: ':', name, help: `vtick ${name}: ${help}` })),
  ]
}

/** The commands of the present screen that fit what is typed, best first. */
export function paletteRows(model: Model): readonly PaletteRow[] {
  const typed = model.prompt?.text ?? ''
  const valid = validRows(model)
  if (typed === '') return valid
  return valid
    .map(row => ({ row, distance: distanceTo(row, typed) }))
    .filter(({ distance }) => distance < Number.POSITIVE_INFINITY)
    .toSorted((a, b) => a.distance - b.distance)
    .map(({ row }) => row)
}
