/**
 * `npm run bench:trace [MILLIONS]`: what recording costs and what its answers cost, on a guest that takes a VM exit every 300
 * instructions, so has an event for each 100. So many millions of instructions (2 unless said; 100 is the figure that counts). Costs are
 * CPU time of this process, which a loaded host changes little, of runs with and without recording in turns; seeks are wall time.
 * What is called cold is a process of the build in `dist` (the script makes it first), start-up included.
 */

import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { assemble } from '../../src/assembler/assemble.ts'
import { resolveRunConfig } from '../../src/session/config.ts'
import { record } from '../../src/session/record.ts'
import { openTimeline } from '../../src/session/timeline.ts'
import { BLOCK_HEADER_BYTES, PREAMBLE_BYTES, readBlockHeader } from '../../src/trace/block.ts'
import { diffTraces } from '../../src/trace/diff.ts'
import { openTrace, openTraceFile, type TraceReader } from '../../src/trace/file.ts'
import { firstDifference } from '../../src/trace/first-difference.ts'
import { type Cost, costOf } from './cold.ts'
import { scatteredTraces } from './scattered-traces.ts'

const PER_EXIT = 300
const ROUNDS = 3
const SEEKS = 100
const STEPS = 20

const guest = (exits: number): string => `
  bits 64
  org 0x100000
        mov     r8d, ${exits}
        mov     rdi, 0x200000
  next: mov     ecx, ${(PER_EXIT - 6) / 3}
  work: add     [rdi], rcx
        dec     ecx
        jnz     work
        add     rdi, 64
        and     edi, 0x2fffff
        cpuid
        dec     r8d
        jnz     next
        mov     al, 0
        out     0xf4, al`

const config = resolveRunConfig()

function imageOf(instructions: number) {
  const { image } = assemble(guest(Math.round(instructions / PER_EXIT)), { file: 'bench.asm' })
  if (image === undefined) throw new Error('the guest of the benchmark does not assemble')
  return image
}

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1]!

/** Seconds of CPU. */
function cpuSeconds(work: () => void): number {
  const start = process.cpuUsage()
  work()
  const { user, system } = process.cpuUsage(start)
  return (user + system) / 1e6
}

function milliseconds(work: () => void): number {
  const start = performance.now()
  work()
  return performance.now() - start
}

/** Bytes of the blocks of each type, headers included. */
function bytesByType(path: string): Map<string, number> {
  const file = readFileSync(path)
  const sizes = new Map<string, number>()
  for (let at = PREAMBLE_BYTES; at + BLOCK_HEADER_BYTES <= file.length; ) {
    const { type, storedBytes } = readBlockHeader(file.subarray(at, at + BLOCK_HEADER_BYTES), at)
    sizes.set(type, (sizes.get(type) ?? 0) + BLOCK_HEADER_BYTES + storedBytes)
    at += BLOCK_HEADER_BYTES + storedBytes
  }
  return sizes
}

const peakMiB = (): number => process.resourceUsage().maxRSS / 1024

const say = (what: string, figure: string, wanted: string): void => console.log(`${what.padEnd(34)} ${figure.padStart(28)}   ${wanted}`)

function recordingCost(instructions: number, path: string): void {
  const image = imageOf(instructions)
  record(config, imageOf(instructions / 10), { sink: openTraceFile(path) }) // warm, and a tenth of the length
  const tenth = peakMiB()
  const plain: number[] = []
  const recorded: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    plain.push(cpuSeconds(() => record(config, image)))
    recorded.push(cpuSeconds(() => record(config, image, { sink: openTraceFile(path) })))
  }
  const [without, with_] = [median(plain), median(recorded)]
  say('running, recording', `${without.toFixed(2)} s, ${with_.toFixed(2)} s`, `CPU time, median of ${ROUNDS}`)
  say('recording over running', `${((with_ / without - 1) * 100).toFixed(1)} %`, 'wanted: at most 10 %')
  say('peak memory of a tenth, of all', `${tenth.toFixed(0)}, ${peakMiB().toFixed(0)} MiB`, 'wanted: no growth with the length')
}

function size(path: string, { count }: TraceReader): void {
  const sizes = bytesByType(path)
  const keyframes = (sizes.get('KEYF') ?? 0) + (sizes.get('PAGE') ?? 0)
  say('bytes per event, keyframes apart', ((statSync(path).size - keyframes) / count).toFixed(2), 'wanted: at most 16')
  say('keyframes', `${(keyframes / 2 ** 20).toFixed(2)} MiB`, 'wanted: at most 20 MB')
}

