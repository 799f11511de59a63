// Draws the rules of src/assembler/grammar.ne as railroad diagrams into docs/grammar.html; `--check` compares with the committed file.
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const require = createRequire(import.meta.url)
const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const source = join(root, 'src', 'assembler', 'grammar.ne')
const target = join(root, 'docs', 'grammar.html')

const drawn = execFileSync(process.execPath, [require.resolve('nearley/bin/nearley-railroad.js'), source], {
  encoding: 'utf8',
  maxBuffer: 1 << 26,
})
const intro = `<title>vtick: the grammar of a line</title>
<p>One logical line of assembly language, after macros, includes and conditions have been dealt with. Round boxes are words and signs,
square ones rules. Written by <code>npm run grammar</code> from <code>src/assembler/grammar.ne</code>; the words behind
<code>mnemonic</code>, <code>register</code>, <code>size</code> and the like are listed in <code>docs/assembler.md</code>.</p>`
const text = `${drawn.replace('<body>', `<body>\n${intro}`).replace(/[ \t]+$/gm, '')}\n`

if (!process.argv.includes('--check')) writeFileSync(target, text)
else if (readFileSync(target, 'utf8') !== text) {
  console.error('docs/grammar.html is not what grammar.ne gives: run `npm run grammar`')
  process.exitCode = 1
}
