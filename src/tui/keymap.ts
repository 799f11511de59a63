/**
 * The keys, as data: dispatch, footer, palette, help and `vtick keys` are read from these rows. One rule for all that moves: SHIFT
 * reverses time. Whatever moves forward has a twin that moves back.
 */

import { type PaneName, SCREENS, type ScreenName } from './model.ts'

/** What a key does: a name that the palette shows and the command line takes. */
export type Command = (typeof ROWS)[number]['command']

export interface Binding {
  readonly command: Command
  readonly keys: readonly string[]
  /** One line of help. */
  readonly help: string
  /** The command that undoes it, for keys that come in pairs. */
  readonly twin?: Command
  /** Short words for the footer. */
  readonly footer: string
  /** Where it does something: the main screen where nothing is said. */
  readonly screens?: readonly ScreenName[]
  /** The panes in which it does something; all without. */
  readonly panes?: readonly PaneName[]
  /** Its place in the footer; those without stay out of it. */
  readonly rank?: number
}

const EVERYWHERE = SCREENS
const LISTS = EVERYWHERE

/** In the order of the help: what moves in time, what searches, what changes the view, the rest. */
const ROWS = [
  { command: 'step', keys: ['s'], twin: 'step-back', footer: 'step', rank: 1, help: 'one instruction forward' },
  { command: 'step-back', keys: ['S'], twin: 'step', footer: 'step back', help: 'one instruction back' },
  { command: 'step-over', keys: ['o'], twin: 'step-over-back', footer: 'over', rank: 9, help: 'step over calls and whole exits' },
  { command: 'step-over-back', keys: ['O'], twin: 'step-over', footer: 'over back', help: 'the same, backward' },
  { command: 'continue', keys: ['c'], twin: 'continue-back', footer: 'continue', rank: 8, help: 'run to the next breakpoint' },
  { command: 'continue-back', keys: ['C'], twin: 'continue', footer: 'back', help: 'run back to the previous breakpoint' },
  { command: 'next-exit', keys: ['e'], twin: 'previous-exit', footer: 'exit', rank: 2, help: 'next VM exit' },
  { command: 'previous-exit', keys: ['E'], twin: 'next-exit', footer: 'exit back', help: 'previous VM exit' },
  { command: 'next-entry', keys: ['x'], twin: 'previous-entry', footer: 'entry', rank: 12, help: 'next VM entry' },
  { command: 'previous-entry', keys: ['X'], twin: 'next-entry', footer: 'entry back', help: 'previous VM entry' },
  {
    command: 'next-timer',
    keys: ['t'],
    twin: 'previous-timer',
    footer: 'timer',
    rank: 3,
    help: 'next timer event: armed, fired, handed over',
  },
  { command: 'previous-timer', keys: ['T'], twin: 'next-timer', footer: 'timer back', help: 'previous timer event' },
  { command: 'next-interrupt', keys: ['i'], twin: 'previous-interrupt', footer: 'irq', rank: 11, help: 'next interrupt' },
  { command: 'previous-interrupt', keys: ['I'], twin: 'next-interrupt', footer: 'irq back', help: 'previous interrupt' },
  {
    command: 'next-vmcs-write',
    keys: ['v'],
    twin: 'previous-vmcs-write',
    footer: 'VMWRITE',
    help: "next VMCS write by the guest's hypervisor",
  },
  { command: 'previous-vmcs-write', keys: ['V'], twin: 'next-vmcs-write', footer: 'VMWRITE back', help: 'previous VMCS write' },
  { command: 'next-visit', keys: [']'], twin: 'previous-visit', footer: 'visit', rank: 13, help: 'next visit of this instruction' },
  { command: 'previous-visit', keys: ['['], twin: 'next-visit', footer: 'visit back', help: 'previous visit of this instruction' },
  {
    command: 'next-change',
    keys: [')'],
    twin: 'previous-change',
    footer: 'change',
    help: 'next change of the value under the cursor, or that `:follow` names',
  },
  { command: 'previous-change', keys: ['('], twin: 'next-change', footer: 'change back', help: 'previous change of it' },
  {
    command: 'row-down',
    keys: ['j', 'down'],
    twin: 'row-up',
    footer: 'row',
    rank: 14,
    screens: LISTS,
    help: 'next row of the focused pane',
  },
  { command: 'row-up', keys: ['k', 'up'], twin: 'row-down', footer: 'row up', screens: LISTS, help: 'previous row' },
  { command: 'page-down', keys: ['ctrl-d', 'pagedown'], twin: 'page-up', footer: 'page', screens: LISTS, help: 'half a page down' },
  { command: 'page-up', keys: ['ctrl-u', 'pageup'], twin: 'page-down', footer: 'page up', screens: LISTS, help: 'half a page up' },
  { command: 'last', keys: ['end'], twin: 'first', footer: 'end', screens: LISTS, help: 'last event, last row' },
  { command: 'first', keys: ['home'], twin: 'last', footer: 'start', screens: LISTS, help: 'first event, first row' },

  { command: 'search', keys: ['/'], footer: 'search', rank: 6, help: 'search for events: exit and reason == HLT' },
  {
    command: 'next-hit',
    keys: ['n'],
    twin: 'previous-hit',
    footer: 'next',
    rank: 15,
    screens: ['main', 'diff'],
    help: 'next search hit or difference',
  },
  {
    command: 'previous-hit',
    keys: ['N'],
    twin: 'next-hit',
    footer: 'previous',
    screens: ['main', 'diff'],
    help: 'previous search hit or difference',
  },
  { command: 'filter', keys: ['f'], footer: 'filter', rank: 7, help: 'show only the events that a filter lets through; Esc shows all' },
  {
    command: 'go-to',
    keys: ['g'],
    footer: 'go to',
    rank: 10,
    help: 'go to a position: #event, i:instruction, 50%, label#3, file.asm:12, tsc:value, @end, @fail',
  },
  { command: 'set-mark', keys: ['m'], footer: 'mark', rank: 16, help: 'set the mark of the letter that follows' },
  { command: 'go-to-mark', keys: ["'"], footer: 'to mark', help: "go to the mark of the letter that follows; '' is where you were" },
  { command: 'marks', keys: ['M'], footer: 'marks', help: 'the list of marks and notes; `:note TEXT` writes one here' },
  { command: 'jump-back', keys: ['<'], twin: 'jump-forward', footer: 'jump back', help: 'back through the places you jumped from' },
  { command: 'jump-forward', keys: ['>'], twin: 'jump-back', footer: 'jump on', help: 'forward again' },

  {
    command: 'breakpoint',
    keys: ['b'],
    footer: 'break',
    rank: 17,
    help: 'set or clear a breakpoint at this instruction; also `:break`, `:watch`',
  },
  { command: 'breakpoints', keys: ['B'], footer: 'breakpoints', help: 'the list of breakpoints' },

  { command: 'compare', keys: ['='], footer: 'compare', rank: 18, help: 'what changes are marked against: previous, last exit, a mark' },
  { command: 'fold', keys: ['space'], footer: 'fold', rank: 19, panes: ['events'], help: 'fold or open what happens within this exit' },
  { command: 'fold-all', keys: ['Z'], footer: 'fold all', panes: ['events'], help: 'fold or open all exits' },
  { command: 'zoom', keys: ['z'], footer: 'zoom', rank: 20, help: 'give the focused pane the whole screen, and back' },
  { command: 'next-pane', keys: ['tab'], twin: 'previous-pane', footer: 'pane', rank: 5, help: 'focus the next pane' },
  { command: 'previous-pane', keys: ['shift-tab'], twin: 'next-pane', footer: 'pane back', help: 'focus the previous pane' },
  { command: 'view-registers', keys: ['1'], footer: 'registers', help: 'state: registers, flags, timer' },
  { command: 'view-vmcs', keys: ['2'], footer: 'VMCS', help: 'state: the VMCS by group' },
  { command: 'view-apic', keys: ['3'], footer: 'APIC', help: 'state: local APIC and timers' },
  { command: 'view-memory', keys: ['4'], footer: 'memory', help: 'state: memory and the walk of the page tables; `:mem ADDRESS`' },
  { command: 'view-cpu', keys: ['5'], footer: 'CPUID', help: 'state: CPUID and MSRs' },
  {
    command: 'next-cpu',
    keys: ['a'],
    twin: 'previous-cpu',
    footer: 'CPU',
    help: 'code and state of another CPU; behind the last, of whose turn it is',
  },
  { command: 'previous-cpu', keys: ['A'], twin: 'next-cpu', footer: 'CPU back', help: 'code and state of the CPU before' },
  { command: 'wider', keys: ['-'], twin: 'closer', footer: 'wider', panes: ['timeline'], help: 'the timeline shows more time' },
  { command: 'closer', keys: ['+'], twin: 'wider', footer: 'closer', panes: ['timeline'], help: 'the timeline shows less time' },
  { command: 'right', keys: ['l', 'right'], twin: 'left', footer: 'later', panes: ['timeline'], help: 'the timeline moves on' },
  { command: 'left', keys: ['h', 'left'], twin: 'right', footer: 'earlier', panes: ['timeline'], help: 'the timeline moves back' },

  {
    command: 'why',
    keys: ['w'],
    footer: 'why',
    rank: 4,
    screens: ['main', 'diff'],
    help: 'where the value or event under the cursor came from; `:why LOCATION`',
  },
  { command: 'edit', keys: ['!'], footer: 'edit', rank: 24, help: 'what if: set a value here and run on; `:edit rax=5`' },
  { command: 'rerun', keys: ['R'], footer: 'rerun', help: 'run the source again as it is now, at the same position' },
  { command: 'diff', keys: ['d'], footer: 'diff', rank: 21, help: 'compare with another trace: `:diff FILE`' },
  { command: 'statistics', keys: ['#'], footer: 'statistics', rank: 22, help: 'exits counted and timed' },
  { command: 'swap', keys: ['r'], footer: 'swap', screens: ['diff'], rank: 2, help: 'swap the two sides of the comparison' },
  { command: 'projection', keys: ['p'], footer: 'projection', screens: ['diff'], rank: 3, help: 'compare by arch, exits, timing, all' },
  { command: 'choose', keys: ['return'], footer: 'go there', screens: LISTS, help: 'go to what the row is about' },
  { command: 'command-line', keys: [':'], footer: 'command', rank: 23, help: 'type a command; Tab completes it' },
  { command: 'copy-position', keys: ['y'], footer: 'copy', screens: EVERYWHERE, help: 'copy this position, or the one of the row' },
  { command: 'copy-command', keys: ['Y'], footer: 'copy command', screens: EVERYWHERE, help: 'copy the command that shows this again' },
  { command: 'undo', keys: ['u'], footer: 'undo', help: 'undo the last change of the view' },
  { command: 'repeat', keys: ['.'], footer: 'again', help: 'the last command again' },
  { command: 'palette', keys: ['?'], footer: 'all keys', rank: 0, screens: EVERYWHERE, help: 'find a command by name; Enter runs it' },
  { command: 'back-out', keys: ['escape'], footer: 'back', screens: EVERYWHERE, help: 'close this; clear the filter; undo scrolling' },
  { command: 'quit', keys: ['q'], footer: 'quit', rank: 0, screens: EVERYWHERE, help: 'close this, or leave' },
  { command: 'interrupt', keys: ['ctrl-c'], footer: 'leave', screens: EVERYWHERE, help: 'leave at once' },
] as const satisfies readonly (Omit<Binding, 'command' | 'twin'> & { readonly command: string; readonly twin?: string })[]

