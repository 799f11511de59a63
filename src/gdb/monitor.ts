/** What gdb's `monitor` says to a recording: where it stands, where to go, and vtick's own commands about the trace. */

import { POSITION_FORMS, parsePosition, resolvePosition } from '../query/position.ts'
import type { Place, Timeline } from '../session/timeline.ts'
import type { GdbHost } from './session.ts'

const MONITOR_COMMANDS = ['stat', 'info', 'query', 'replay'] as const

const HELP = `goto POSITION   where to stand: ${POSITION_FORMS}
where           the place: instructions retired, the next event
${MONITOR_COMMANDS.join(', ')}   as vtick's commands, about this trace
`

/** What answers a line after `monitor`; `run` runs one of vtick's commands about this trace. */
export const monitorOf =
  (timeline: Timeline, run: (argv: readonly string[]) => Promise<string>): GdbHost['monitor'] =>
  async (line, place) => {
    const [command = '', ...words] = line.match(/"[^"]*"|'[^']*'|\S+/g)?.map(word => word.replace(/^(["'])(.*)\1$/, '$2')) ?? []
    if (command === 'goto') return goTo(words[0] ?? '', timeline)
    if (command === 'where') return { text: where(timeline, place) }
    if ((MONITOR_COMMANDS as readonly string[]).includes(command)) return { text: await run([command, ...words]) }
    return { text: HELP }
  }

function goTo(text: string, timeline: Timeline): Awaited<ReturnType<GdbHost['monitor']>> {
  const { reader } = timeline
  const position = parsePosition(text)
  const place = position && resolvePosition(position, reader.count)
  if (place === undefined) return { text: `\`${text}\` is no position here: write ${POSITION_FORMS}\n` }
  const { instructions, eventIndex } = timeline.atMoment(
    place.kind === 'event'
      ? { instructions: timeline.instructionOfEvent(place.index), events: place.index }
      : { instructions: place.count, events: 0 },
  )
  const here = { instructions, events: eventIndex }
  return {
    text: `${where(timeline, here)}until the next stop gdb shows the old place: \`maintenance flush register-cache\`\n`,
    place: here,
  }
}

function where(timeline: Timeline, place: Place): string {
  const { instructions, eventIndex, tick } = timeline.atMoment(place)
  return `${instructions} instructions retired, next event #${eventIndex}, tick ${tick}\n`
}
