/** What `:` takes: the commands of the keymap by name, and those that need words. */

import { SYSTEM_REGISTERS } from '../query/location.ts'
import { EDIT_FORMS } from '../session/edit.ts'
import { VMCS_NAMES } from '../session/timeline-vmcs.ts'
import { MSRS } from '../spec/msrs.ts'
import { GPR_NAMES } from '../spec/registers.ts'
import { VMCS_FIELDS } from '../spec/vmcs-fields.ts'
import { isCliCommand, runCli } from './cli.ts'
import { locationNamed, pointNamed, toggleBreakpoint } from './journeys.ts'
import { BINDINGS, type Command } from './keymap.ts'
import { showView } from './looking.ts'
import { jot, marksText } from './marks.ts'
import { addressOf } from './memory-address.ts'
import { type Model, STATE_VIEWS, THEMES, type ThemeName } from './model.ts'
import { openDiff } from './overlay.ts'
import { goToNamed } from './positions.ts'
import type { RunCommand } from './prompt.ts'
import { editHere } from './rerun.ts'
import type { TraceSource } from './trace-source.ts'
import { ask } from './why.ts'

/** A command with words: what may follow it, and what it does; a text is what is wrong. */
interface WordCommand {
  readonly help: string
  readonly words?: (trace: TraceSource) => readonly string[]
  run(model: Model, text: string): Model | string
}

const SETTINGS = ['mouse on', 'mouse off', 'ascii on', 'ascii off', ...THEMES.map(theme => `theme ${theme}`)]

function set(model: Model, text: string): Model | string {
  const [name, value] = text.split(/\s+/)
  if (name === 'mouse' && (value === 'on' || value === 'off'))
    return { ...model, mouse: value === 'on', notice: value === 'on' ? 'clicks and the wheel work' : 'the terminal selects text again' }
  if (name === 'ascii' && (value === 'on' || value === 'off')) return { ...model, ascii: value === 'on' }
  if (name === 'theme' && (THEMES as readonly string[]).includes(value ?? '')) return { ...model, theme: value as ThemeName }
  return `one of: ${SETTINGS.join(', ')}`
}

const labels = ({ image }: TraceSource): readonly string[] => image.symbols.filter(({ kind }) => kind === 'label').map(({ name }) => name)

/** The names of locations, for commands that ask for one. */
const locationWords = ({ image }: TraceSource): readonly string[] => [
  ...GPR_NAMES[64],
  ...SYSTEM_REGISTERS,
  'exit',
  'irq:0x',
  ...Object.keys(MSRS).map(name => `msr:${name}`),
  ...Object.keys(VMCS_FIELDS).map(name => `vmcs.${name}`),
  ...image.symbols.filter(({ kind }) => kind === 'label').map(({ name }) => `[${name}]`),
]

