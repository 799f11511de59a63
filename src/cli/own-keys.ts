/** The file of the user's own keys, where there is one. */

import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseKeyFile } from '../tui/key-file.ts'
import { bindOwnKeys } from '../tui/keymap.ts'
import { usageError } from './exit-codes.ts'
import { cannotRead, errnoOf } from './files.ts'
import type { Io } from './io.ts'

/** XDG Base Directory Specification: an empty variable is as good as none. Undefined: nobody has a home here. */
function keyFileOf({ cwd, env }: Io): string | undefined {
  const folder = env.XDG_CONFIG_HOME || (env.HOME ? join(env.HOME, '.config') : undefined)
  return folder === undefined ? undefined : resolve(cwd, folder, 'vtick/keys.toml')
}

/** Binds the keys that it says; what is wrong with it is a usage error. */
export function loadOwnKeys(io: Io): void {
  const file = keyFileOf(io)
  if (file === undefined) return bindOwnKeys(new Map())
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    const code = errnoOf(error)
    if (code === 'ENOENT' || code === 'ENOTDIR') return bindOwnKeys(new Map())
    if (code === undefined) throw error
    throw cannotRead(file, code)
  }
  const keys = parseKeyFile(text)
  if ('problem' in keys) throw usageError(`${file}:${keys.line}: ${keys.problem}`, 'mend the line, or put a # in front of it')
  bindOwnKeys(keys)
}
