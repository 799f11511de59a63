/** The README's commands and code do what it says. */

import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { Directory, ROOT } from './vtick.ts'

const README = readFileSync(join(ROOT, 'README.md'), 'utf8')

const blocks = (language: string): string[] =>
  [...README.matchAll(/^```(\w+)\n(.*?)^```$/gms)].filter(([, name]) => name === language).map(([, , text]) => text!)

const COMMANDS = blocks('sh')
  .flatMap(block => block.split('\n'))
  .flatMap(line => /^(?:npx )?vtick (.*?)(?:\s+#.*)?$/.exec(line)?.[1] ?? [])

/** `new` and `test` are followed in `test/testing/tutorial.test.ts`: they need a vitest of their own. */
const isTutorial = (command: string): boolean => /^(new|test) /.test(command)

const place = new Directory({ 'hello.asm': blocks('asm')[0]! })
cpSync(join(ROOT, 'examples'), join(place.path, 'examples'), { recursive: true })

afterAll(() => place.remove())

test('it has a guest and commands to show', () => {
  expect(COMMANDS.length).toBeGreaterThan(5)
  expect(blocks('asm')).toHaveLength(1)
})

/** The words of a command line as a shell cuts them, as far as the README goes. */
const wordsOf = (command: string): string[] => (command.match(/"[^"]*"|\S+/g) ?? []).map(word => word.replace(/^"(.*)"$/, '$1'))

test('its commands run, in its order', async () => {
  for (const command of COMMANDS.filter(command => !isTutorial(command))) {
    const { code, err } = await place.vtick(wordsOf(command))
    // `diff` answers "no": the exits differ, which is the point.
    expect({ command, code, err: err.replace(/^vtick: recorded .*\n/, '') }).toEqual({
      command,
      code: command.startsWith('diff') ? 1 : 0,
      err: '',
    })
  }
}, 60_000)

test('its TypeScript prints what it says', async () => {
  const [code] = blocks('ts')
  const module = code!
    .replace("'vtick'", JSON.stringify(join(ROOT, 'src/index.ts')))
    .replace('console.log(', 'export const printed = [')
    .replace(/\) \/\/ (.*)$/m, '] // $1')
  const path = join(place.path, 'snippet.ts')
  writeFileSync(path, module)
  const { printed } = (await import(path)) as { printed: unknown[] }
  expect(printed.join(' ')).toBe(/console\.log.*\/\/ (.*)/.exec(code!)?.[1])
})

test('the rows of the sample are those of a run', async () => {
  const [sample] = [...README.matchAll(/^```\n(Off \(A\).*?)^```$/gms)].map(([, text]) => text!)
  const { out } = await place.vtick('demo')
  for (const line of sample!.trimEnd().split('\n')) expect(out).toContain(`${line}\n`)
})
