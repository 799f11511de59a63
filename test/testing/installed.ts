/** vtick as a person has it: a package of JavaScript, made of the present sources, in a folder of its own; with a folder to work in. */

import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { transformWithOxc } from 'vite'
import { bundle } from '../../scripts/bundle.ts'

const ROOT = join(import.meta.dirname, '../..')

export interface Finished {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

export interface Installed {
  /** The folder to work in. */
  readonly path: string
  /** For those that start it themselves. */
  readonly executable: string
  /** Runs the executable there. */
  readonly vtick: (...argv: readonly string[]) => Promise<Finished>
  readonly write: (name: string, text: string) => void
  readonly read: (name: string) => string
  readonly remove: () => void
}

/** The library as JavaScript, its imports with the names of the output. */
async function translate(target: string): Promise<void> {
  const sources = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' }).filter(
    path => /\.tsx?$/.test(path) && !/^(cli|tui)\b/.test(path),
  )
  await Promise.all(
    sources.map(async path => {
      const { code } = await transformWithOxc(readFileSync(join(ROOT, 'src', path), 'utf8'), path)
      const output = join(target, path.replace(/\.tsx?$/, '.js'))
      mkdirSync(dirname(output), { recursive: true })
      writeFileSync(output, code.replace(/((?:from|import)\s*\(?\s*["']\.[^"']+)\.tsx?(["'])/g, '$1.js$2'))
    }),
  )
}

export async function installed(files: Readonly<Record<string, string>>): Promise<Installed> {
  const place = mkdtempSync(join(tmpdir(), 'vtick-installed-'))
  const home = join(place, 'package')
  const path = join(place, 'work')
  await translate(join(home, 'dist'))
  await bundle(join(home, 'dist'))
  for (const name of ['asm', 'node_modules', 'package.json']) symlinkSync(join(ROOT, name), join(home, name))
  const write = (name: string, text: string): void => {
    mkdirSync(dirname(join(path, name)), { recursive: true })
    writeFileSync(join(path, name), text)
  }
  for (const [name, text] of Object.entries(files)) write(name, text)
  const executable = join(home, 'dist/cli/main.js')
  return {
    path,
    executable,
    write,
    read: name => readFileSync(join(path, name), 'utf8'),
    vtick: (...argv) => run(executable, argv, path),
    remove: () => rmSync(place, { recursive: true }),
  }
}

/** Without what the vitest around us sets for its own workers. */
export const environment = (): NodeJS.ProcessEnv => ({
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(VITEST|TEST$|NODE_ENV|FORCE_COLOR|CI$)/.test(name))),
  NO_COLOR: '1',
})

function run(executable: string, argv: readonly string[], cwd: string): Promise<Finished> {
  const child = spawn(process.execPath, [executable, ...argv], { cwd, env: environment(), stdio: ['ignore', 'pipe', 'pipe'] })
  const text = { out: '', err: '' }
  child.stdout.on('data', chunk => {
    text.out += chunk
  })
  child.stderr.on('data', chunk => {
    text.err += chunk
  })
  return new Promise((done, fail) => {
    child.on('error', fail)
    child.on('close', code => done({ code, ...text }))
  })
}