/** As they are bound now. */
export let BINDINGS: readonly Binding[] = ROWS

let bindingOfKey: ReadonlyMap<string, Binding> = keysOf(BINDINGS)

function keysOf(bindings: readonly Binding[]): ReadonlyMap<string, Binding> {
  return new Map(bindings.flatMap(binding => binding.keys.map(key => [key, binding] as const)))
}

/** Every key that is bound to begin with. */
export const ALL_KEYS: readonly string[] = [...bindingOfKey.keys()]

/** Binds keys otherwise than to begin with; each is taken from the command that has it. */
export function bindOwnKeys(own: ReadonlyMap<Command, readonly string[]>): void {
  const taken = new Set([...own.values()].flat())
  BINDINGS = ROWS.map((row: Binding) => ({ ...row, keys: own.get(row.command) ?? row.keys.filter(key => !taken.has(key)) }))
  bindingOfKey = keysOf(BINDINGS)
}

/** The command behind a key on a screen. */
export function commandOf(key: string, screen: ScreenName): Command | undefined {
  const binding = bindingOfKey.get(key)
  return binding !== undefined && isOnScreen(binding, screen) ? binding.command : undefined
}

export const isOnScreen = ({ screens = ['main'] }: Binding, screen: ScreenName): boolean => screens.includes(screen)

