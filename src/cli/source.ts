/**
 * From a file that the user names to an image: assembly source, or a flat binary that another assembler made. Includes are looked
 * for beside the including file, then in the -I directories, then in our own `asm/include`.
 */

import { existsSync } from 'node:fs'
import { dirname, extname, isAbsolute, join, resolve } from 'node:path'
import { type AssembleResult, assemble } from '../assembler/assemble.ts'
import type { Image, ImageSource } from '../assembler/image.ts'
import { renderDiagnostics } from '../assembler/render-diagnostics.ts'
import type { OutputFormat } from '../assembler/state.ts'
import { binaryImage } from './boot-options.ts'
import { paintDiagnostics } from './colour.ts'
import { EXIT, UserError, usageError } from './exit-codes.ts'
import { isDirectory, PACKAGE_ROOT, portableName, readFileNamed } from './files.ts'
import type { Io } from './io.ts'
import type { Terminal } from './terminal.ts'

export interface SourceOptions {
  readonly format?: OutputFormat
  readonly debug?: boolean
  readonly define?: Readonly<Record<string, string>>
  readonly include?: readonly string[]
}

const OWN_INCLUDES = join(PACKAGE_ROOT, 'asm', 'include')
/** Where a flat binary is loaded: the origin of `guest.inc`. */
export const FLAT_ORIGIN = 0x10_0000
const SOURCE_EXTENSIONS: ReadonlySet<string> = new Set(['.asm', '.s', '.nasm', '.inc'])
const BINARY_EXTENSIONS: ReadonlySet<string> = new Set(['.bin', '.img', '.com'])

const startsWith = (bytes: Uint8Array, magic: readonly number[]): boolean => magic.every((byte, at) => bytes[at] === byte)
const ELF = [0x7f, 0x45, 0x4c, 0x46]
const TRACE = [0x89, 0x56, 0x54, 0x52, 0x41, 0x43, 0x45, 0x0a]

/** The bytes as text, or undefined where they are none. */
function textOf(bytes: Uint8Array): string | undefined {
  if (bytes.includes(0)) return undefined
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    return undefined
  }
}

export const isSourceName = (name: string): boolean => SOURCE_EXTENSIONS.has(extname(name).toLowerCase())

/** What a file is by its first bytes, and if they do not say by its name and whether it is text. */
export function fileKind(name: string, bytes: Uint8Array): 'trace' | 'elf' | 'flat' | 'source' | 'misnamed' {
  if (startsWith(bytes, TRACE)) return 'trace'
  if (startsWith(bytes, ELF)) return 'elf'
  const extension = extname(name).toLowerCase()
  if (BINARY_EXTENSIONS.has(extension)) return 'flat'
  if (textOf(bytes) !== undefined) return 'source'
  return isSourceName(name) ? 'misnamed' : 'flat'
}

/** Source text, or null where the file is a flat binary. */
function classify(name: string, bytes: Uint8Array): string | null {
  switch (fileKind(name, bytes)) {
    case 'trace':
      throw usageError(`${name} is a trace, not a program`, `\`vtick replay ${name}\` runs it again`)
    case 'misnamed':
      throw usageError(`${name} is named as a source but is not UTF-8 text`, 'save it as UTF-8, or rename a flat binary to .bin')
    case 'source':
      return textOf(bytes)!
    case 'elf':
    case 'flat':
      return null
  }
}

/** Finds and reads included files; remembers where each stands, for the includes inside it. */
function includeReader(
  io: Io,
  file: string,
  { include = [] }: SourceOptions,
): (name: string, from: string) => [string, Uint8Array] | undefined {
  const places = new Map<string, string>([[file, resolve(io.cwd, file)]])
  return (name, from) => {
    const beside = dirname(places.get(from) ?? resolve(io.cwd, from))
    const candidates = [
      [isAbsolute(name) ? name : join(dirname(from), name), resolve(beside, name)],
      ...include.map(directory => [join(directory, name), resolve(io.cwd, directory, name)]),
      [name, join(OWN_INCLUDES, name)],
    ] as const
    const found = candidates.find(([, path]) => existsSync(path) && !isDirectory(path))
    if (found === undefined) return undefined
    const [shown, path] = found
    places.set(shown, path)
    return [shown, readFileNamed(io, path)]
  }
}

