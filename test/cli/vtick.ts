/** The command line in process: a directory of its own, streams that are kept, no real terminal. */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { main } from '../../src/cli/program.ts'

export const ROOT = join(import.meta.dirname, '../..')

export interface Outcome {
  readonly code: number
  readonly out: string
  readonly err: string
  /** stdout as bytes. */
  readonly bytes: Uint8Array
}

export interface Surroundings {
  readonly stdin?: string | Uint8Array
  readonly env?: Readonly<Record<string, string>>
  /** stdout and stderr are terminals. */
  readonly terminal?: boolean
  /** Ctrl-C is pressed before the so-manyth look for it. */
  readonly interruptAt?: number
}

export class Directory {
  readonly path = mkdtempSync(join(tmpdir(), 'vtick-'))

  constructor(files: Readonly<Record<string, string | Uint8Array>> = {}) {
    for (const [name, content] of Object.entries(files)) this.write(name, content)
  }

  write(name: string, content: string | Uint8Array): void {
    const path = join(this.path, name)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, content)
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true })
  }

  /** Runs `vtick` with these arguments here; a text is split at spaces. */
  async vtick(
    argv: string | readonly string[],
    { stdin = '', env = {}, terminal = false, interruptAt }: Surroundings = {},
  ): Promise<Outcome> {
    const out: Buffer[] = []
    const err: Buffer[] = []
    let breaths = 0
    const output = (parts: Buffer[]) => ({ isTerminal: terminal, write: (data: string | Uint8Array) => void parts.push(Buffer.from(data)) })
    const code = await main(typeof argv === 'string' ? argv.split(' ').filter(word => word !== '') : argv, {
      cwd: this.path,
      env,
      stdout: output(out),
      stderr: output(err),
      readStdin: () => Buffer.from(stdin),
      isStdinTerminal: false,
      breathe: async () => ++breaths >= (interruptAt ?? Number.POSITIVE_INFINITY),
    })
    const bytes = Buffer.concat(out)
    return { code, out: bytes.toString(), err: Buffer.concat(err).toString(), bytes }
  }
}

/** A guest of these lines, with everything around them. */
export const guestSource = (...lines: readonly string[]): string =>
  ['%include "guest.inc"', ...lines.map(line => `        ${line}`), '%include "lib.inc"', ''].join('\n')
