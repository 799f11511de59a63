/**
 * `vtick test` for people who have no vitest project: vitest, driven by its own API, with our plugin and no configuration file. Loaded
 * only by that command: vitest takes a second to load.
 */

import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { dirname, extname, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type CliOptions, type Reporter, startVitest } from 'vitest/node'
import guestTests from './plugin.ts'
import { type CoverageForm, coverageReporter } from './reporters/coverage.ts'
import { ktapReporter } from './reporters/ktap.ts'
import { kutReporter } from './reporters/kut.ts'
import { resultsOf } from './reporters/results.ts'

/** A reporter and the file that it writes to; null is stdout. */
export interface WantedReporter {
  readonly name: 'default' | 'kut' | 'ktap' | 'junit' | 'json'
  readonly file: string | null
}

/** A form of asm coverage and the file that it goes to; null is stdout. */
export interface WantedCoverage {
  readonly name: CoverageForm
  readonly file: string | null
}

export interface TestRunOptions {
  readonly root: string
  /** Parts of paths, or whole names of files. */
  readonly patterns: readonly string[]
  readonly groups: readonly string[]
  readonly update: boolean
  readonly watch: boolean
  /** `1/3`: this run's part of the files; what came out is kept in `SHARDS` for merging. */
  readonly shard: string | null
  /** Merge the shards in this folder instead of running anything. */
  readonly merge: string | null
  readonly reporters: readonly WantedReporter[]
  /** Without any, nothing is covered. */
  readonly coverage: readonly WantedCoverage[]
  /** For reports that go to stdout; vitest's own write to the process's streams by themselves. */
  readonly print: (text: string) => void
}

export interface TestCounts {
  readonly files: number
  readonly passed: number
  readonly failed: number
  readonly skipped: number
}

/** Where shards leave their reports, below the root. */
export const SHARDS = '.vtick/shards'

const HERE = fileURLToPath(import.meta.url)
const TEST_FILES = '**/*.guest.asm'

/** Vitest reads the source of everything that it does not hold for external, and the emulator is large. */
const EXTERNAL = extname(HERE) === '.js' ? [new RegExp(`^${dirname(dirname(HERE)).replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')}.*\\.js$`)] : []

export async function runTests(options: TestRunOptions): Promise<TestCounts> {
  const { root, patterns, groups, update, watch, shard, merge } = options
  const named = patterns.filter(pattern => /\.asm$/.test(pattern) && existsSync(resolve(root, pattern)))
  const config: CliOptions = {
    root,
    config: false,
    watch,
    include: [TEST_FILES, ...named.map(name => relative(root, resolve(root, name)))],
    pool: 'threads',
    isolate: false,
    // The process that leads them has little to do; vitest would leave it a core of its own.
    ...(watch ? {} : { maxWorkers: availableParallelism() }),
    testTimeout: 0,
    update,
    passWithNoTests: true,
    reporters: reportersOf(options),
    server: { deps: { external: EXTERNAL } },
    ...(shard === null ? {} : { shard }),
    ...(merge === null ? {} : { mergeReports: merge }),
  }
  const plugin = guestTests({ ...(groups.length === 0 ? {} : { groups }), coverage: options.coverage.length > 0 })
  const vite = { plugins: [plugin], configFile: false as const, logLevel: 'error' as const }
  // Where stdout carries a report of ours, what vitest says besides goes to stderr.
  const isData =
    options.reporters.some(({ name, file }) => file === null && (name === 'kut' || name === 'ktap')) ||
    options.coverage.some(({ name, file }) => file === null && name !== 'text')
  const vitest = await startVitest('test', [...patterns], config, vite, isData ? { stdout: process.stderr } : {})
  if (watch) await new Promise<void>(done => vitest.onClose(() => done()))
  const modules = vitest.state.getTestModules()
  const results = modules.flatMap(resultsOf)
  const count = (state: string): number => results.filter(result => result.state === state).length
  const broken = vitest.state.getUnhandledErrors().length
  return { files: modules.length, passed: count('passed'), failed: count('failed') + broken, skipped: count('skipped') }
}

function writeReport(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, text)
}

type ReporterEntry = Reporter | 'default' | 'junit' | 'json' | ['default' | 'junit' | 'json' | 'blob', { readonly outputFile: string }]

function reportersOf({ root, reporters, coverage, shard, print }: TestRunOptions): ReporterEntry[] {
  const writerTo = (file: string | null) => (text: string) => {
    if (file === null) print(text)
    else writeReport(resolve(root, file), text)
  }
  const entries = reporters.map(({ name, file }): ReporterEntry => {
    const write = writerTo(file)
    if (name === 'kut') return kutReporter(write)
    if (name === 'ktap') return ktapReporter(write)
    return file === null ? name : [name, { outputFile: resolve(root, file) }]
  })
  const blob: ReporterEntry[] = shard === null ? [] : [['blob', { outputFile: resolve(root, SHARDS, `${shard.replace('/', '-')}.json`) }]]
  const covered = coverage.map(({ name, file }) => coverageReporter(name, writerTo(file)))
  return [...entries, ...covered, ...blob]
}
