/** Writes the pictures of the documentation anew: `npm run pictures`. */

import { mkdirSync, writeFileSync } from 'node:fs'
import { takeTour } from '../test/tui/pictures.ts'

const FOLDER = new URL('../docs/pictures/', import.meta.url)

mkdirSync(FOLDER, { recursive: true })
for (const { file, svg } of await takeTour()) writeFileSync(new URL(file, FOLDER), svg)
process.exit(0)
