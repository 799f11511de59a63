/** Who may import whom, and the other rules of the house that a reading of the sources can check. The reasons are in architecture.md. */

import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { expect, test } from 'vitest'

const ROOT = resolve(import.meta.dirname, '..')
const SRC = join(ROOT, 'src')

/** What a folder may import of others: a folder, or one file of it. */
interface Floor {
  readonly values: readonly string[]
  /** By `import type` only. */
  readonly types?: readonly string[]
}

const SESSION_SEES = ['base', 'spec', 'isa', 'assembler', 'devices', 'hw', 'kvm', 'vmm', 'trace', 'query']
/** Session and all that it may import, except that none of these drives the silicon or KVM directly. */
const ABOVE_SESSION: Floor = { values: [...SESSION_SEES.filter(name => name !== 'hw' && name !== 'kvm'), 'session'], types: ['hw', 'kvm'] }
const EVERYTHING = [...SESSION_SEES, 'session', 'latency', 'testing', 'gdb', 'tui', 'cli']

const FLOORS: Readonly<Record<string, Floor>> = {
  base: { values: [] },
  spec: { values: ['base'] },
  isa: { values: ['base', 'spec'] },
  assembler: { values: ['base', 'spec', 'isa'] },
  devices: { values: ['base', 'spec'] },
  hw: { values: ['base', 'spec', 'isa', 'devices'] },
  // isa: KVM's instruction emulator reads the same table as the silicon, so that an instruction is written once.
  kvm: { values: ['base', 'spec', 'isa', 'devices'], types: ['hw/root-cpu'] },
  vmm: { values: ['base', 'spec', 'devices', 'assembler/image', 'kvm', 'hw'] },
  // The image besides what architecture.md says: a trace holds the program that it is about, and tells its source lines.
  trace: { values: ['base', 'spec', 'assembler/image'], types: ['hw', 'kvm'] },
  query: { values: ['base', 'spec', 'isa/format', 'trace'] },
  session: { values: SESSION_SEES },
  latency: ABOVE_SESSION,
  testing: ABOVE_SESSION,
  gdb: ABOVE_SESSION,
  tui: ABOVE_SESSION,
  cli: { values: EVERYTHING },
  'index.ts': { values: EVERYTHING },
}

interface Import {
  /** Paths below src, without extension. */
  readonly from: string
  readonly to: string
  readonly isType: boolean
}

interface Source {
  /** Below src. */
  readonly path: string
  readonly text: string
}

const GENERATED = ['assembler/grammar.ts', 'query/expression-grammar.ts']

const sources: readonly Source[] = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .filter(path => /\.tsx?$/.test(path) && !GENERATED.includes(path))
  .map(path => ({ path, text: readFileSync(join(SRC, path), 'utf8') }))

const withoutExtension = (path: string): string => path.replace(/\.tsx?$/, '')

/** `import ... from './x.ts'`, `export ... from`, `import './x.ts'` and `import('./x.ts')`. */
const IMPORT = /^(?:import|export)\s+(type\s)?([^'"]*?)from\s+'(\.[^']+)'|^import\s+'(\.[^']+)'|\bimport\('(\.[^']+)'\)/gm

/** Named imports that are all marked `type` bind nothing at run time. */
const namesOnlyTypes = (names: string): boolean =>
  /^\{[^}]*\}\s*$/.test(names) &&
  names
    .replace(/[{}]/g, '')
    .split(',')
    .filter(name => name.trim() !== '')
    .every(name => name.trim().startsWith('type '))

const importsOf = ({ path, text }: Source): Import[] =>
  [...text.matchAll(IMPORT)].map(([, type, names = '', from, bare, dynamic]) => ({
    from: withoutExtension(path),
    to: withoutExtension(relative(SRC, resolve(SRC, dirname(path), (from ?? bare ?? dynamic)!))),
    isType: type !== undefined || namesOnlyTypes(names),
  }))

const imports = sources.flatMap(importsOf)

/** The floor that a path belongs to: a folder, or `index.ts` itself. */
const floorOf = (path: string): string => (path.includes('/') ? path.slice(0, path.indexOf('/')) : `${path}.ts`)

const isIn = (path: string, allowed: readonly string[]): boolean => allowed.some(name => path === name || path.startsWith(`${name}/`))

const arrow = ({ from, to, isType }: Import): string => `${from} -> ${to}${isType ? ' (type)' : ''}`

test('the sources and their imports are found', () => {
  expect(sources.length).toBeGreaterThan(100)
  expect(imports.length).toBeGreaterThan(400)
  expect(imports.filter(({ to }) => to.startsWith('..'))).toEqual([])
})

test('every folder of src has a row in the table', () => {
  expect([...new Set(sources.map(({ path }) => floorOf(withoutExtension(path))))].filter(floor => FLOORS[floor] === undefined)).toEqual([])
})

test('imports go only to the floors that the table allows', () => {
  const wrong = imports.filter(({ from, to, isType }) => {
    const floor = FLOORS[floorOf(from)]
    if (floor === undefined || floorOf(from) === floorOf(to)) return false
    return !isIn(to, floor.values) && !(isType && isIn(to, floor.types ?? []))
  })
  expect(wrong.map(arrow)).toEqual([])
})

test('inside a folder no imports go round in a circle', () => {
  const next = new Map<string, string[]>()
  for (const { from, to, isType } of imports) if (!isType && floorOf(from) === floorOf(to)) next.set(from, [...(next.get(from) ?? []), to])
  const circles: string[] = []
  const done = new Set<string>()
  const visit = (file: string, path: readonly string[]): void => {
    const start = path.indexOf(file)
    if (start >= 0) circles.push([...path.slice(start), file].join(' -> '))
    if (start >= 0 || done.has(file)) return
    for (const target of next.get(file) ?? []) visit(target, [...path, file])
    done.add(file)
  }
  for (const file of next.keys()) visit(file, [])
  expect(circles).toEqual([])
})

/** Lines that match, as `file:line: text`. Comments are not code. */
function linesWith(pattern: RegExp, except: readonly string[] = []): string[] {
  return sources
    .filter(({ path }) => !except.includes(path))
    .flatMap(({ path, text }) =>
      text.split('\n').flatMap((line, index) => {
        const code = line.replace(/^\s*(\*|\/\/|\/\*).*|\s\/\/ .*$/, '')
        return pattern.test(code) ? [`src/${path}:${index + 1}: ${line.trim()}`] : []
      }),
    )
}

/** V8 11 (Node 20) aborts the whole process when optimised code shifts certain bigints right by a constant. */
test('no bigint is shifted right by a literal count outside base/u64', () => {
  expect(linesWith(/>>=?\s*\d[\d_a-fx]*n\b/, ['base/u64.ts'])).toEqual([])
})

test('no file has 400 lines', () => {
  const long = sources.map(({ path, text }) => [path, text.split('\n').length] as const).filter(([, lines]) => lines >= 400)
  expect(long).toEqual([])
})

test('there is no `any`', () => {
  expect(linesWith(/(?::|<|\bas|\|)\s*any\b(?!\s*[:(])/)).toEqual([])
})

test('there are no enums and no namespaces', () => {
  expect(linesWith(/^\s*(?:export\s+)?(?:declare\s+)?(?:const\s+)?(?:enum|namespace)\s+\w/)).toEqual([])
})

test('every module opens with what it is', () => {
  expect(sources.filter(({ text }) => !/^(?:#!.*\n)?\/\*\*/.test(text)).map(({ path }) => path)).toEqual([])
})
