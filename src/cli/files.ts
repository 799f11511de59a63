/**
 * Reading and writing the files that the user names. `-` is stdin or stdout. Trouble is one line with a next step, and nothing that
 * looks like somebody's source is ever written over.
 */

import { closeSync, existsSync, openSync, readFileSync, readSync, realpathSync, statSync, writeFileSync } from 'node:fs'
import { basename, dirname, isAbsolute, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type UserError, usageError } from './exit-codes.ts'
import type { Io } from './io.ts'

/** The directory of the package, from `src/cli` and from `dist/cli` alike. */
export const PACKAGE_ROOT = fileURLToPath(new URL('../../', import.meta.url))

const NEXT_STEP_READING: Readonly<Record<string, string>> = {
  ENOENT: 'check the name, or list what is there with `ls`',
  EISDIR: 'name a file in it',
  EACCES: 'check its permissions with `ls -l`',
}

const WHAT: Readonly<Record<string, string>> = {
  ENOENT: 'no such file',
  EISDIR: 'it is a directory',
  ENOTDIR: 'a part of the path is not a directory',
  EACCES: 'permission denied',
  EPERM: 'not permitted',
  ENOSPC: 'no space left on the device',
  EDQUOT: 'the disk quota is used up',
  EROFS: 'the file system is read-only',
  EFBIG: 'it grew too large',
  EIO: 'the device failed',
  EMFILE: 'too many files are open',
  ENAMETOOLONG: 'the name is too long',
  ELOOP: 'its symbolic links go round in a circle',
  ENXIO: 'there is no such device',
}

export const errnoOf = (error: unknown): string | undefined =>
  error instanceof Error && 'code' in error && 'syscall' in error && typeof error.code === 'string' ? error.code : undefined

export const cannotRead = (name: string, code: string): UserError =>
  usageError(`cannot read ${name}: ${WHAT[code] ?? code}`, NEXT_STEP_READING[code] ?? 'name a file that can be read')

export function cannotWrite(name: string, code: string): UserError {
  const what = code === 'ENOENT' ? 'there is no such directory' : (WHAT[code] ?? code)
  const next = code === 'ENOENT' ? `create it with \`mkdir -p ${dirname(name)}\`` : 'make room there, or name another place'
  return usageError(`cannot write ${name}: ${what}`, next)
}

export function readFileNamed(io: Io, name: string): Uint8Array {
  try {
    return name === '-' ? io.readStdin() : readFileSync(resolve(io.cwd, name))
  } catch (error) {
    throw cannotRead(name === '-' ? 'stdin' : name, errnoOf(error) ?? (error as Error).message)
  }
}

export function writeFileNamed(io: Io, name: string, bytes: Uint8Array | string): void {
  if (name === '-') return io.stdout.write(bytes)
  try {
    writeFileSync(resolve(io.cwd, name), bytes)
  } catch (error) {
    throw cannotWrite(name, errnoOf(error) ?? String(error))
  }
}

/** Refuses to write to `output` when that is one of the files that are read. */
export function refuseOverwriting(io: Io, output: string, inputs: readonly string[]): void {
  const path = resolve(io.cwd, output)
  if (output === '-' || !existsSync(path)) return
  const real = realpathSync(path)
  const same = inputs.find(input => input !== '-' && existsSync(resolve(io.cwd, input)) && realpathSync(resolve(io.cwd, input)) === real)
  if (same !== undefined) throw usageError(`${output} is what is read: writing there would destroy it`, 'name another file')
}

/** The first bytes of a file; fewer where it is shorter. */
export function firstBytes(path: string, count: number): Uint8Array {
  const file = openSync(path, 'r')
  try {
    const bytes = new Uint8Array(count)
    return bytes.subarray(0, readSync(file, bytes, 0, count, 0))
  } finally {
    closeSync(file)
  }
}

export function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false
}

/** A name for a file that says nothing about whose machine it is on. */
export function portableName(io: Io, name: string): string {
  if (!isAbsolute(name)) return name
  const inside = relative(io.cwd, name)
  return inside.startsWith('..') || isAbsolute(inside) ? basename(name) : inside
}
