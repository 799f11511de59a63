/** `vtick keys`: the explorer's keys, as it has them. */

import { textTable } from '../trace/table.ts'
import { BINDINGS, keyLabels } from '../tui/keymap.ts'
import { EXIT, type ExitCode } from './exit-codes.ts'
import { loadOwnKeys } from './own-keys.ts'
import type { Terminal } from './terminal.ts'

export function keysCommand(terminal: Terminal, { json = false }: { readonly json?: boolean }): ExitCode {
  loadOwnKeys(terminal.io)
  terminal.print(json ? JSON.stringify({ version: 1, keys: keysJson() }, null, 2) : keysText())
  return EXIT.fine
}

const keysJson = (): readonly object[] =>
  BINDINGS.map(({ command, keys, help, footer, twin, screens = ['main'], panes }) => ({
    command,
    keys,
    help,
    footer,
    ...(twin === undefined ? {} : { twin }),
    screens,
    ...(panes === undefined ? {} : { panes }),
  }))

/** A table, and the one rule that makes it short. */
const keysText = (): string =>
  `${textTable(
    BINDINGS.map(binding => [keyLabels(binding), binding.command, binding.help]),
    3,
  )}\n\nSHIFT reverses time: a small letter moves forward, its capital back.`
