/** What a command costs from the shell: a process of its own, of the build in `dist`, start-up included. */

import { spawnSync } from 'node:child_process'

const MAIN = new URL('../../dist/cli/main.js', import.meta.url).pathname

export interface Cost {
  readonly cpuSeconds: number
  readonly wallSeconds: number
  /** Of a process of its own. */
  readonly peakMiB?: number
}

/** The process tells on a pipe of its own what it has used. Its peak is Linux's VmHWM: the maxRSS of a child begins with its parent's. */
const TELL = `data:text/javascript,${encodeURIComponent(`
  import { readFileSync, writeSync } from 'node:fs'
  process.on('exit', () => {
    const peak = /VmHWM:\\s*(\\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))
    writeSync(3, JSON.stringify({ ...process.resourceUsage(), peakKiB: Number(peak[1]) }))
  })`)}`

/** `codes` are the exit codes that are an answer. */
export function costOf(words: readonly string[], codes: readonly number[] = [0]): Cost {
  const start = performance.now()
  const { status, output } = spawnSync(process.execPath, ['--import', TELL, MAIN, ...words], {
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  })
  if (!codes.includes(status ?? -1)) throw new Error(`vtick ${words.join(' ')} ended with ${status}: ${output[2]}`)
  const { userCPUTime, systemCPUTime, peakKiB } = JSON.parse(output[3]!)
  return { cpuSeconds: (userCPUTime + systemCPUTime) / 1e6, wallSeconds: (performance.now() - start) / 1000, peakMiB: peakKiB / 1024 }
}
