/** Finding a command by what one remembers of it. */

import { BINDINGS, type Binding, isOnScreen } from './keymap.ts'
import { type Model, screenOf } from './model.ts'

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
function distanceTo(binding: Binding, typed: string): number {
  if (binding.keys.includes(typed)) return -1
  const name = fuzzyDistance(typed, binding.command)
  const help = binding.help.toLowerCase().indexOf(typed.toLowerCase())
  return Math.min(name, help < 0 ? Number.POSITIVE_INFINITY : 100 + help)
}

/** The commands of the present screen that fit what is typed, best first. */
export function paletteRows(model: Model): readonly Binding[] {
  const typed = model.prompt?.text ?? ''
  const valid = BINDINGS.filter(binding => binding.command !== 'palette' && isOnScreen(binding, screenOf(model)))
  if (typed === '') return valid
  return valid
    .map(binding => ({ binding, distance: distanceTo(binding, typed) }))
    .filter(({ distance }) => distance < Number.POSITIVE_INFINITY)
    .toSorted((a, b) => a.distance - b.distance)
    .map(({ binding }) => binding)
}
