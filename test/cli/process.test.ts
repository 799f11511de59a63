/** The executable as a process: exit codes, pipes that close, Ctrl-C, and streams that are what they should be. */

import { spawn } from 'node:child_process'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, expect, test } from 'vitest'
import { Directory, guestSource, ROOT } from './vtick.ts'

const place = new Directory({
  'hello.asm': guestSource('print "hello"', 'newline', 'exit 0'),
  'chatter.asm': guestSource(
    'again: mov ecx, 60',
    '.next: mov al, "x"',
    'out 0xe9, al',
    'dec ecx',
    'jnz .next',
    'mov al, 10',
    'out 0xe9, al',
    'jmp again',
  ),
})

afterAll(() => place.remove())

const TSX = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href

interface Finished {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

/** Starts the executable from source; `onOutput` sees the process when its first output comes. */
function start(argv: readonly string[], onOutput: (child: ReturnType<typeof spawn>) => void = () => {}): Promise<Finished> {
  const child = spawn(process.execPath, ['--import', TSX, join(ROOT, 'src/cli/main.ts'), ...argv], {
    cwd: place.path,
    env: { ...process.env, NO_COLOR: '1' },
  })
  const finished: { out: string; err: string } = { out: '', err: '' }
  let seen = false
  child.stdout.on('data', data => {
    finished.out += String(data)
    if (!seen) onOutput(child)
    seen = true
  })
  child.stderr.on('data', data => {
    finished.err += String(data)
  })
  return new Promise(resolve => child.on('close', code => resolve({ code, ...finished })))
}

test('a guest prints to stdout and its status becomes the exit code', async () => {
  expect(await start(['run', 'hello.asm'])).toEqual({ code: 0, out: 'hello\n', err: '' })
})

test('a reader that goes away, as head does, is no trouble', async () => {
  const { code, err } = await start(['run', '--bare', 'chatter.asm'], child => child.stdout?.destroy())
  expect({ code, err }).toEqual({ code: 0, err: '' })
})

test('Ctrl-C ends a guest that never would', async () => {
  const { code, err } = await start(['run', '--bare', 'chatter.asm'], child => child.kill('SIGINT'))
  expect({ code, err }).toEqual({
    code: 130,
    err: 'vtick: chatter.asm: interrupted; record it with --record T.vtrace to look at it later\n',
  })
})
