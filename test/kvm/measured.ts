/** What guests print, without what they measure by their TSC: the head of a guest promises such a line only as far as `...`. */

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const ROOT = join(import.meta.dirname, '..', '..')
const FOLDERS = ['examples', 'asm', 'test/testing']

export const sourceOf = (path: string): string => readFileSync(join(ROOT, path), 'utf8')

/** Guest programs of the repository. Those that use VMX are hypervisors themselves. */
export const guestPrograms = FOLDERS.flatMap(folder =>
  readdirSync(join(ROOT, folder))
    .filter(name => name.endsWith('.asm'))
    .map(name => `${folder}/${name}`)
    .filter(path => sourceOf(path).includes('%include "guest.inc"')),
)

export const usesVmx = (path: string): boolean => /%include "(vmx|nested-test|l1)\.inc"/.test(sourceOf(path))

const words = (line: string): string => line.trim().replace(/\s+/g, ' ')

const measured = (path: string): readonly string[] =>
  sourceOf(path)
    .split('\n')
    .filter(line => line.startsWith(';') && line.endsWith('...'))
    .map(line => words(line.slice(1, -'...'.length)))

/** The lines of what a guest printed. */
export function comparable(path: string, text: string): readonly string[] {
  const prefixes = measured(path)
  return text.split('\n').map(line => prefixes.find(prefix => words(line).startsWith(prefix)) ?? line)
}
