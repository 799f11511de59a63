/**
 * Between Ink and the terminal. Ink 6 clears the terminal for every full-height frame, which flickers; so it gets a stream that only
 * catches whole frames, and what changed is written here: line by line, each at its place, nothing ever cleared after the first
 * frame.
 *
 *     Ink --(frame)--> FrameSink --(changed lines)--> terminal
 */

import { EventEmitter } from 'node:events'
import { stripVTControlCharacters } from 'node:util'
import { widthOf } from './lines.ts'
import type { Size } from './model.ts'

/** What of a terminal is needed. */
export interface Terminal {
  readonly columns: number
  readonly rows: number
  write(text: string): unknown
}

const ESC = '\x1b['
/** Alternate screen, cursor hidden, no wrapping at the right edge, cleared this once. */
const ENTER = `${ESC}?1049h${ESC}?25l${ESC}?7l${ESC}2J`
const MOUSE_ON = `${ESC}?1000h${ESC}?1006h`
const MOUSE_OFF = `${ESC}?1006l${ESC}?1000l`
const LEAVE = `${ESC}0m${MOUSE_OFF}${ESC}?7h${ESC}?25h${ESC}?1049l`
/** Synchronized output: a terminal that knows it shows the frame at once, others ignore it. */
const BEGIN = `${ESC}?2026h`
const END = `${ESC}?2026l`

const at = (row: number): string => `${ESC}${row + 1};1H`

export class FrameSink {
  readonly #terminal: Terminal
  /** The lines as they stand on the terminal; undefined where that is not known. */
  #shown: (string | undefined)[] = []
  #isOpen = false
  #size: Size

  constructor(terminal: Terminal) {
    this.#terminal = terminal
    this.#size = { columns: terminal.columns, rows: terminal.rows }
  }

  get size(): Size {
    return this.#size
  }

  /** Takes the terminal over. */
  enter(): void {
    if (this.#isOpen) return
    this.#isOpen = true
    this.#shown = []
    this.#terminal.write(ENTER)
  }

  /** Gives the terminal back as it was. May be called at any time, and again. */
  leave(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.#terminal.write(LEAVE)
  }

  /** The terminal has another size: nothing that stands on it is relied on. */
  resize(): Size {
    this.#size = { columns: this.#terminal.columns, rows: this.#terminal.rows }
    this.#shown = []
    return this.#size
  }

  /** Clicks and the wheel are reported, or left to the terminal. */
  setMouse(isOn: boolean): void {
    if (this.#isOpen) this.#terminal.write(isOn ? MOUSE_ON : MOUSE_OFF)
  }

  /** To the clipboard, on terminals that let programs do that (OSC 52). */
  copy(text: string): void {
    if (this.#isOpen) this.#terminal.write(`\x1b]52;c;${Buffer.from(text, 'utf8').toString('base64')}\x07`)
  }

  /** Shows a frame: writes the lines that differ from what stands there. */
  frame(text: string): void {
    if (!this.#isOpen) return
    const { columns, rows } = this.#size
    const lines = text.split('\n').slice(0, rows)
    while (lines.length < rows) lines.push('')
    const changed = lines.flatMap((line, row) => (line === this.#shown[row] ? [] : [at(row) + line + restOf(line, columns)]))
    if (changed.length === 0) return
    this.#shown = lines
    this.#terminal.write(`${BEGIN}${changed.join('')}${END}`)
  }

  /** The stream that Ink takes for the terminal; in its debug mode it writes whole frames and nothing else. */
  stream(): NodeJS.WriteStream {
    const stream = Object.assign(new EventEmitter(), {
      isTTY: false,
      write: (text: string): boolean => {
        this.frame(text)
        return true
      },
    })
    Object.defineProperty(stream, 'columns', { get: () => this.#size.columns })
    Object.defineProperty(stream, 'rows', { get: () => this.#size.rows })
    return stream as unknown as NodeJS.WriteStream
  }
}

/** Back to plain text, and blanks over what stood behind a shorter line. A full line needs none, and must not lose its last column. */
const restOf = (line: string, columns: number): string =>
  widthOf(stripVTControlCharacters(line)) < columns ? `${ESC}0m${ESC}K` : `${ESC}0m`
