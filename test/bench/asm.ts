/**
 * `npm run bench:asm [LINES]`: how fast the assembler is, beside NASM on the same file. Each round runs a fresh process (cold: nothing
 * compiled yet), then NASM, so that both meet the same load; the best round counts. Where nasm is not installed its column is empty.
 */

import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { assemble } from '../../src/assembler/assemble.ts'
import { mixedSource } from './mixed-source.ts'

const ROUNDS = 5

interface Run {
  readonly coldMs: number
  readonly warmMs: number
  readonly peakMiB: number
}

/** In the child: the first run, the best of four more, and the most memory that the process ever had. */
function measure(lines: number): Run {
  const source = mixedSource(lines)
  const times: number[] = []
  for (let round = 0; round < 5; round++) {
    const start = performance.now()
    const { image } = assemble(source, { file: 'mixed.asm' })
    times.push(performance.now() - start)
    if (image === undefined) throw new Error('the source has errors')
  }
  return { coldMs: times[0]!, warmMs: Math.min(...times.slice(1)), peakMiB: process.resourceUsage().maxRSS / 1024 }
}

function child(lines: number): Run {
  const self = fileURLToPath(import.meta.url)
  const run = spawnSync(process.execPath, ['--import', 'tsx', self, '--child', String(lines)], { encoding: 'utf8' })
  if (run.status !== 0) throw new Error(run.stderr)
  return JSON.parse(run.stdout) as Run
}

/** Milliseconds that NASM takes, its start (some milliseconds) included. */
function nasmMs(file: string, output: string): number {
  const start = performance.now()
  const run = spawnSync('nasm', ['-f', 'bin', '-o', output, file])
  return run.status === 0 ? performance.now() - start : Number.POSITIVE_INFINITY
}

function main(lines: number): void {
  const folder = mkdtempSync(join(tmpdir(), 'vtick-bench-'))
  const file = join(folder, 'mixed.asm')
  const source = mixedSource(lines)
  writeFileSync(file, source)
  const runs: Run[] = []
  const nasm: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    runs.push(child(lines))
    nasm.push(nasmMs(file, join(folder, 'mixed.bin')))
  }
  rmSync(folder, { recursive: true })
  const count = source.split('\n').length - 1
  const best = (pick: (run: Run) => number) => Math.min(...runs.map(pick))
  const row = (name: string, ms: number) =>
    console.log(
      `${name.padEnd(12)} ${ms.toFixed(0).padStart(6)} ms ${Math.round(count / (ms / 1000))
        .toString()
        .padStart(8)} lines/s`,
    )
  const nasmBest = Math.min(...nasm)
  console.log(`${count} lines, best of ${ROUNDS} rounds`)
  row(
    'vtick, cold',
    best(run => run.coldMs),
  )
  row(
    'vtick, warm',
    best(run => run.warmMs),
  )
  if (Number.isFinite(nasmBest)) {
    row('nasm', nasmBest)
    console.log(
      `vtick takes ${(best(run => run.coldMs) / nasmBest).toFixed(2)} of nasm's time cold, ${(best(run => run.warmMs) / nasmBest).toFixed(2)} warm`,
    )
  }
  console.log(`peak memory of the process ${best(run => run.peakMiB).toFixed(0)} MiB`)
}

const [first, second] = process.argv.slice(2)
if (first === '--child') process.stdout.write(JSON.stringify(measure(Number(second))))
else main(Number(first ?? 20_000))