export const WORD_COMMANDS: Readonly<Record<string, WordCommand>> = {
  set: { help: 'set mouse off, set theme light, set ascii on', words: () => ['mouse', 'ascii', 'theme', 'on', 'off', ...THEMES], run: set },
  mem: {
    help: 'memory at an address, a label or a register: mem rsp+8',
    words: labels,
    run: (model, text) =>
      addressOf(model, text) === undefined
        ? `\`${text}\` is no address, label or register`
        : showView({ ...model, memory: text }, 'memory'),
  },
  go: {
    help: 'go to a position: go #100, go label',
    words: labels,
    run: goToNamed,
  },
  note: {
    help: 'a note at this position: note EAX is wrong from here on; without words it is taken away',
    run: (model, text) => jot(model, { kind: 'note', place: model.place, text }),
  },
  save: {
    help: 'the run that is shown, where it is in no file yet: save T.vtrace',
    run: (model, text) => {
      const { bytes } = model.trace
      if (bytes === undefined) return `it is in ${model.trace.name} already`
      if (text === '' || model.cli === null) return 'save FILE: the trace to write'
      const trouble = model.cli.save(text, bytes(), marksText(model))
      return trouble ?? { ...model, notice: `saved: vtick explore ${text}` }
    },
  },
  diff: {
    help: 'compare with another trace: diff FILE',
    run: (model, text) => (text === '' ? 'diff FILE: the trace to compare with' : openDiff(model, text)),
  },
  break: {
    help: 'at an address, events or what becomes true: break judge, break exit(HLT), break rax == 5',
    words: labels,
    run: (model, text) => {
      const address = addressOf(model, text)
      if (address !== undefined) return toggleBreakpoint(model, { kind: 'code', address })
      const point = pointNamed(model.trace, text)
      return typeof point === 'string' ? point : toggleBreakpoint(model, point)
    },
  },
  watch: {
    help: 'a breakpoint at each change of a value: watch [counter]:4, watch rax',
    words: locationWords,
    run: (model, text) => {
      const location = locationNamed(model.trace, text)
      return typeof location === 'string' ? location : toggleBreakpoint(model, { kind: 'change', location })
    },
  },
  vmcs: {
    help: `which VMCS the state pane shows: ${VMCS_NAMES.join(', ')}`,
    words: () => VMCS_NAMES,
    run: (model, text) => {
      const vmcs = VMCS_NAMES.find(name => name === text)
      return vmcs === undefined ? `one of: ${VMCS_NAMES.join(', ')}` : { ...showView(model, 'vmcs'), vmcs }
    },
  },
  follow: {
    help: 'the value whose changes ( and ) go to: follow rax',
    words: locationWords,
    run: (model, text) => {
      const location = locationNamed(model.trace, text)
      return typeof location === 'string' ? location : { ...model, followed: location, notice: ') and ( go to the changes of it' }
    },
  },
  why: {
    help: 'where a value came from: why rax, why [counter]:4, why vmcs.GUEST_RIP',
    words: locationWords,
    run: (model, text) => {
      const location = locationNamed(model.trace, text)
      return typeof location === 'string' ? location : ask(model, { location, place: model.place })
    },
  },
  edit: {
    help: 'what if a value were another from here on: edit rax=5, edit [counter]:4=7',
    run: (model, text) => (text === '' ? `edit ${EDIT_FORMS}` : editHere(model, text)),
  },
  view: {
    help: 'what the state pane shows',
    words: () => STATE_VIEWS,
    run: (model, text) => {
      const view = STATE_VIEWS.find(name => name === text)
      return view === undefined ? `one of: ${STATE_VIEWS.join(', ')}` : showView(model, view)
    },
  },
}

/** Everything that may stand first. */
const namesOf = ({ cli }: Pick<Model, 'cli'>): readonly string[] => [
  ...new Set([...Object.keys(WORD_COMMANDS), ...BINDINGS.map(({ command }) => command), ...(cli?.commands ?? []).map(({ name }) => name)]),
]

/** What the last word of a line may become. */
export function wordsThatFit({ trace, cli }: Pick<Model, 'trace' | 'cli'>, text: string): readonly string[] {
  const [first = '', ...rest] = text.split(/\s+/)
  if (rest.length === 0) return namesOf({ cli }).filter(name => name.startsWith(first))
  const last = rest.at(-1)!
  const options = cli?.commands.find(({ name }) => name === first)?.options ?? []
  const words = last.startsWith('-') ? options : (WORD_COMMANDS[first]?.words?.(trace) ?? options)
  return words.filter(word => word.startsWith(last))
}

/** Undefined where no command, or more than one, begins so. */
function commandNamed(name: string): Command | undefined {
  const exact = BINDINGS.find(({ command }) => command === name)
  const close = BINDINGS.filter(({ command }) => command.startsWith(name))
  return (exact ?? (close.length === 1 ? close[0] : undefined))?.command
}

export function runCommandLine(model: Model, line: string, run: RunCommand): Model | string {
  const text = line.trim()
  if (text === '') return model
  if (/^(#?\d+|i:\d+|[\d.]+%|@end)$/.test(text)) return WORD_COMMANDS.go!.run(model, text)
  const [name = '', ...rest] = text.split(/\s+/)
  const wordCommand = WORD_COMMANDS[name]
  const hasOptions = rest.some(word => word.startsWith('--'))
  if (wordCommand !== undefined && !(hasOptions && isCliCommand(model, name))) return wordCommand.run(model, rest.join(' '))
  if (isCliCommand(model, name)) return runCli(model, text)
  const command = commandNamed(name)
  return command === undefined ? `no command \`${name}\`; ? lists them` : run(model, command)
}