/** Assembles a file and prints what there is to say about it; throws when it has errors. */
export function assembleFile(terminal: Terminal, name: string, options: SourceOptions): AssembleResult & { readonly image: Image } {
  return assembleText(terminal, name, sourceText(terminal, name), options)
}

function assembleText(terminal: Terminal, name: string, text: string, options: SourceOptions): AssembleResult & { readonly image: Image } {
  const { io, wordColours } = terminal
  const result = assembleQuietly(terminal, name, text, options)
  if (result.diagnostics.length > 0) io.stderr.write(paintDiagnostics(renderDiagnostics(result.diagnostics, result.sources), wordColours))
  const { image } = result
  if (image === undefined) throw doesNotAssemble(name)
  return { ...result, image }
}

export const doesNotAssemble = (name: string): UserError =>
  new UserError(EXIT.assembly, `${name} does not assemble`, 'correct the lines above, from the first on')

/** The text of a source file. */
export function sourceText(terminal: Terminal, name: string): string {
  const text = textOf(readFileNamed(terminal.io, name))
  if (text === undefined) throw usageError(`${name} is not UTF-8 text`, 'name an assembly source')
  return text
}

/** Assembles and says nothing: what there is to say is in the result, with the names of all files that were read. */
export function assembleQuietly(
  terminal: Terminal,
  name: string,
  text: string,
  options: SourceOptions,
): AssembleResult & { readonly inputs: readonly string[] } {
  const { io } = terminal
  for (const directory of options.include ?? [])
    if (!isDirectory(resolve(io.cwd, directory))) throw usageError(`-I ${directory}: no such directory`, 'check the name')
  const file = name === '-' ? 'stdin' : name
  const read = includeReader(io, file, options)
  const inputs = new Set<string>([name])
  const find = (wanted: string, from: string): [string, Uint8Array] | undefined => {
    const found = read(wanted, from)
    if (found) inputs.add(found[0])
    return found
  }
  const result = assemble(text, {
    file,
    format: options.format ?? 'bin',
    debug: options.debug ?? false,
    defines: options.define ?? {},
    include: (wanted, from) => {
      const found = find(wanted, from)
      return found && { file: found[0], text: new TextDecoder().decode(found[1]) }
    },
    readBinary: (wanted, from) => find(wanted, from)?.[1],
  })
  return { ...result, inputs: [...inputs] }
}

/** Names of sources as a trace may hold them. */
const portable = (io: Io, image: Image): Image => ({
  ...image,
  sources: image.sources.map(({ file, text }): ImageSource => ({ file: portableName(io, file), text })),
})

/** The program that `name` holds, and the files it was made from. */
export function loadProgram(
  terminal: Terminal,
  name: string,
  options: SourceOptions,
): { readonly image: Image; readonly inputs: readonly string[] } {
  const bytes = readFileNamed(terminal.io, name)
  const text = classify(name, bytes)
  if (text === null) {
    if (bytes.length === 0) throw usageError(`${name} is empty`, 'name a program')
    if (Object.keys(options.define ?? {}).length > 0)
      throw usageError(`-D defines a name for a source, and ${name} is a binary`, 'leave it out')
    return { image: binaryImage(bytes, FLAT_ORIGIN), inputs: [name] }
  }
  const { image, sources } = assembleText(terminal, name, text, options)
  if (image.bytes.length === 0) throw new UserError(EXIT.assembly, `${name} holds no code`, 'README.md has a first guest of ten lines')
  return { image: portable(terminal.io, image), inputs: [name, ...sources.map(({ file }) => file)] }
}
