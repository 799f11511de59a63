/** `npm run oracle:programs`: NASM's output of every program, as size and hash, into `test/oracle/programs.json`. */

import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { FOLDER, ORACLE, type Oracle, optionsOf, programNames, programText, sha256 } from './programs.ts'

const scratch = mkdtempSync(join(tmpdir(), 'vtick-programs-'))
const output = join(scratch, 'out.bin')
const programs: Record<string, Oracle['programs'][string]> = {}
for (const name of programNames()) {
  execFileSync('nasm', ['-f', 'bin', '-w-all', ...optionsOf(programText(name)), '-o', output, name], { cwd: fileURLToPath(FOLDER) })
  const bytes = readFileSync(output)
  programs[name] = { bytes: bytes.length, sha256: sha256(bytes) }
}
rmSync(scratch, { recursive: true })
const oracle: Oracle = { nasm: execFileSync('nasm', ['-v'], { encoding: 'utf8' }).trim(), programs }
mkdirSync(new URL('./', ORACLE), { recursive: true })
writeFileSync(ORACLE, `${JSON.stringify(oracle, null, 2)}\n`)
console.log(`${Object.keys(programs).length} programs, ${oracle.nasm}`)
