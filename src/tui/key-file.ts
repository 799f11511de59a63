/**
 * Keys of one's own: a TOML file of strings and arrays of strings, a line for each command.
 *
 *     # as `vtick keys --json` names commands and keys
 *     next-exit = "x"
 *     row-down = ["j", "down", "ctrl-n"]
 *
 * A key that is given to a command is taken from the one that had it.
 */

import { nearest } from '../base/suggest.ts'
import { BINDINGS, type Command, isKeyName } from './keymap.ts'

export type OwnKeys = ReadonlyMap<Command, readonly string[]>

export interface KeyFileProblem {
  readonly line: number
  readonly problem: string
}

const ENTRY = /^\s*([\w-]+|"[\w-]+")\s*=\s*(.*?)\s*$/
const STRING = /^(?:"((?:[^"\\]|\\["\\])*)"|'([^']*)')/

/** Strings with commas between; undefined where it is anything else. */
function stringsIn(text: string): readonly string[] | undefined {
  const found: string[] = []
  let rest = text.trim()
  while (rest !== '') {
    const string = STRING.exec(rest)
    if (string === null) return undefined
    found.push(string[1]?.replace(/\\(.)/g, '$1') ?? string[2]!)
    rest = rest.slice(string[0].length).trim()
    if (rest === '') break
    if (!rest.startsWith(',')) return undefined
    rest = rest.slice(1).trim()
  }
  return found
}

/** Without a comment, which begins outside of strings. */
const withoutComment = (line: string): string => /^(?:[^#"']|"(?:[^"\\]|\\.)*"|'[^']*')*/.exec(line)![0]

function keysOf(value: string): readonly string[] | undefined {
  const list = /^\[(.*)\]$/.exec(value)
  const keys = stringsIn(list?.[1] ?? value)
  return keys === undefined || (list === null && keys.length !== 1) ? undefined : keys
}

/** Why a key cannot be bound; undefined: it can. */
function troubleWith(key: string): string | undefined {
  if (key === 'ctrl-c' || key === 'ctrl-z') return `${key} leaves and suspends, whatever happens`
  return isKeyName(key) ? undefined : `\`${key}\` is no key; a character, or a name as in \`vtick keys --json\``
}

function entryOf(line: string, taken: ReadonlySet<string>): readonly [Command, readonly string[]] | string {
  const [, quoted = '', value = ''] = ENTRY.exec(line) ?? []
  const name = quoted.replaceAll('"', '')
  if (name === '') return 'write COMMAND = "KEY", or COMMAND = ["KEY", "KEY"]'
  const command = BINDINGS.find(binding => binding.command === name)?.command
  if (command === undefined) {
    const near = nearest(
      name,
      BINDINGS.map(binding => binding.command),
    )
    return `there is no command \`${name}\`; ${near === undefined ? '`vtick keys` lists them' : `did you mean \`${near}\`?`}`
  }
  const keys = keysOf(value)
  if (keys === undefined) return `the keys of ${name} are to be a string, or strings in brackets`
  const trouble = keys.map(troubleWith).find(words => words !== undefined)
  const twice = keys.find(key => taken.has(key))
  return trouble ?? (twice === undefined ? [command, keys] : `\`${twice}\` is bound further up`)
}

export function parseKeyFile(text: string): OwnKeys | KeyFileProblem {
  const own = new Map<Command, readonly string[]>()
  const taken = new Set<string>()
  for (const [number, raw] of text.split(/\r?\n/).entries()) {
    const line = withoutComment(raw)
    if (line.trim() === '') continue
    const entry = entryOf(line, taken)
    if (typeof entry === 'string') return { line: number + 1, problem: entry }
    const [command, keys] = entry
    if (own.has(command)) return { line: number + 1, problem: `${command} stands further up` }
    own.set(command, keys)
    for (const key of keys) taken.add(key)
  }
  return own
}
