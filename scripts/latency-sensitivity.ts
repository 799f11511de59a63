/** The sensitivity table of docs/latency-model.md: how far each cost, halved and doubled, moves the cells of the tables. */

import { readFileSync, writeFileSync } from 'node:fs'
import { COSTS, type CostName, defaultCosts } from '../src/hw/time/costs.ts'
import { cellsOf } from '../src/latency/report.ts'
import { type MeasuredRow, measureTables } from '../src/latency/tables.ts'

const DOCUMENT = new URL('../docs/latency-model.md', import.meta.url)
const [BEGIN, END] = ['<!-- sensitivity -->', '<!-- end of sensitivity -->']
const DURATION_MS = 1

function cells(costs: ReturnType<typeof defaultCosts>): { readonly label: string; readonly ours: number }[] {
  const slices = measureTables({ periodNs: 10_000, durationMs: DURATION_MS, costs, jitterSeed: null })
  for (;;) {
    const { done, value } = slices.next(false)
    if (done) return value.flatMap(measured => cellsOf(measured).map(({ of, ours }) => ({ label: labelOf(measured, of), ours })))
  }
}

const letter = (value: boolean | null): string => (value === null ? '' : value ? 'Y' : 'N')

const labelOf = ({ row: { guest, level, l0, nested, wait } }: MeasuredRow, of: string): string =>
  `${level} ${letter(l0)}${letter(nested)} ${guest === 'cyclictest' ? 'cyclictest' : wait} ${of}`

const before = cells(defaultCosts())

/** The cells that move by two points or more, the furthest first. */
function moved(name: CostName, factor: number): string {
  const after = cells({ ...defaultCosts(), [name]: Math.round(COSTS[name].ticks * factor) })
  const far = after
    .map(({ label, ours }, index) => ({ label, by: ours - before[index]!.ours }))
    .filter(({ by }) => Math.abs(by) >= 2)
    .sort((a, b) => Math.abs(b.by) - Math.abs(a.by))
  return far.length === 0
    ? 'none'
    : far
        .slice(0, 4)
        .map(({ label, by }) => `${label} ${by > 0 ? '+' : ''}${by.toFixed(0)}`)
        .join(', ')
}

const lines = (Object.keys(COSTS) as CostName[]).map(name => {
  const line = `| ${name} | ${COSTS[name].ticks} | ${moved(name, 0.5)} | ${moved(name, 2)} |`
  process.stderr.write(`${line}\n`)
  return line
})
const table = ['| cost | ticks | halved | doubled |', '| --- | ---: | --- | --- |', ...lines].join('\n')
const text = readFileSync(DOCUMENT, 'utf8')
const [head = '', rest = ''] = text.split(BEGIN)
writeFileSync(DOCUMENT, `${head}${BEGIN}\n${table}\n${END}${rest.split(END)[1] ?? ''}`)
