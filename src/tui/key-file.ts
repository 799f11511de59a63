/**
 * Keys of one's own: a TOML file with a string, or an array of strings, for each command.
 *
 *     # as `vtick keys --json` names commands and keys
 *     next-exit = "x"
 *     row-down = ["j", "down", "ctrl-n"]
 *
 * A key that is given to a command is taken from the one that had it.
 */

import { parse, TomlError } from 'smol-toml'
import { nearest } from '../base/suggest.ts'
import { BINDINGS, type Command, isKeyName } from './keymap.ts'

export type OwnKeys = ReadonlyMap<Command, readonly string[]>

export interface KeyFileProblem {
  readonly line: number
  readonly problem: string
}

/** Why a key cannot be bound; undefined: it can. */
function troubleWith(key: string): string | undefined {
  if (key === 'ctrl-c' || key === 'ctrl-z') return `${key} leaves and suspends, whatever happens`
  return isKeyName(key) ? undefined : `\`${key}\` is no key; a character, or a name as in \`vtick keys --json\``
}

function keysOf(value: unknown): readonly string[] | undefined {
  const keys = Array.isArray(value) ? value : [value]
  return keys.every(key => typeof key === 'string') ? keys : undefined
}

function entryOf(name: string, value: unknown, taken: ReadonlySet<string>): readonly [Command, readonly string[]] | string {
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
  const twice = keys.find((key, at) => taken.has(key) || keys.indexOf(key) < at)
  return trouble ?? (twice === undefined ? [command, keys] : `\`${twice}\` is bound further up`)
}

/** The line, from 1, that begins with a name of the file's top level; the parser keeps none. */
const lineOf = (text: string, name: string): number =>
  text.split('\n').findIndex(line => /^\s*\[*\s*["']?([\w-]*)/.exec(line)![1] === name) + 1

function entriesIn(text: string): ReadonlyMap<string, unknown> | KeyFileProblem {
  try {
    return new Map(Object.entries(parse(text)))
  } catch (error) {
    if (!(error instanceof TomlError)) throw error
    return { line: error.line, problem: `this is not TOML: ${error.message.split('\n')[0]!.replace(/^Invalid TOML document: /, '')}` }
  }
}

export function parseKeyFile(text: string): OwnKeys | KeyFileProblem {
  const entries = entriesIn(text)
  if ('problem' in entries) return entries
  const own = new Map<Command, readonly string[]>()
  const taken = new Set<string>()
  for (const [name, value] of entries) {
    const entry = entryOf(name, value, taken)
    if (typeof entry === 'string') return { line: lineOf(text, name), problem: entry }
    const [command, keys] = entry
    own.set(command, keys)
    for (const key of keys) taken.add(key)
  }
  return own
}
