/**
 * asm coverage in four forms: a table with what was missed, JSON, the tracefile of lcov ("geninfo", FILES), and the sources with
 * their counts in front of each line.
 */

import type { Reporter, TestModule } from 'vitest/node'
import type { FileCoverage, LineCoverage } from '../coverage.ts'
import { type CoverageTotal, hitsOf, mergedCoverage, type Share, totalOf } from '../coverage-total.ts'

const percent = ({ found, hit }: Share): string => (found === 0 ? '-' : `${((100 * hit) / found).toFixed(1)}%`)

const exitsText = ({ exits }: LineCoverage): string =>
  Object.entries(exits)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([reason, count]) => `${reason} ${count}`)
    .join(', ')

const COLUMNS = ['lines', '', 'branch ways', '', 'exits', 'file']

const cellsOf = ({ lines, branches, exits }: CoverageTotal, name: string): string[] => [
  `${lines.hit}/${lines.found}`,
  percent(lines),
  `${branches.hit}/${branches.found}`,
  percent(branches),
  String(exits),
  name,
]

const WIDTHS = [9, 7, 12, 7, 7]

const rowOf = (cells: readonly string[]): string =>
  cells.map((cell, at) => (at < WIDTHS.length ? cell.padStart(WIDTHS[at]!) : `  ${cell}`)).join('')

/** `3, 7-9`: neighbours among `lines` count as a stretch, whatever stands between them that is no code. */
function stretches(lines: readonly LineCoverage[], isMissed: (line: LineCoverage) => boolean): string {
  const found: [first: number, last: number][] = []
  let isOpen = false
  for (const line of lines) {
    const missed = isMissed(line)
    if (missed && isOpen) found.at(-1)![1] = line.line
    else if (missed) found.push([line.line, line.line])
    isOpen = missed
  }
  return found.map(([first, last]) => (first === last ? String(first) : `${first}-${last}`)).join(', ')
}

function missedBranches({ line, branches }: LineCoverage): string[] {
  return branches.flatMap(({ taken, notTaken }) => {
    if (taken + notTaken === 0 || (taken > 0 && notTaken > 0)) return []
    return [`${line} ${taken === 0 ? 'never taken' : 'always taken'}`]
  })
}

function textOf(files: readonly FileCoverage[]): string {
  const rows = files.flatMap(({ file, lines }) => {
    const details = [
      ['not executed', stretches(lines, line => hitsOf(line) === 0)],
      ['one way only', lines.flatMap(missedBranches).join(', ')],
      ['exits', lines.flatMap(line => (exitsText(line) === '' ? [] : [`${line.line} ${exitsText(line)}`])).join('; ')],
    ] as const
    return [rowOf(cellsOf(totalOf(lines), file)), ...details.flatMap(([what, which]) => (which === '' ? [] : [`    ${what}: ${which}`]))]
  })
  if (files.length === 0) return 'no test has left its coverage: nothing ran, or shards ran without --coverage\n'
  const all = rowOf(cellsOf(totalOf(files.flatMap(({ lines }) => lines)), 'all files'))
  return `${[rowOf(COLUMNS), ...rows, all].join('\n')}\n`
}

function jsonOf(files: readonly FileCoverage[]): string {
  const shown = files.map(({ file, lines }) => ({
    file,
    total: totalOf(lines),
    lines: lines.map(line => ({ ...line, hits: hitsOf(line) })),
  }))
  return `${JSON.stringify({ total: totalOf(files.flatMap(({ lines }) => lines)), files: shown }, null, 2)}\n`
}

/** Of a line's n-th branch, which lcov calls a block, branch 0 is taken and branch 1 is not. */
const branchRecords = ({ line, branches }: LineCoverage): string[] =>
  branches.flatMap(({ taken, notTaken }, block) =>
    [taken, notTaken].map((count, way) => `BRDA:${line},${block},${way},${taken + notTaken === 0 ? '-' : count}`),
  )

function lcovOf(files: readonly FileCoverage[]): string {
  const records = files.flatMap(({ file, lines }) => {
    const total = totalOf(lines)
    return [
      'TN:vtick',
      `SF:${file}`,
      ...lines.flatMap(branchRecords),
      `BRF:${total.branches.found}`,
      `BRH:${total.branches.hit}`,
      ...lines.map(line => `DA:${line.line},${hitsOf(line)}`),
      `LF:${total.lines.found}`,
      `LH:${total.lines.hit}`,
      'end_of_record',
    ]
  })
  return records.map(record => `${record}\n`).join('')
}

const UNSEEN = '#####'

/** As gcov marks lines: their count, `#####` where it is 0, nothing where there is no code. */
function listingOf(files: readonly FileCoverage[]): string {
  return files.map(({ file, text, lines }) => `${file}\n${listedLines(text, lines).join('\n')}\n`).join('\n')
}

function listedLines(text: string, lines: readonly LineCoverage[]): string[] {
  const known = new Map(lines.map(line => [line.line, line]))
  const source = text.replace(/\n$/, '').split(/\r?\n/)
  return ['    hits  taken/not  line', ...source.map((words, index) => listedLine(index + 1, words, known.get(index + 1)))]
}

function listedLine(number: number, words: string, line: LineCoverage | undefined): string {
  const hits = line === undefined ? '' : hitsOf(line) === 0 ? UNSEEN : String(hitsOf(line))
  const ways = line?.branches.map(({ taken, notTaken }) => `${taken}/${notTaken}`).join(' ') ?? ''
  const exits = line === undefined || exitsText(line) === '' ? '' : `    <- ${exitsText(line)}`
  return `${hits.padStart(8)}  ${ways.padStart(9)} ${String(number).padStart(5)}  ${words}${exits}`.trimEnd()
}

const FORMS = { text: textOf, json: jsonOf, lcov: lcovOf, listing: listingOf } as const satisfies Readonly<
  Record<string, (files: readonly FileCoverage[]) => string>
>

export type CoverageForm = keyof typeof FORMS

export const coverageText = (form: CoverageForm, cells: readonly (readonly FileCoverage[])[]): string => FORMS[form](mergedCoverage(cells))

export const coverageReporter = (form: CoverageForm, write: (text: string) => void): Reporter => ({
  onTestRunEnd(modules: readonly TestModule[]) {
    const tests = modules.flatMap(module => [...module.children.allTests()])
    const cells = tests.flatMap(test => {
      const covered = test.meta().vtick?.coverage
      return covered === undefined ? [] : [covered]
    })
    write(coverageText(form, cells))
  },
})
