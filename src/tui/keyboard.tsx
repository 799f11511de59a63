/** From what Ink decodes to the names of keys that the keymap uses. */

import { type Key, useInput } from 'ink'

const SPECIAL: readonly (readonly [keyof Key, string])[] = [
  ['upArrow', 'up'],
  ['downArrow', 'down'],
  ['leftArrow', 'left'],
  ['rightArrow', 'right'],
  ['pageUp', 'pageup'],
  ['pageDown', 'pagedown'],
  ['home', 'home'],
  ['end', 'end'],
  ['escape', 'escape'],
  ['return', 'return'],
  // Ink takes DEL, which the key above Enter sends, for Delete.
  ['backspace', 'backspace'],
  ['delete', 'backspace'],
]

/** Mouse reports, of which Ink takes the escape off the first; and what stands between them. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: an escape begins a report
const REPORT = /\x1b?\[<(\d+);(\d+);(\d+)([Mm])/g

/** Fast typing arrives as one string of several characters. */
export function keyNames(input: string, key: Key): readonly string[] {
  if (/\[<\d+;\d+;\d+[Mm]/.test(input))
    return [...input.matchAll(REPORT)].map(([, button, column, row, end]) => `mouse:${button}:${column}:${row}:${end}`)
  if (key.tab) return [key.shift ? 'shift-tab' : 'tab']
  const special = SPECIAL.find(([flag]) => key[flag])
  if (special !== undefined) return [special[1]]
  if (key.ctrl) return input === '' ? [] : [`ctrl-${input}`]
  if (key.meta) return []
  return [...input].map(characterName)
}

const NAMED: Readonly<Record<string, string>> = { '\t': 'tab', '\r': 'return', ' ': 'space', '\x7f': 'backspace', '\x1b': 'escape' }

/** In the middle of fast typing, Ink leaves control characters as they are: 1 is Ctrl-A. */
function characterName(character: string): string {
  const code = character.charCodeAt(0)
  return NAMED[character] ?? (code >= 1 && code <= 26 ? `ctrl-${String.fromCharCode(code + 0x60)}` : character)
}

export function Keyboard({ onKeys }: { readonly onKeys: (keys: readonly string[]) => void }) {
  useInput((input, key) => onKeys(keyNames(input, key)))
  return null
}
