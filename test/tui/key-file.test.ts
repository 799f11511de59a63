/** Keys of one's own. */

import { afterEach, expect, it } from 'vitest'
import { parseKeyFile } from '../../src/tui/key-file.ts'
import { BINDINGS, bindOwnKeys, commandOf, pairLabel } from '../../src/tui/keymap.ts'
import { openTraceSource } from '../../src/tui/trace-source.ts'
import { Directory } from '../cli/vtick.ts'
import { recorded } from '../recorded.ts'
import { sitDown } from './streams.ts'

afterEach(() => bindOwnKeys(new Map()))

it('strings and arrays of strings, comments and quoted names', () => {
  const text = `# mine
next-exit = "x"   # was an entry
"row-down" = ['j', "down", "ctrl-n"]

quit = [
]
search = "#"
`
  expect(parseKeyFile(text)).toEqual(
    new Map([
      ['next-exit', ['x']],
      ['row-down', ['j', 'down', 'ctrl-n']],
      ['quit', []],
      ['search', ['#']],
    ]),
  )
})

it.each([
  ['next-exit', 'this is not TOML: illegal character in key'],
  ['next-exot = "e"', 'there is no command `next-exot`; did you mean `next-exit`?'],
  ['next-exit = e', 'this is not TOML: invalid value'],
  ['next-exit = 5', 'the keys of next-exit are to be a string, or strings in brackets'],
  ['[next-exit]', 'the keys of next-exit are to be a string, or strings in brackets'],
  ['next-exit = "ctrl-c"', 'ctrl-c leaves and suspends, whatever happens'],
  ['next-exit = "F5"', '`F5` is no key; a character, or a name as in `vtick keys --json`'],
  ['next-exit = "j"', '`j` is bound further up'],
  ['row-down = "n"', 'this is not TOML: trying to redefine an already defined table or value'],
])('%s is told with its line', (line, problem) => {
  expect(parseKeyFile(`row-down = "j"\n\n${line}\n`)).toEqual({ line: 3, problem })
})

it('a key that is given away is taken from the command that had it; the footer shows the new ones', async () => {
  bindOwnKeys(parseKeyFile('next-exit = "x"\n') as ReturnType<typeof parseKeyFile> & Map<never, never>)
  expect(commandOf('x', 'main')).toBe('next-exit')
  expect(commandOf('e', 'main')).toBeUndefined()
  expect(BINDINGS.find(({ command }) => command === 'next-entry')?.keys).toEqual([])
  expect(pairLabel(BINDINGS.find(({ command }) => command === 'next-exit')!)).toBe('x/E')
  const trace = openTraceSource(recorded('examples/one-shot.asm', { defines: { TICKS: '1' } }).reader, 'one-shot.vtrace')
  const person = await sitDown(trace, { kind: 'event', index: 0 }, [200, 50])
  const screen = await person.screen()
  expect(screen.at(-1)).toContain(' x/E exit ')
  expect(screen.at(-1)).not.toContain('entry')
  await person.type('x')
  expect((await person.screen()).join('\n')).toMatch(/> *\d+ L1 ┌ exit/)
  person.explorer.stop()
})

it('`vtick keys` reads the file, and says what is wrong in it', async () => {
  const place = new Directory({ 'config/vtick/keys.toml': 'next-exit = "x"\n', 'bad/vtick/keys.toml': '\nnext = "x"\n' })
  const env = (name: string) => ({ env: { XDG_CONFIG_HOME: `${place.path}/${name}` } })
  expect((await place.vtick('keys', env('config'))).out).toMatch(/^x +next-exit /m)
  expect((await place.vtick('keys', env('none'))).out).toMatch(/^e +next-exit /m)
  expect(await place.vtick('keys', env('bad'))).toMatchObject({
    code: 2,
    err: expect.stringMatching(/keys\.toml:2: there is no command `next`.*; mend the line/),
  })
  place.remove()
})
