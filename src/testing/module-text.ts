/**
 * The JavaScript module that stands for a guest test, line for line: line n of it maps to line n of the asm file. Each line holds a
 * function that makes an error, so that a failure's stack frame is the asm line that it is about; the tests stand on the line that
 * names them.
 */

import { cellsOf, type GuestTestPlan, titleOf } from './plan.ts'

export interface ModuleOptions {
  readonly path: string
  readonly root: string
  readonly source: string
  /** Null: the directives cannot be followed, and `problemLine` has the first reason. */
  readonly plan: GuestTestPlan | null
  readonly problemLine: number
  /** The module with `openGuestTest`. */
  readonly runtime: string
  /** Why the test is not run, other than by its own word; empty if it is. */
  readonly leftOut: string
  readonly coverage?: boolean
}

export interface ModuleText {
  readonly code: string
  readonly map: {
    readonly version: 3
    readonly sources: string[]
    readonly sourcesContent: string[]
    readonly names: string[]
    readonly mappings: string
  }
}

export function moduleText(options: ModuleOptions): ModuleText {
  const { path, source, plan } = options
  const asm = source.split(/\r?\n/)
  const lines = asm.map((_, index) => `function at${index + 1}(text) { return new Error(text) }`)
  const add = (line: number, code: string): void => {
    lines[line - 1] += `; ${code}`
  }
  add(1, prologue(options, asm.length))
  if (plan === null) add(options.problemLine, 'test("its directives can be followed", ({ task }) => guest.refuse(task))')
  else for (const [index, cell] of cellsOf(plan.matrix).entries()) add(plan.place.line, call(options, plan, titleOf(plan, cell), index))
  const columns = asm.map(text => Math.max(0, text.search(/\S/)))
  return {
    code: lines.join('\n'),
    map: { version: 3, sources: [path], sourcesContent: [source], names: [], mappings: mappingsOf(columns) },
  }
}

const prologue = ({ path, root, runtime, coverage = false }: ModuleOptions, lines: number): string =>
  [
    'import { expect, test } from "vitest"',
    `import { openGuestTest } from ${JSON.stringify(runtime)}`,
    `const errors = [${Array.from({ length: lines }, (_, index) => `at${index + 1}`).join(', ')}]`,
    `const guest = openGuestTest({ path: ${JSON.stringify(path)}, root: ${JSON.stringify(root)}, errorAt: line => errors[line - 1], golden: text => expect(text).toMatchSnapshot(), coverage: ${coverage} })`,
  ].join('; ')

function call({ leftOut }: ModuleOptions, { skip, only, fails }: GuestTestPlan, title: string, index: number): string {
  const why = skip ?? leftOut
  if (why !== '') return `test(${JSON.stringify(title)}, context => guest.skip(${index}, context, ${JSON.stringify(why)}))`
  const manner = `${only ? '.only' : ''}${fails === null ? '' : '.fails'}`
  const name = fails === null ? title : `${title} (fails: ${fails})`
  return `test${manner}(${JSON.stringify(name)}, ({ task }) => guest.run(${index}, task))`
}

const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'

/** A signed number in the base-64 digits of source maps, lowest five bits first. */
function digits(value: number): string {
  let rest = value < 0 ? (-value << 1) | 1 : value << 1
  let text = ''
  do {
    const more = rest >> 5 > 0 ? 32 : 0
    text += DIGITS[(rest & 31) | more]
    rest >>= 5
  } while (rest > 0)
  return text
}

/** One segment a line: everything on it comes from the same line of the asm file, at that line's column. */
function mappingsOf(columns: readonly number[]): string {
  let last = 0
  return columns
    .map((column, index) => {
      const segment = `AA${index === 0 ? 'A' : 'C'}${digits(column - last)}`
      last = column
      return segment
    })
    .join(';')
}
