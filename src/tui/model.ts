/** What the explorer's screen is a picture of. Plain data beside the recording itself; `update.ts` makes the next one. */

import type { Location } from '../query/location.ts'
import type { MarkChange } from '../query/marks.ts'
import type { Place } from '../query/position.ts'
import type { Edit } from '../session/edit.ts'
import type { VmcsName } from '../session/timeline-vmcs.ts'
import type { Projection } from '../trace/projection.ts'
import type { Cli, CliRequest } from './cli.ts'
import type { Command } from './keymap.ts'
import type { TraceSource } from './trace-source.ts'

export const PANES = ['code', 'events', 'state', 'timeline'] as const
export type PaneName = (typeof PANES)[number]

/** What the state pane shows, in the order of the keys 1 to 5. */
export const STATE_VIEWS = ['registers', 'vmcs', 'apic', 'memory', 'cpu'] as const
export type StateView = (typeof STATE_VIEWS)[number]

export const SCREENS = ['main', 'breakpoints', 'marks', 'statistics', 'diff', 'why', 'output'] as const
export type ScreenName = (typeof SCREENS)[number]

export interface Size {
  readonly columns: number
  readonly rows: number
}

/** A line that is being typed. */
export interface Prompt {
  readonly kind: 'search' | 'filter' | 'go-to' | 'command' | 'palette'
  readonly text: string
  /** The chosen row of the list above it, of the palette and of completions. */
  readonly at: number
  /** What is wrong with the text, told when it was to be run. */
  readonly trouble: string
}

/** What changes are marked against. */
export type ComparePoint = 'previous' | 'exit' | 'mark'

/** The guest is about to execute there; an event that a filter lets through; a value is not what it was. */
export type Breakpoint =
  | { readonly kind: 'code'; readonly address: bigint }
  /** Events, or what becomes true of the state, in the language of `stop-expression.ts`. */
  | { readonly kind: 'expression'; readonly text: string }
  | { readonly kind: 'change'; readonly location: Location }

/** A run of the guest that was asked for: over calls and exits; to one of the stops; to find a position. */
export interface JourneyRequest {
  readonly kind: 'over' | 'continue' | 'visit' | 'find'
  readonly direction: 1 | -1
  readonly from: Place
  readonly stops: readonly Breakpoint[]
  /** Of `find`, in the position grammar. */
  readonly position?: string
}

/** Where what a location holds at a place came from. */
export interface WhyQuestion {
  readonly location: Location
  readonly place: Place
}

/** The guest is to run again: with an edit behind so many instructions and events, or from its source. */
export interface RerunRequest {
  readonly edit: Edit | null
  readonly at: number
  readonly events: number
}

/** A screen over the main one, with its own cursor. */
export interface Overlay {
  readonly screen: Exclude<ScreenName, 'main'>
  readonly at: number
  /** Of the diff: with which trace, compared by what, sides swapped. */
  readonly other?: string
  /** As it is to be called; the name without. */
  readonly otherName?: string
  readonly by?: Projection
  readonly swapped?: boolean
  /** Of the why screen. */
  readonly question?: WhyQuestion
  /** Of the output screen. */
  readonly request?: CliRequest
  /** The screen that comes back when this one is closed. */
  readonly behind?: Overlay
}

/** The part of the view that `u` brings back. */
export interface View {
  readonly place: Place
  readonly focus: PaneName
  readonly zoomed: boolean
  readonly stateView: StateView
  readonly filter: string
  readonly folded: ReadonlySet<number>
  readonly eventsTop: number
  readonly codeScroll: number
  /** The value of the state pane that the cursor stands on. */
  readonly stateAt: number
  readonly compare: ComparePoint
  /** The CPU whose state is shown; undefined: whose turn it is. */
  readonly vcpu: number | undefined
  /** Of the VMCS view. */
  readonly vmcs: VmcsName
  /** Ticks that the timeline shows, and how far it is moved; 0 ticks: as much as seems fit. */
  readonly span: number
  readonly pan: number
}

export interface Seeking {
  readonly filter: string
  /** What is looked for, in a word. */
  readonly what: string
  readonly direction: 1 | -1
}

export interface Model extends View {
  readonly trace: TraceSource
  readonly size: Size
  readonly prompt: Prompt | null
  readonly overlay: Overlay | null
  /** The command that waits for a letter. */
  readonly pending: 'set-mark' | 'go-to-mark' | null
  readonly search: string
  /** A search that is to go on when its hits are known. */
  readonly seeking: Seeking | null
  readonly marks: ReadonlyMap<string, Place>
  /** By position, as `formatPosition` writes it. */
  readonly notes: ReadonlyMap<string, string>
  /** Marks and notes that are not yet in the file. */
  readonly unsaved: readonly MarkChange[]
  /** The mark that changes are compared with. */
  readonly lastMark: string
  readonly breakpoints: readonly Breakpoint[]
  readonly journey: JourneyRequest | null
  readonly rerun: RerunRequest | null
  /** The source has changed since it was run. */
  readonly isStale: boolean
  /** The value whose changes ( and ) go to. */
  readonly followed: Location | null
  readonly jumps: { readonly back: readonly Place[]; readonly forward: readonly Place[] }
  /** The address that the memory view shows; empty: the stack pointer's. */
  readonly memory: string
  readonly past: readonly View[]
  readonly lastCommand: Command | null
  /** What is to be put on the clipboard; a new object for each time. */
  readonly copied: { readonly text: string } | null
  /** The commands of the command line, where they can be run. */
  readonly cli: Cli | null
  readonly mouse: boolean
  readonly theme: ThemeName
  /** Frames and bars in ASCII. */
  readonly ascii: boolean
  /** One line of news about the last key, gone with the next one. */
  readonly notice: string
  readonly leaving: boolean
}

export const THEMES = ['dark', 'light', '16', 'monochrome'] as const
export type ThemeName = (typeof THEMES)[number]

export const SMALLEST: Size = { columns: 60, rows: 15 }

export const isTooSmall = ({ columns, rows }: Size): boolean => columns < SMALLEST.columns || rows < SMALLEST.rows

export const screenOf = ({ overlay }: Pick<Model, 'overlay'>): ScreenName => overlay?.screen ?? 'main'
