/** Where a trace that a command makes goes. */

import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { openTraceFile, type Sink } from '../trace/file.ts'
import { cannotWrite, errnoOf } from './files.ts'

/** A sink whose trouble is the user's to solve; a file that comes to nothing is not kept as a secret. */
export function openSink(path: string, name: string): Sink {
  const trouble = (error: unknown): unknown => {
    const code = errnoOf(error)
    return code === undefined ? error : cannotWrite(name, code)
  }
  try {
    const sink = openTraceFile(path)
    return {
      write(bytes) {
        try {
          sink.write(bytes)
        } catch (error) {
          throw trouble(error)
        }
      },
      close: () => sink.close(),
    }
  } catch (error) {
    throw existsSync(resolve(path, '..')) || errnoOf(error) === undefined ? trouble(error) : cannotWrite(name, 'ENOENT')
  }
}
