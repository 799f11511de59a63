/**
 * What gdb's `monitor` says to a recording: where it stands, where to go, what to stop at besides gdb's own breakpoints, what the machine
 * holds there, and vtick's own commands about the trace.
 */

import { nearest } from '../base/suggest.ts'
import { FilterError, troubleIn } from '../query/filter-fields.ts'
import { LOCATION_FORMS } from '../query/location.ts'
import { POSITION_FORMS } from '../query/position.ts'
import { stopOf } from '../session/expression-stop.ts'
import { isNowhere, locate } from '../session/locate.ts'
import { finished, type Place, type Timeline, type TimelineView } from '../session/timeline.ts'
import { guestRegisters, levelOf } from '../session/timeline-guest.ts'
import { pageWalkRows } from '../session/timeline-pages.ts'
import { apicRows, cpuRows, type StateRow, vmcsRows } from '../session/timeline-state.ts'
import { continueBackward, continueForward, travel } from '../session/travel.ts'
import { formatEvent } from '../trace/format.ts'
import { addressNamed } from './monitor-address.ts'
import type { GdbHost, Here } from './session.ts'

type Answer = Awaited<ReturnType<GdbHost['monitor']>>

/** Runs one of vtick's commands. */
export type RunCommand = (argv: readonly string[]) => Promise<string>

interface Asked {
  readonly timeline: Timeline
  readonly here: Here
  /** The machine where gdb stands, its CPU the one that gdb looks at. */
  readonly view: TimelineView
  /** The words behind the command, and the same as they were typed. */
  readonly words: readonly string[]
  readonly rest: string
  readonly run: RunCommand
}

interface MonitorCommand {
  readonly form: string
  readonly help: string
  answer(asked: Asked): Answer | Promise<Answer>
}

const UNTIL_HELP = 'an expression: rip == handler, [rsp]:4 == 7, exit(HLT), msr:0x6e0'

const COMMANDS: Readonly<Record<string, MonitorCommand>> = {
  goto: { form: 'goto POSITION', help: `where to stand: ${POSITION_FORMS}`, answer: goTo },
  where: {
    form: 'where',
    help: 'the place: instructions retired, the next event, CPU and level',
    answer: ({ view, timeline }) => ({ text: where(timeline, view) }),
  },
  until: { form: 'until EXPRESSION', help: `on to where it comes true; ${UNTIL_HELP}`, answer: asked => until(asked, continueForward) },
  back: { form: 'back EXPRESSION', help: 'the same, backward', answer: asked => until(asked, continueBackward) },
  break: {
    form: 'break [EXPRESSION]',
    help: 'continue and reverse-continue stop there too; again: not any more; alone: which',
    answer: toggleBreak,
  },
  events: { form: 'events [COUNT]', help: 'so many events before and behind this place', answer: events },
  walk: { form: 'walk ADDRESS', help: 'the paging entries that map a linear address, and where it leads', answer: walk },
  state: { form: 'state vmcs|apic|cpu', help: 'what the machine holds, under headings', answer: state },
  why: {
    form: 'why LOCATION',
    help: `where the value came from: ${LOCATION_FORMS}`,
    answer: async ({ run, timeline, here, words }) => ({ text: await run(['why', positionOf(timeline, here.place), ...words]) }),
  },
  'dump-vmcs': {
    form: 'dump-vmcs',
    help: "the current VMCS in the layout of the kernel's dump_vmcs",
    answer: async ({ run, timeline, here }) => ({ text: await run(['dump-vmcs', positionOf(timeline, here.place)]) }),
  },
  stat: { form: 'stat [OPTIONS]', help: 'counts and times of VM exits, as `vtick stat`', answer: ofTrace('stat') },
  query: { form: 'query FILTER', help: 'the events that a filter lets through, as `vtick query`', answer: ofTrace('query') },
  info: { form: 'info', help: 'what the trace holds', answer: ofTrace('info') },
  check: { form: 'check', help: 'whether the trace is whole', answer: ofTrace('check') },
  replay: { form: 'replay [OPTIONS]', help: 'runs it again and compares; with --set or --param: what if', answer: ofTrace('replay') },
}

function ofTrace(command: string): MonitorCommand['answer'] {
  return async ({ run, words }) => ({ text: await run([command, ...words]) })
}

function help(): string {
  const width = Math.max(...Object.values(COMMANDS).map(({ form }) => form.length))
  return Object.values(COMMANDS)
    .map(row => `${row.form.padEnd(width)}  ${row.help}\n`)
    .join('')
}

