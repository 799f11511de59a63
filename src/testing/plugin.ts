/**
 * The vitest plugin for guest tests, `vtick/vitest`: a `*.guest.asm` file is a test file, one test per cell of its matrix.
 *
 *     import guestTests from 'vtick/vitest'
 *     export default defineConfig({ plugins: [guestTests()], test: { include: ['test/*.guest.asm'] } })
 */

import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, extname, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Plugin } from 'vite'
import type { Reporter } from 'vitest/node'
import { parseGuestTest } from './directives.ts'
import { moduleText } from './module-text.ts'
import type { GuestTestPlan } from './plan.ts'
import { type CoverageForm, coverageReporter } from './reporters/coverage.ts'
import { includedFiles } from './sources.ts'

export interface GuestTestOptions {
  /** Only tests of these groups run. Without it all run but those of the group `nodefault`. */
  readonly groups?: readonly string[]
  /** Each test leaves with its task what it executed, for `guestCoverage` to report. */
  readonly coverage?: boolean
}

/** Beside this file, with the same extension: `.ts` in the repository, `.js` in the package. */
const RUNTIME = fileURLToPath(new URL(`./guest-test${extname(import.meta.url)}`, import.meta.url))

/** As in kvm-unit-tests: `nodefault` asks to be named. */
function reasonToLeaveOut(plan: GuestTestPlan | null, groups: readonly string[] | undefined): string {
  const own = plan?.groups ?? []
  if (groups !== undefined)
    return plan === null || own.some(group => groups.includes(group)) ? '' : `not in the groups ${groups.join(', ')}`
  return own.includes('nodefault') ? 'its group is nodefault' : ''
}

/** `*.guest.asm`, and any other assembly source that vitest was told to run. */
const isTestFile = (path: string): boolean => path.endsWith('.asm')

/** A reporter of what guest tests executed, for a vitest configuration; the file's path counts from the working directory. */
export const guestCoverage = (form: CoverageForm, file: string): Reporter =>
  coverageReporter(form, text => {
    mkdirSync(dirname(resolve(file)), { recursive: true })
    writeFileSync(file, text)
  })

export default function guestTests({ groups, coverage = false }: GuestTestOptions = {}): Plugin {
  let root = process.cwd()
  return {
    name: 'vtick:guest-tests',
    enforce: 'pre',
    configResolved(config) {
      root = config.root
    },
    /** A test in a folder that has no vitest of its own, as with a `vtick` installed elsewhere, runs in ours. */
    async resolveId(id, importer) {
      if (id !== 'vitest' || importer === undefined || !isTestFile(importer)) return undefined
      return (await this.resolve(id, importer, { skipSelf: true })) ?? { id: fileURLToPath(import.meta.resolve('vitest')), external: true }
    },
    transform(source, id) {
      const [path] = id.split('?') as [string]
      if (!isTestFile(path)) return undefined
      for (const file of includedFiles(path, root)) this.addWatchFile(file)
      const { plan, problems } = parseGuestTest(source)
      const problemLine = problems[0]?.place.line ?? 1
      return moduleText({ path, root, source, plan, problemLine, runtime: RUNTIME, leftOut: reasonToLeaveOut(plan, groups), coverage })
    },
  }
}
