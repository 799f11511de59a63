/** The file of a trace's marks and notes, beside the trace. */

import { readFileSync, realpathSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { marksFileOf, parseMarks } from '../query/marks.ts'
import { formatPosition } from '../query/position.ts'
import type { TraceReader } from '../trace/file.ts'
import type { MarksFile } from '../tui/marks.ts'
import { cannotRead, cannotWrite, errnoOf } from './files.ts'
import type { Io } from './io.ts'

export function marksFile(io: Io, trace: string): MarksFile {
  const name = marksFileOf(trace)
  const path = resolve(io.cwd, name)
  return {
    name,
    read: () => {
      try {
        return { text: readFileSync(path, 'utf8') }
      } catch (error) {
        const code = errnoOf(error)
        if (code === undefined) throw error
        return code === 'ENOENT' ? { text: '' } : { trouble: cannotRead(name, code).message }
      }
    },
    write: text => {
      try {
        writeWhole(path, text)
        return undefined
      } catch (error) {
        const code = errnoOf(error)
        if (code === undefined) throw error
        return cannotWrite(name, code).message
      }
    },
  }
}

/** All of the file or nothing: a full disk must not take what people wrote. */
function writeWhole(path: string, text: string): void {
  const isThere = statSync(path, { throwIfNoEntry: false }) !== undefined
  const target = isThere ? realpathSync(path) : path
  writeFileSync(`${target}.new`, text)
  renameSync(`${target}.new`, target)
}

/** A mark of the trace as the position that it stands for; other positions as they are. */
export function withoutMark(io: Io, name: string, reader: TraceReader, at: string): string {
  if (!at.startsWith("'") || name === '-') return at
  const found = marksFile(io, name).read()
  const place = 'text' in found ? parseMarks(found.text, reader.count).marks.get(at.slice(1)) : undefined
  return place === undefined ? at : formatPosition(place)
}
