/**
 * The keys, as data: the footer, the list of keys and the dispatch are read from these rows. SHIFT reverses time: whatever moves
 * forward has a twin that moves back.
 */

import type { PaneName } from './model.ts'

export type Command =
  | 'step-instruction'
  | 'step-instruction-back'
  | 'next-exit'
  | 'previous-exit'
  | 'next-entry'
  | 'previous-entry'
  | 'next-timer'
  | 'previous-timer'
  | 'next-interrupt'
  | 'previous-interrupt'
  | 'row-down'
  | 'row-up'
  | 'page-down'
  | 'page-up'
  | 'first'
  | 'last'
  | 'next-pane'
  | 'previous-pane'
  | 'help'
  | 'back-out'
  | 'quit'
  | 'interrupt'

export interface Binding {
  readonly command: Command
  readonly keys: readonly string[]
  readonly help: string
  /** The command that undoes it, for keys that come in pairs. */
  readonly twin?: Command
  /** Short words for the footer, on the first key of a pair. */
  readonly footer?: string
  /** Where it does something; everywhere without. */
  readonly panes?: readonly PaneName[]
}

const pair = (
  [forward, back]: readonly [Command, Command],
  [keys, backKeys]: readonly [readonly string[], readonly string[]],
  [help, backHelp]: readonly [string, string],
  footer?: string,
): readonly Binding[] => [
  { command: forward, keys, help, twin: back, ...(footer === undefined ? {} : { footer }) },
  { command: back, keys: backKeys, help: backHelp, twin: forward },
]

/** In the order in which the footer names them while there is room. */
export const BINDINGS: readonly Binding[] = [
  ...pair(['step-instruction', 'step-instruction-back'], [['s'], ['S']], ['one instruction forward', 'one back'], 'step'),
  ...pair(['next-exit', 'previous-exit'], [['e'], ['E']], ['next VM exit', 'previous VM exit'], 'exit'),
  ...pair(
    ['row-down', 'row-up'],
    [
      ['j', 'down'],
      ['k', 'up'],
    ],
    ['next row or event', 'previous one'],
    'row',
  ),
  ...pair(['next-pane', 'previous-pane'], [['tab'], ['shift-tab']], ['focus the next pane', 'previous pane'], 'pane'),
  ...pair(['next-timer', 'previous-timer'], [['t'], ['T']], ['next timer event', 'previous one'], 'timer'),
  ...pair(['next-interrupt', 'previous-interrupt'], [['i'], ['I']], ['next interrupt', 'previous interrupt'], 'irq'),
  ...pair(['next-entry', 'previous-entry'], [['x'], ['X']], ['next VM entry', 'previous VM entry'], 'entry'),
  ...pair(
    ['page-down', 'page-up'],
    [
      ['ctrl-d', 'pagedown'],
      ['ctrl-u', 'pageup'],
    ],
    ['half a page down', 'half a page up'],
  ),
  ...pair(['last', 'first'], [['end'], ['home']], ['last event', 'first event']),
  { command: 'help', keys: ['?'], help: 'this list', footer: 'all keys' },
  { command: 'back-out', keys: ['escape'], help: 'close this list; undo scrolling' },
  { command: 'quit', keys: ['q'], help: 'close this list, or leave', footer: 'quit' },
  { command: 'interrupt', keys: ['ctrl-c'], help: 'leave at once' },
]

const commands: ReadonlyMap<string, Command> = new Map(BINDINGS.flatMap(({ keys, command }) => keys.map(key => [key, command] as const)))

export const commandOf = (key: string): Command | undefined => commands.get(key)

export const ALL_KEYS: readonly string[] = [...commands.keys()]

const NAMES: Readonly<Record<string, string>> = {
  'ctrl-d': '^D',
  'ctrl-u': '^U',
  'ctrl-c': '^C',
  pagedown: 'PgDn',
  pageup: 'PgUp',
  down: 'Down',
  up: 'Up',
  home: 'Home',
  end: 'End',
  tab: 'Tab',
  'shift-tab': 'S-Tab',
  escape: 'Esc',
}

/** As it is printed on the keyboard. */
export const keyLabel = (key: string): string => NAMES[key] ?? key

export interface HelpRow {
  readonly keys: string
  readonly help: string
}

/** The list of all keys: a pair stands in one row. */
export const HELP_ROWS: readonly HelpRow[] = BINDINGS.flatMap(binding => {
  const position = BINDINGS.indexOf(binding)
  const twin = BINDINGS[position + 1]
  if (BINDINGS[position - 1]?.twin === binding.command) return []
  const labels = ({ keys }: Binding): string => keys.map(keyLabel).join(' ')
  if (binding.twin === undefined || twin === undefined) return [{ keys: labels(binding), help: binding.help }]
  return [{ keys: `${labels(binding)} / ${labels(twin)}`, help: `${binding.help} / ${twin.help}` }]
})
