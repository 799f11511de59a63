/** Marks and notes in the explorer and in the file beside the trace. */

import { mkdirSync, mkdtempSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeEach, expect, it } from 'vitest'
import { processIo } from '../../src/cli/io.ts'
import { marksFile } from '../../src/cli/marks-file.ts'
import { openTraceSource } from '../../src/tui/trace-source.ts'
import { Directory } from '../cli/vtick.ts'
import { recorded } from '../recorded.ts'
import { SIZES, type Sitting, sitDown } from './streams.ts'

const { bytes, reader } = recorded('examples/one-shot.asm', { defines: { TICKS: '3' } })
const trace = openTraceSource(reader, 'one-shot.vtrace')
const folder = mkdtempSync(join(tmpdir(), 'vtick-marks-'))
const path = join(folder, 't.vtrace.marks')
afterAll(() => rmSync(folder, { recursive: true }))
beforeEach(() => rmSync(path, { recursive: true, force: true }))

it('a mark is a position for the commands too', async () => {
  const place = new Directory({ 't.vtrace': bytes, 't.vtrace.marks': 'a #300\n' })
  const marked = await place.vtick(['replay', 't.vtrace', '--to', "'a"])
  expect(marked).toMatchObject({ code: 0, out: (await place.vtick(['replay', 't.vtrace', '--to', '#300'])).out })
  expect(await place.vtick(['explore', 't.vtrace', '--at', "'b"])).toMatchObject({ code: 2, err: expect.stringContaining("no mark 'b") })
  place.remove()
})

const file = marksFile({ ...processIo(), cwd: folder }, 't.vtrace')
const sit = (size: readonly [number, number] = [120, 40], index = 300): Promise<Sitting> =>
  sitDown(trace, { kind: 'event', index }, size, {}, { marks: file })
const screenOf = async (person: Sitting): Promise<string> => (await person.screen()).join('\n')

it.each(SIZES)('marks and notes of one sitting are there in the next, at %ix%i', async (columns, rows) => {
  const person = await sit([columns, rows])
  await person.type('majmb')
  await person.type(':note look here\r')
  person.explorer.stop()
  expect(readFileSync(path, 'utf8')).toBe('a #300\nb #301  look here\n')
  const other = await sit([columns, rows], 0)
  await other.type('M')
  expect(await screenOf(other)).toMatch(/a #300 .*\n.*b #301 .*look here/)
  await other.type('jj\r')
  expect((await other.screen())[0]).toContain('#301/')
  await other.type("'a")
  expect((await other.screen())[0]).toContain('#300/')
  other.explorer.stop()
})

it('what people write into the file meanwhile stays, and counts', async () => {
  const person = await sit()
  await person.type('ma')
  writeFileSync(path, `# mine\n${readFileSync(path, 'utf8')}q #7  by hand\n`)
  await person.type("jmb'q")
  expect(readFileSync(path, 'utf8')).toBe('# mine\na #300\nq #7  by hand\nb #301\n')
  expect((await person.screen())[0]).toContain('#7/')
  expect(await screenOf(person)).toMatch(/> *7 .*by hand/)
  person.explorer.stop()
})

it('a line that means nothing is told in one line and left alone', async () => {
  writeFileSync(path, 'a #5\nbogus\n')
  const person = await sit()
  expect((await person.screen()).at(-1)).toContain('t.vtrace.marks, line 2: write a letter or -, a position, and a note')
  await person.type('mb')
  expect(readFileSync(path, 'utf8')).toBe('a #5\nbogus\nb #300\n')
  person.explorer.stop()
})

it('where the file cannot be written, marks hold until it can, and one line says so', async () => {
  mkdirSync(path) // a directory stands there
  const person = await sit()
  expect((await person.screen()).at(-1)).toContain('cannot read t.vtrace.marks: it is a directory')
  await person.type('ma')
  expect((await person.screen()).at(-1)).toMatch(/mark 'a is #300, not saved: cannot/)
  await person.type("g@end\r'a")
  expect((await person.screen())[0]).toContain('#300/')
  rmdirSync(path)
  await person.type('jmb')
  expect(readFileSync(path, 'utf8')).toBe('a #300\nb #301\n')
  person.explorer.stop()
})
