// Compiles the grammars of src to TypeScript; `--check` compares with the committed files instead of writing them.
import { readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const require = createRequire(import.meta.url)
const nearley = require('nearley')
const compile = require('nearley/lib/compile.js')
const generate = require('nearley/lib/generate.js')
const lint = require('nearley/lib/lint.js')
const language = require('nearley/lib/nearley-language-bootstrapped.js')

const GRAMMARS = { 'assembler/grammar.ne': 'assembler/grammar.ts', 'query/expression.ne': 'query/expression-grammar.ts' }

const src = join(dirname(fileURLToPath(import.meta.url)), '..', 'src')

for (const [source, target] of Object.entries(GRAMMARS)) {
  const parser = new nearley.Parser(nearley.Grammar.fromCompiled(language))
  parser.feed(readFileSync(join(src, source), 'utf8'))
  const compiled = compile(parser.results[0], { file: source, version: require('nearley/package.json').version })
  lint(compiled, { out: process.stderr, version: '' })
  const text = generate(compiled, 'grammar')
  if (!process.argv.includes('--check')) writeFileSync(join(src, target), text)
  else if (readFileSync(join(src, target), 'utf8') !== text) {
    console.error(`src/${target} is not what ${source} gives: run \`npm run grammar\``)
    process.exitCode = 1
  }
}
