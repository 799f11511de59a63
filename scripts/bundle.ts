/**
 * The command line as few files: `dist/cli/main.js` and the parts that it loads when a command needs them, with Ink and React and what
 * of their dependencies they use. A file for each module takes longer to load than most commands run, and Ink alone imports all of
 * es-toolkit for one function. The library in `dist` stays as it is; `vtick test` loads it from there, as its guest tests do.
 */

import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { build, type Plugin } from 'esbuild'

const ROOT = join(import.meta.dirname, '..')

/** What is not part of it. */
const outside: Plugin = {
  name: 'outside',
  setup: ({ onResolve }) => {
    onResolve({ filter: /^\.\.\/testing\// }, ({ path }) => ({ path: path.replace(/\.ts$/, '.js'), external: true }))
    onResolve({ filter: /^\.\/devtools\.js$/ }, ({ path }) => ({ path, external: true })) // Ink's own, under `DEV`
  },
}

/** Builds into `dist/cli` of a package; chunks lie beside `main.js`, where `../..` is the package as it is in the sources. */
export async function bundle(dist: string): Promise<void> {
  const outdir = join(dist, 'cli')
  rmSync(outdir, { recursive: true, force: true })
  const { metafile } = await build({
    absWorkingDir: ROOT,
    entryPoints: ['src/cli/main.ts'],
    outdir,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    jsx: 'automatic',
    sourcemap: 'linked',
    sourcesContent: false,
    metafile: true,
    external: ['commander', 'moo', 'msgpackr', 'nearley', 'ora'],
    plugins: [outside],
    // Some of Ink's dependencies are CommonJS and ask for modules of Node's.
    banner: { js: "import { createRequire as requireFrom } from 'node:module'; const require = requireFrom(import.meta.url);" },
    // React's and Ink's own switches.
    define: { 'process.env.NODE_ENV': '"production"', 'process.env.DEV': '"false"' },
    logLevel: 'error',
  })
  writeFileSync(join(outdir, 'THIRD-PARTY.txt'), licences(Object.keys(metafile.inputs)))
}

/** Of every package that a part comes from, the text of its licence. */
function licences(inputs: readonly string[]): string {
  const packages = new Set(inputs.flatMap(input => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(input)?.[0] ?? []))
  const texts = [...packages].sort().map(path => {
    const { name, version, license } = JSON.parse(readFileSync(join(ROOT, path, 'package.json'), 'utf8')) as Record<string, string>
    const file = readdirSync(join(ROOT, path)).find(entry => /^licen[cs]e/i.test(entry))
    return `${name} ${version} (${license})\n\n${file === undefined ? '' : readFileSync(join(ROOT, path, file), 'utf8')}`
  })
  return texts.join(`\n${'-'.repeat(80)}\n\n`)
}

if (resolve(process.argv[1]!) === import.meta.filename) await bundle(join(ROOT, 'dist'))
