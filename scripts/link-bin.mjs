/**
 * The last step of the build: makes the built command executable and puts it where `npx vtick` looks first in this repository.
 * Without that npx would pack and build the package anew, which takes half a minute, before each command.
 */

import { chmodSync, existsSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..')
const main = join(root, 'dist', 'cli', 'main.js')
const bin = join(root, 'node_modules', '.bin')

chmodSync(main, 0o755)
if (process.platform !== 'win32' && existsSync(bin)) {
  rmSync(join(bin, 'vtick'), { force: true })
  symlinkSync(join('..', '..', 'dist', 'cli', 'main.js'), join(bin, 'vtick'))
}
