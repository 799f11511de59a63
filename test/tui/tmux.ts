/** A real terminal for a process: a pane of a tmux server of our own, looked at from outside. */

import { execFile, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { environment } from '../testing/installed.ts'

export const hasTmux = spawnSync('tmux', ['-V']).status === 0
if (!hasTmux) console.warn('tmux is not installed: the explorer is not tried on a real terminal (Debian package `tmux`)')

const call = promisify(execFile)

export interface Pane {
  /** Keys by tmux's names, text as it is. */
  keys(...keys: readonly string[]): Promise<void>
  resize(columns: number, rows: number): Promise<void>
  /** The rows of the screen, when it looks like this; an error with the screen when it never does. */
  until(pattern: RegExp): Promise<string>
  /** What the terminal was told and not yet told back: alternate screen, hidden cursor, mouse, no wrapping at the edge. */
  leftovers(): Promise<readonly string[]>
  /** The line discipline, as `stty -a` prints it. */
  modes(): Promise<string>
  /** The terminal goes away under whatever runs there. */
  close(): Promise<void>
}

export interface Tmux {
  open(command: string): Promise<Pane>
  stop(): Promise<void>
}

const PATIENCE = 20_000

/** What tmux has taken from the output, and how it is when nobody has changed it. */
const FLAGS = [
  ['alternate_on', '0', 'alternate screen'],
  ['cursor_flag', '1', 'cursor hidden'],
  ['mouse_any_flag', '0', 'mouse reported'],
  ['mouse_sgr_flag', '0', 'mouse in SGR'],
  ['wrap_flag', '1', 'no wrapping'],
] as const

export function startTmux(cwd: string): Tmux {
  const folder = mkdtempSync(join(tmpdir(), 'vtick-tmux-'))
  let panes = 0
  const tmux = async (...args: readonly string[]): Promise<string> => {
    const { stdout } = await call('tmux', ['-S', join(folder, 'socket'), '-f', '/dev/null', ...args], {
      cwd,
      env: { ...environment(), TERM: 'xterm-256color', PS1: '$ ', LC_ALL: 'C.UTF-8' },
    })
    return stdout
  }
  const open = async (command: string): Promise<Pane> => {
    const name = `pane${++panes}`
    await tmux('new-session', '-d', '-s', name, '-x', '80', '-y', '24', command)
    const until = async (pattern: RegExp): Promise<string> => {
      const end = Date.now() + PATIENCE
      for (;;) {
        const screen = await tmux('capture-pane', '-p', '-t', name)
        if (pattern.test(screen)) return screen
        if (Date.now() > end) throw new Error(`never ${pattern}:\n${screen}`)
        await new Promise(resolve => setTimeout(resolve, 25))
      }
    }
    return {
      until,
      keys: async (...keys) => void (await tmux('send-keys', '-t', name, ...keys)),
      resize: async (columns, rows) => void (await tmux('resize-window', '-t', name, '-x', String(columns), '-y', String(rows))),
      leftovers: async () => {
        const values = (await tmux('display', '-p', '-t', name, FLAGS.map(([flag]) => `#{${flag}}`).join(' '))).trim().split(' ')
        return FLAGS.flatMap(([, normal, words], at) => (values[at] === normal ? [] : [words]))
      },
      modes: async () => {
        const tty = (await tmux('display', '-p', '-t', name, '#{pane_tty}')).trim()
        return (await call('stty', ['-a', '-F', tty])).stdout
      },
      close: async () => void (await tmux('kill-session', '-t', name)),
    }
  }
  return {
    open,
    stop: async () => {
      await tmux('kill-server').catch(() => {}) // it ends with its last pane
      rmSync(folder, { recursive: true })
    },
  }
}
