/** The package: what is in it, and that everything it points at exists. */

import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const ROOT = join(import.meta.dirname, '..')

interface Manifest {
  readonly type: string
  readonly license: string
  readonly engines: { readonly node: string }
  readonly bin: Readonly<Record<string, string>>
  readonly exports: Readonly<Record<string, { readonly types: string; readonly default: string }>>
  readonly dependencies: Readonly<Record<string, string>>
}

interface Lock {
  readonly packages: Readonly<Record<string, { readonly optionalDependencies?: Readonly<Record<string, string>> }>>
}

const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as Manifest

/** The source that a built file is made from. */
const sourceOf = (built: string): string => built.replace(/^(\.\/)?dist\//, 'src/').replace(/(\.d\.ts|\.js)$/, '.ts')

test('bin and exports have their sources', () => {
  const built = [...Object.values(manifest.bin), ...Object.values(manifest.exports).flatMap(entry => [entry.types, entry.default])]
  expect(built.map(sourceOf).filter(path => !existsSync(join(ROOT, path)))).toEqual([])
})

test('types come first in exports', () => {
  for (const entry of Object.values(manifest.exports)) expect(Object.keys(entry)[0]).toBe('types')
})

test('it is ESM for Node 20, and every dependency has one version', () => {
  expect(manifest).toMatchObject({ type: 'module', license: 'MIT', engines: { node: '>=20.19' } })
  expect(Object.values(manifest.dependencies).filter(version => !/^\d/.test(version))).toEqual([])
})

test('the lock file names every optional package, of other platforms too, without which `npm ci` refuses it', () => {
  const lock = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')) as Lock
  const wanted = Object.entries(lock.packages).flatMap(([path, { optionalDependencies = {} }]) =>
    Object.keys(optionalDependencies).map(name => [`${path}/node_modules/${name}`, `node_modules/${name}`]),
  )
  expect(wanted.filter(places => places.every(place => lock.packages[place] === undefined))).toEqual([])
})

test('it packs guests, include files and words, and no tests', () => {
  const packed = execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
    cwd: ROOT,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const files = (JSON.parse(packed) as { files: { path: string }[] }[])[0]!.files.map(({ path }) => path)
  for (const path of ['package.json', 'README.md', 'LICENSE', 'asm/include/guest.inc', 'asm/include/lib.inc', 'examples/deadline-busy.asm'])
    expect(files).toContain(path)
  expect(files.filter(path => /^(test|src|traces|\.ci|\.vtick)\//.test(path))).toEqual([])
})
