/** Where the sources of a guest test are found: beside the file that asks, in the project's root, and among vtick's own include files. */

import { existsSync, readFileSync } from 'node:fs'
import { basename, dirname, isAbsolute, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ImageSource } from '../assembler/image.ts'

/** As far below the package's root in `src` as in `dist`. */
export const INCLUDE_DIRECTORY = fileURLToPath(new URL('../../asm/include/', import.meta.url))

/** A file's name as shown and recorded: never an absolute path. */
export function shownName(file: string, root: string): string {
  const name = relative(root, file)
  return name.startsWith('..') || isAbsolute(name) ? basename(file) : name
}

export class SourceFinder {
  readonly #root: string
  /** Absolute paths by shown name. */
  readonly #paths = new Map<string, string>()

  constructor(file: string, root: string) {
    this.#root = root
    this.#paths.set(shownName(file, root), file)
  }

  /** The path of a file that `from` names; undefined when there is none. */
  find(name: string, from: string): string | undefined {
    const beside = dirname(this.#paths.get(from) ?? resolve(this.#root, from))
    return [resolve(beside, name), resolve(this.#root, name), join(INCLUDE_DIRECTORY, name)].find(path => existsSync(path))
  }

  include(name: string, from: string): ImageSource | undefined {
    const path = this.find(name, from)
    if (path === undefined) return undefined
    const shown = path.startsWith(INCLUDE_DIRECTORY) ? relative(INCLUDE_DIRECTORY, path) : shownName(path, this.#root)
    this.#paths.set(shown, path)
    return { file: shown, text: readFileSync(path, 'utf8') }
  }

  /** Whether a file, by its shown name, is one of vtick's own include files. */
  isOwn(shown: string): boolean {
    return this.#paths.get(shown)?.startsWith(INCLUDE_DIRECTORY) ?? false
  }

  readBinary(name: string, from: string): Uint8Array | undefined {
    const path = this.find(name, from)
    return path === undefined ? undefined : new Uint8Array(readFileSync(path))
  }
}

const INCLUSION = /^\s*(%include|incbin)\s+["'`]([^"'`]+)["'`]/gim

/** Every file that the source may include, whatever its conditions say: what to watch. */
export function includedFiles(file: string, root: string): readonly string[] {
  const finder = new SourceFinder(file, root)
  const found = new Set<string>()
  const visit = (text: string, from: string): void => {
    for (const [, directive, name] of text.matchAll(INCLUSION)) {
      const path = finder.find(name!, from)
      if (path === undefined || found.has(path)) continue
      found.add(path)
      const source = directive!.toLowerCase() === 'incbin' ? undefined : finder.include(name!, from)
      if (source !== undefined) visit(source.text, source.file)
    }
  }
  visit(readFileSync(file, 'utf8'), shownName(file, root))
  return [...found]
}
