/** Opens and reads the traces named, whatever they are; a process of its own for the tests that measure its memory. Prints the peak in bytes. */

import { openTrace, TraceFileError } from '../../src/trace/file.ts'

for (const path of process.argv.slice(2)) {
  try {
    const reader = openTrace(path)
    reader.verify()
    console.log('opened')
  } catch (error) {
    if (!(error instanceof TraceFileError)) throw error
    console.log(error.message)
  }
}
console.log(process.resourceUsage().maxRSS * 1024)
