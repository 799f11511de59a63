/** From a line of the source to the instruction that it begins with. */

import { basename } from 'node:path'
import type { Image } from '../assembler/image.ts'
import { nearest } from '../base/suggest.ts'

export interface NoLine {
  readonly problem: string
  readonly help: string
}

/** The sources that a name may mean: the whole of it, or its end. */
const sourcesNamed = ({ sources }: Image, name: string): readonly number[] =>
  sources.flatMap(({ file }, index) => (file === name || file.endsWith(`/${name}`) ? [index] : []))

/** Its first address. */
export function addressOfLine(image: Image, file: string, line: number): number | NoLine {
  const sources = sourcesNamed(image, file)
  if (sources.length === 0) {
    const names = image.sources.map(source => basename(source.file))
    const near = nearest(file, names)
    const help =
      near === undefined
        ? names.length === 0
          ? 'it was loaded without its source'
          : `its files are ${names.join(', ')}`
        : `did you mean \`${near}:${line}\`?`
    return { problem: `the program has no source \`${file}\``, help }
  }
  const lines = image.lines.filter(row => sources.includes(row.source))
  const there = lines.filter(row => row.line === line)
  if (there.length > 0) return Math.min(...there.map(({ address }) => address))
  const next = Math.min(...lines.flatMap(row => (row.line > line ? [row.line] : [])))
  const help = Number.isFinite(next) ? `the next line with code is ${file}:${next}` : 'name a line with an instruction'
  return { problem: `there is no code at ${file}:${line}`, help }
}