/** What answers a line after `monitor`; `run` runs one of vtick's commands about this trace. */
export const monitorOf =
  (timeline: Timeline, run: RunCommand): GdbHost['monitor'] =>
  async (line, here) => {
    const [command = '', ...words] = line.match(/"[^"]*"|'[^']*'|\S+/g)?.map(word => word.replace(/^(["'])(.*)\1$/, '$2')) ?? []
    if (command === '' || command === 'help') return { text: help() }
    const row = Object.hasOwn(COMMANDS, command) ? COMMANDS[command] : undefined
    if (row === undefined) {
      const near = nearest(command, Object.keys(COMMANDS))
      return {
        text: `there is no \`monitor ${command}\`; ${near === undefined ? '' : `did you mean \`${near}\`? `}\`monitor help\` lists all\n`,
      }
    }
    const view = { ...timeline.atMoment(here.place), cpu: here.cpu }
    return await row.answer({ timeline, here, view, words, rest: line.trim().slice(command.length).trim(), run })
  }

/** As the position grammar writes it. */
function positionOf(timeline: Timeline, place: Place): string {
  const { eventIndex } = timeline.atMoment({ instructions: place.instructions, events: 0 })
  return eventIndex < place.events ? `#${place.events - 1}` : `i:${place.instructions}`
}

function where({ reader }: Timeline, { machine, cpu, instructions, eventIndex, tick }: TimelineView): string {
  return `${instructions} instructions retired, next event #${eventIndex} of ${reader.count}, tick ${tick}, CPU ${cpu}, L${levelOf(machine, cpu)}\n`
}

/** gdb is not told that the place is another one. */
function arrive(timeline: Timeline, place: Place): Answer {
  const view = timeline.atMoment(place)
  return {
    text: `${where(timeline, view)}until the next stop gdb shows the old place: \`maintenance flush register-cache\`\n`,
    place: { instructions: view.instructions, events: view.eventIndex },
  }
}

function goTo({ timeline, rest }: Asked): Answer {
  const found = finished(locate(timeline, rest))
  return isNowhere(found) ? { text: `${found.problem}; ${found.help}\n` } : arrive(timeline, found)
}

/** The stop that an expression means; a text is what is wrong with it. */
function stopNamed(timeline: Timeline, text: string): ReturnType<typeof stopOf> | string {
  try {
    return stopOf(timeline, text)
  } catch (error) {
    if (error instanceof FilterError) return `${troubleIn(text, error)}${error.help === '' ? '' : `; ${error.help}`}\n`
    throw error
  }
}

function until({ timeline, here, rest }: Asked, direction: typeof continueForward): Answer {
  const stop = stopNamed(timeline, rest)
  if (typeof stop === 'string') return { text: stop }
  const arrival = travel(direction(timeline, here.place, [stop]))!
  return arrival.reason.kind === 'stop' ? arrive(timeline, arrival.place) : { text: `\`${rest}\` never comes true from here\n` }
}

function toggleBreak({ timeline, here: { breakpoints }, rest }: Asked): Answer {
  if (rest === '') return { text: breakpoints.expressions.map(each => `${each}\n`).join('') || 'no expression is stopped at\n' }
  const stop = stopNamed(timeline, rest)
  if (typeof stop === 'string') return { text: stop }
  return { text: breakpoints.toggle(rest, stop) ? `stops at \`${rest}\`\n` : `does not stop at \`${rest}\` any more\n` }
}

const FEW_EVENTS = 5
const MOST_EVENTS = 1000

function events({ timeline: { reader }, view: { eventIndex }, words: [text = String(FEW_EVENTS)] }: Asked): Answer {
  const count = Number(text)
  if (!Number.isInteger(count) || count < 1 || count > MOST_EVENTS) return { text: `\`${text}\` is no count; write 1 to ${MOST_EVENTS}\n` }
  const from = Math.max(0, eventIndex - count)
  const to = Math.min(reader.count, eventIndex + count)
  const rows = Array.from(
    { length: to - from },
    (_, i) => `${from + i === eventIndex ? '>' : ' '} ${formatEvent(reader.event(from + i), from + i)}\n`,
  )
  return { text: rows.join('') }
}

function walk({ timeline, view, rest }: Asked): Answer {
  const linear = addressNamed(timeline, view, rest)
  return { text: typeof linear === 'string' ? linear : rowsText(pageWalkRows(view, guestRegisters(view), linear)) }
}

const STATES: Readonly<Record<string, (view: TimelineView) => readonly StateRow[]>> = { vmcs: vmcsRows, apic: apicRows, cpu: cpuRows }

function state({ view, words: [which = ''] }: Asked): Answer {
  const rowsOf = Object.hasOwn(STATES, which) ? STATES[which] : undefined
  if (rowsOf === undefined) return { text: `write one of ${Object.keys(STATES).join(', ')}\n` }
  return { text: rowsText(rowsOf(view)) }
}

const rowsText = (rows: readonly StateRow[]): string =>
  rows
    .map(row => (row.kind === 'heading' ? `${row.text}\n` : `${`  ${row.name.padEnd(28)} ${row.text}  ${row.note}`.trimEnd()}\n`))
    .join('')