export const bindingOf = (command: Command): Binding => BINDINGS.find(binding => binding.command === command)!

const NAMES: Readonly<Record<string, string>> = {
  'ctrl-d': '^D',
  'ctrl-u': '^U',
  'ctrl-c': '^C',
  pagedown: 'PgDn',
  pageup: 'PgUp',
  down: 'Down',
  up: 'Up',
  left: 'Left',
  right: 'Right',
  home: 'Home',
  end: 'End',
  tab: 'Tab',
  'shift-tab': 'S-Tab',
  escape: 'Esc',
  return: 'Enter',
  space: 'Space',
}

/** As it is printed on the keyboard. */
export const keyLabel = (key: string): string => NAMES[key] ?? key

export const keyLabels = ({ keys }: Binding): string => keys.map(keyLabel).join(' ')

/** The keys of a binding and of its twin: `e/E`. */
export function pairLabel({ keys, twin }: Binding): string {
  const back = twin === undefined ? undefined : bindingOf(twin).keys[0]
  return back === undefined || keys[0]!.length > 1 ? keyLabel(keys[0]!) : `${keyLabel(keys[0]!)}/${keyLabel(back)}`
}

/** Whether a terminal can send such a key and programs around it let it through. */
export const isKeyName = (name: string): boolean =>
  [...name].length === 1 ? /[^\s\p{C}]/u.test(name) : name in NAMES || /^ctrl-[d-gj-lnoprt-y]$/.test(name)
