/** From what Ink decodes to the names of keys that the keymap uses. */

import { type Key, useInput } from 'ink'

const SPECIAL: readonly (readonly [keyof Key, string])[] = [
  ['upArrow', 'up'],
  ['downArrow', 'down'],
  ['pageUp', 'pageup'],
  ['pageDown', 'pagedown'],
  ['home', 'home'],
  ['end', 'end'],
  ['escape', 'escape'],
  ['return', 'return'],
]

/** Fast typing arrives as one string of several characters. */
export function keyNames(input: string, key: Key): readonly string[] {
  if (key.tab) return [key.shift ? 'shift-tab' : 'tab']
  const special = SPECIAL.find(([flag]) => key[flag])
  if (special !== undefined) return [special[1]]
  if (key.ctrl) return input === '' ? [] : [`ctrl-${input}`]
  if (key.meta) return []
  return [...input].map(characterName)
}

/** In the middle of fast typing, Ink leaves control characters as they are: 1 is Ctrl-A. */
function characterName(character: string): string {
  const code = character.charCodeAt(0)
  if (character === '\t') return 'tab'
  return code >= 1 && code <= 26 ? `ctrl-${String.fromCharCode(code + 0x60)}` : character
}

export function Keyboard({ onKeys }: { readonly onKeys: (keys: readonly string[]) => void }) {
  useInput((input, key) => onKeys(keyNames(input, key)))
  return null
}
