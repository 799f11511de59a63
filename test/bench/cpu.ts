/**
 * `npm run bench:cpu [NAME]`: how fast the reference engine is, beside QEMU (TCG) and Bochs on the same bytes, paging on. Each figure is
 * that of a long run less a short one (so that starting up does not count), the best of some rounds in which the emulators take
 * turns. Ours counts the CPU time of this process, all threads, which a loaded host changes little; theirs is wall time. An instruction is one that we retire: an iteration of REP counts as one, and the REP programs are told in MiB/s.
 */

import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { availableParallelism, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { assemble } from '../../src/assembler/assemble.ts'
import { createMachine, resolveConfig } from '../../src/hw/machine.ts'
import { run } from '../../src/hw/run.ts'
import { bootBare } from '../../src/vmm/bare.ts'
import { longModeBoot } from '../../src/vmm/boot.ts'
import { BENCH_PROGRAMS, type BenchProgram, BOOT_SECTOR, programSource } from './cpu-programs.ts'
import { OTHER_EMULATORS } from './other-emulators.ts'

const TURNS = 2
const WANTED = { geometricMean: 5, worst: 3, rep: 200 } as const

const include = (name: string) => ({ file: name, text: readFileSync(new URL(`../../asm/include/${name}`, import.meta.url), 'utf8') })

function imageOf(source: string) {
  const { image, diagnostics } = assemble(source, { file: 'bench.asm', include })
  if (image === undefined) throw new Error(`the program has errors: ${diagnostics[0]?.message}`)
  return image
}

interface Timing {
  readonly milliseconds: number
  readonly instructions: number
}

function ours(program: BenchProgram, rounds: number): Timing {
  const machine = createMachine(resolveConfig({ memoryMiB: 8 }))
  bootBare(machine, longModeBoot(imageOf(programSource(program, rounds))))
  const start = process.cpuUsage()
  const result = run(machine)
  const { user, system } = process.cpuUsage(start)
  if (result !== 'ended' || machine.ended?.reason !== 'exit-port') throw new Error(`${program.name} ended with ${result}`)
  return { milliseconds: (user + system) / 1000, instructions: machine.cpus[0]!.instructions }
}

function diskImage(program: BenchProgram, rounds: number): Uint8Array {
  const sector = imageOf(BOOT_SECTOR).bytes
  const code = imageOf(programSource(program, rounds)).bytes
  const image = new Uint8Array(sector.length + code.length)
  image.set(sector)
  image.set(code, sector.length)
  return image
}

/** Milliseconds of the long run less the short one; null where the emulator is missing or the program is not for it. */
function other(name: string, program: BenchProgram, folder: string): number | null {
  if (program.only !== undefined) return null
  const { run: boot, longer } = OTHER_EMULATORS[name]!
  const long = boot(diskImage(program, program.rounds * longer + 1), folder)
  const short = long === null ? null : boot(diskImage(program, 1), folder)
  return long === null || short === null ? null : long - short
}

interface Row {
  readonly program: BenchProgram
  /** Million instructions, or MiB where the program moves bytes, per second. */
  readonly vtick: number
  readonly others: Readonly<Record<string, number | null>>
}

function measure(program: BenchProgram, folder: string): Row {
  const perRound = (ours(program, 3).instructions - ours(program, 1).instructions) / 2
  const unit = program.bytes === undefined ? perRound / 1e6 : program.bytes / 2 ** 20
  let vtick = 0
  const others: Record<string, number | null> = Object.fromEntries(Object.keys(OTHER_EMULATORS).map(name => [name, null]))
  for (let turn = 0; turn < TURNS; turn++) {
    const long = ours(program, program.rounds + 1).milliseconds
    const short = ours(program, 1).milliseconds
    vtick = Math.max(vtick, (unit * program.rounds * 1000) / (long - short))
    for (const name of Object.keys(OTHER_EMULATORS)) {
      const milliseconds = other(name, program, folder)
      if (milliseconds === null || milliseconds <= 0) continue
      others[name] = Math.max(others[name] ?? 0, (unit * program.rounds * OTHER_EMULATORS[name]!.longer * 1000) / milliseconds)
    }
  }
  return { program, vtick, others }
}

const geometricMean = (values: readonly number[]): number =>
  Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length)

const figure = (value: number | null): string => (value === null ? '-' : value.toFixed(value < 100 ? 1 : 0)).padStart(9)
const ratio = (vtick: number, value: number | null): string => (value === null ? '-' : `1/${(value / vtick).toFixed(1)}`).padStart(9)

function main(wanted: string | undefined): void {
  const folder = mkdtempSync(join(tmpdir(), 'vtick-bench-'))
  const names = Object.keys(OTHER_EMULATORS)
  const programs = BENCH_PROGRAMS.filter(({ name }) => wanted === undefined || name.includes(wanted))
  const [load] = loadavg()
  console.log(`million instructions/s (rep: MiB/s), best of ${TURNS}; load ${load!.toFixed(1)} on ${availableParallelism()} CPUs`)
  if (load! > availableParallelism() / 2)
    console.log('the host is busy: its other work slows QEMU and Bochs in wall time, and us by sharing caches')
  console.log(['program'.padEnd(18), 'vtick'.padStart(9), ...names.flatMap(name => [name.padStart(9), 'ratio'.padStart(9)])].join(''))
  const rows: Row[] = []
  try {
    for (const program of programs) {
      const row = measure(program, folder)
      rows.push(row)
      console.log(
        [
          program.name.padEnd(18),
          figure(row.vtick),
          ...names.flatMap(name => [figure(row.others[name]!), ratio(row.vtick, row.others[name]!)]),
        ].join(''),
      )
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
  const compute = rows.filter(({ program }) => program.bytes === undefined && program.only === undefined).map(({ vtick }) => vtick)
  const moved = rows.filter(({ program }) => program.bytes !== undefined).map(({ vtick }) => vtick)
  if (compute.length > 0)
    console.log(
      `compute: geometric mean ${geometricMean(compute).toFixed(1)} (wanted ${WANTED.geometricMean}), worst ${Math.min(...compute).toFixed(1)} (wanted ${WANTED.worst})`,
    )
  if (moved.length > 0) console.log(`rep: slowest ${Math.min(...moved).toFixed(0)} MiB/s (wanted ${WANTED.rep})`)
}

main(process.argv[2])
