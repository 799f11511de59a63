// Compiles src/assembler/grammar.ne to TypeScript; `--check` compares with the committed file instead of writing it.
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

const folder = join(dirname(fileURLToPath(import.meta.url)), '..', 'src', 'assembler')
const source = join(folder, 'grammar.ne')
const target = join(folder, 'grammar.ts')

const parser = new nearley.Parser(nearley.Grammar.fromCompiled(language))
parser.feed(readFileSync(source, 'utf8'))
const compiled = compile(parser.results[0], { file: source, version: require('nearley/package.json').version })
lint(compiled, { out: process.stderr, version: '' })
const text = generate(compiled, 'grammar')

if (!process.argv.includes('--check')) writeFileSync(target, text)
else if (readFileSync(target, 'utf8') !== text) {
  console.error('src/assembler/grammar.ts is not what grammar.ne gives: run `npm run grammar`')
  process.exitCode = 1
}