function seeks(reader: TraceReader): void {
  const { instructions } = reader.end!
  let seed = 1
  const random = (): number => {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0
    return seed / 2 ** 32
  }
  let timeline = openTimeline(reader)
  const times: number[] = []
  for (let n = 0; n < SEEKS; n++) {
    const at = Math.floor(random() * instructions)
    times.push(
      milliseconds(() => {
        if (n === 0) timeline = openTimeline(reader)
        timeline.atInstruction(at)
      }),
    )
  }
  say('a random instruction', `${median(times).toFixed(0)} ms, worst ${Math.max(...times).toFixed(0)} ms`, 'wanted: median under 500 ms')
  let at = timeline.atInstruction(Math.floor(instructions / 2)).instructions
  const back = Array.from({ length: STEPS }, () => milliseconds(() => timeline.atInstruction(--at)))
  say(
    'a step back, from the second on',
    `${median(back.slice(1)).toFixed(1)} ms, worst ${Math.max(...back.slice(1)).toFixed(1)} ms`,
    'wanted: under 50 ms',
  )
}

const inSeconds = ({ cpuSeconds: cpu, wallSeconds, peakMiB }: Cost): string =>
  `${cpu.toFixed(2)} s, ${wallSeconds.toFixed(2)} s${peakMiB === undefined ? '' : `, ${peakMiB.toFixed(0)} MiB`}`

function costHere(work: () => void): Cost {
  let wall = 0
  const cpu = cpuSeconds(() => {
    wall = milliseconds(work)
  })
  return { cpuSeconds: cpu, wallSeconds: wall / 1000 }
}

/** In this process once without and once with what the optimizer learned; from the shell as a person asks it. */
function diffs(directory: string): void {
  const hunks = 1000
  const paths = scatteredTraces(directory, { events: 1_000_000, hunks })
  const [a, b] = paths.map(path => openTrace(path)) as [TraceReader, TraceReader]
  for (const by of ['arch', 'exits', 'all'] as const) {
    say(`first difference by ${by}`, inSeconds(costHere(() => firstDifference(a, b, by))), 'CPU, wall; wanted: under 1 s')
    say(`no difference by ${by}`, inSeconds(costHere(() => firstDifference(a, a, by))), 'CPU, wall; wanted: under 1 s')
    let found = 0
    const cost = costHere(() => {
      found = diffTraces(a, b, { by, tolerance: Number.MAX_SAFE_INTEGER }).hunkCount
    })
    say(`all ${found} hunks by ${by}`, inSeconds(cost), 'CPU, wall; wanted: under 5 s')
  }
  for (const by of ['arch', 'exits'] as const)
    say(`vtick diff --by ${by}, cold`, inSeconds(costOf(['diff', ...paths, '--by', by], [1])), 'CPU, wall, peak memory; wanted: under 5 s')
  const short = scatteredTraces(join(directory, 'short'), { events: 100_000, hunks: hunks / 10 })
  say('vtick diff of a tenth, cold', inSeconds(costOf(['diff', ...short], [1])), 'CPU, wall, peak memory; wanted: memory bounded')
}

/** The chain that the issue asks for: from L2's interrupt through a timer, a vmcs12 copy and a nested exit; and to the end of a long run. */
function whys(long: string, directory: string): void {
  const guest = new URL('../../examples/deadline-busy.asm', import.meta.url).pathname
  const nested = join(directory, 'nested.vtrace')
  costOf(['run', guest, '--level', 'L2', '-D', 'TICKS=2', '--record', nested])
  const golden = new URL('../../traces/deadline-busy-on.vtrace', import.meta.url).pathname
  const asked = [
    ["why irq:0xec of L2's last tick", [nested, '@end', 'irq:0xec'], 'wanted: under 1 s'],
    ['why rax of a golden trace', [golden, '@end', 'rax'], 'wanted: under 1 s'],
    ['why r8 of the long trace', [long, '@end', 'r8'], 'looks back no farther than --depth'],
    ['why r13 of the long trace', [long, '@end', 'r13'], 'never written: looks back as far as --depth'],
  ] as const
  for (const [what, words, wanted] of asked) say(`${what}, cold`, inSeconds(costOf(['why', ...words])), `CPU, wall, peak memory; ${wanted}`)
}

const millions = Number(process.argv[2] ?? 2)
const directory = mkdtempSync(join(tmpdir(), 'vtick-bench-'))
try {
  const path = join(directory, 'run.vtrace')
  console.log(`${millions} million instructions; load ${loadavg()[0]!.toFixed(1)}`)
  recordingCost(millions * 1e6, path)
  const reader = openTrace(path)
  say('events, keyframes', `${reader.count}, ${reader.keyframeIndex.length}`, '')
  size(path, reader)
  seeks(reader)
  whys(path, directory)
  diffs(directory)
} finally {
  rmSync(directory, { recursive: true })
}
