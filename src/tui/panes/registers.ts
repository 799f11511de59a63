/** The registers at the place, with flags in words and the timer. What differs from the compare point carries `*`. */

import { hex } from '../../base/u64.ts'
import { type Location, registerNamed } from '../../query/location.ts'
import { symbolsOf } from '../../session/timeline-symbols.ts'
import { MSRS } from '../../spec/msrs.ts'
import { GPR_NAMES } from '../../spec/registers.ts'
import { RFLAGS } from '../../spec/rflags.ts'
import { comparePlace, runningLevel } from '../compare.ts'
import { type Line, type Span, span, widthOf } from '../lines.ts'
import type { Model } from '../model.ts'
import type { Moment } from '../trace-source.ts'
import { type Block, plainBlock, stacked, valueBlock } from './state-block.ts'

/** One value of the state: its name, its text, and whether it is new. */
interface Value {
  readonly name: string
  readonly text: string
  readonly changed: boolean
}

const word = (value: bigint): string => value.toString(16).padStart(16, '0')

type Read = (moment: Moment) => bigint

const namedValue = (name: string, here: Moment, before: Moment, read: Read, text = word): Value => ({
  name,
  text: text(read(here)),
  changed: read(here) !== read(before),
})

/** RAX..RDX first, as people list them. */
const ORDER = [0, 3, 1, 2, 6, 7, 5, 4, 8, 9, 10, 11, 12, 13, 14, 15]

const NAME_WIDTH = 4
const VALUE_WIDTH = 1 + NAME_WIDTH + 16 + 2

const valueSpans = ({ name, text, changed }: Value): Span[] => [
  span(`${changed ? '*' : ' '}${name.padEnd(NAME_WIDTH)}`, changed ? 'changed' : 'plain'),
  span(text, changed ? 'changed' : 'plain'),
]

/** As many columns of values as fit side by side; the cursor goes down each. */
function columns(values: readonly Value[], width: number): Block {
  const across = Math.max(1, Math.min(3, Math.floor((width + 2) / VALUE_WIDTH)))
  const down = Math.ceil(values.length / across)
  const lines = Array.from({ length: down }, (_, row) => {
    const picked = Array.from({ length: across }, (_, column) => values[row + column * down]).filter(value => value !== undefined)
    return picked.flatMap((value, position) => (position === 0 ? valueSpans(value) : [span('  '), ...valueSpans(value)]))
  })
  const picks = values.map(({ name }, n) => ({ row: n % down, at: 3 * Math.floor(n / down), location: registerNamed(name) }))
  return { lines, picks }
}

const FLAG_WORDS: readonly (readonly [bit: number, words: string])[] = [
  [RFLAGS.CF, 'carry'],
  [RFLAGS.PF, 'parity'],
  [RFLAGS.AF, 'adjust'],
  [RFLAGS.ZF, 'zero'],
  [RFLAGS.SF, 'sign'],
  [RFLAGS.OF, 'overflow'],
  [RFLAGS.DF, 'down'],
  [RFLAGS.TF, 'trap'],
  [RFLAGS.RF, 'resume'],
  [RFLAGS.AC, 'align'],
]

const has = (flags: bigint, bit: number): boolean => (flags & (1n << BigInt(bit))) !== 0n

/** Interrupts on or off first; then what is set. */
export const flagWords = (flags: bigint): readonly string[] => [
  has(flags, RFLAGS.IF) ? 'interrupts on' : 'interrupts off',
  ...FLAG_WORDS.filter(([bit]) => has(flags, bit)).map(([, words]) => words),
]

/** Words in as many lines as they need, indented under a name. */
function wrapped(name: string, words: readonly string[], changed: boolean, width: number): Line[] {
  const indent = 1 + NAME_WIDTH
  const rows: string[] = []
  for (const [position, text] of words.entries()) {
    const piece = position === words.length - 1 ? text : `${text},`
    const last = rows.at(-1)
    if (last === undefined || indent + widthOf(`${last} ${piece}`) > width) rows.push(piece)
    else rows[rows.length - 1] = `${last} ${piece}`
  }
  const tone = changed ? 'changed' : 'plain'
  return rows.map((row, position) => [
    span(position === 0 ? `${changed ? '*' : ' '}${name.padEnd(NAME_WIDTH)}` : ' '.repeat(indent), tone),
    span(row, tone),
  ])
}

const DEADLINE: Location = { kind: 'msr', index: MSRS.MSR_IA32_TSC_DEADLINE.index }

function timerBlock({ timer }: Moment, before: Moment, width: number): Block {
  const { tsc, deadline, carrier } = timer
  const changed = deadline !== before.timer.deadline || carrier !== before.timer.carrier
  const left = deadline - tsc
  const rows = deadline === 0n ? ['no deadline'] : [hex(deadline), left >= 0n ? `in ${left} cycles` : `${-left} cycles ago`, carrier]
  return stacked([plainBlock([span(' tsc '), span(hex(tsc))]), valueBlock(wrapped('due', rows, changed, width), DEADLINE)])
}

export function registerBlock(model: Model, width: number): Block {
  const { trace, place, vcpu } = model
  const here = trace.moment(place, vcpu)
  const before = trace.moment(comparePlace(model), here.cpu)
  const { registers } = here
  const value = (name: string, read: Read, text = word): Value => namedValue(name, here, before, read, text)
  const general = ORDER.map(index => value(GPR_NAMES[64][index]!, ({ registers: { gpr } }) => gpr[index]!))
  const symbol = symbolsOf(trace.image).nameOf(registers.rip)
  const who = registers.level === 1 ? 'the guest runs' : trace.mode === 'bare' ? 'the CPU itself' : 'KVM is at work'
  const flags = wrapped('fl', flagWords(registers.rflags), registers.rflags !== before.registers.rflags, width)
  const level = `L${registers.level === 0 ? 0 : runningLevel(model)}`
  return stacked([
    columns(general, width),
    columns([value('rip', m => m.registers.rip)], width),
    ...(symbol === undefined ? [] : [plainBlock([span(`${' '.repeat(1 + NAME_WIDTH)}${symbol}`)])]),
    valueBlock(flags, registerNamed('rflags')),
    plainBlock(...wrapped(level, [who, `ring ${registers.cpl}`], registers.level !== before.registers.level, width)),
    timerBlock(here, before, width),
    columns(
      [
        value('cr0', m => m.registers.cr0),
        value('cr2', m => m.registers.cr2),
        value('cr3', m => m.registers.cr3),
        value('cr4', m => m.registers.cr4),
      ],
      width,
    ),
    columns([value('cs', m => BigInt(m.registers.cs), hex), value('ss', m => BigInt(m.registers.ss), hex)], width),
  ])
}

export const registerLines = (model: Model, width: number): readonly Line[] => registerBlock(model, width).lines
