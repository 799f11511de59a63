/** The tools that judge ELF files from outside. Tests that need one are skipped, with a notice, where it is not installed. */

import { spawnSync } from 'node:child_process'

export const hasTool = (name: string): boolean => {
  const found = spawnSync(name, ['--version']).status === 0
  if (!found) console.warn(`${name} is not installed: the tests that need it are skipped`)
  return found
}

/** What a tool printed; its complaints as an error. */
export function run(name: string, args: readonly string[], cwd: string): string {
  const { status, stdout, stderr } = spawnSync(name, args, { cwd, encoding: 'utf8' })
  if (status !== 0) throw new Error(`${name} ${args.join(' ')}: ${stderr}`)
  return stdout
}
