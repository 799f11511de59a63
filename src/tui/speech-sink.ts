/** Lines for people who listen, on a terminal that is left as it is: no other screen, no hidden cursor, no mouse. */

import { EventEmitter } from 'node:events'
import type { Terminal } from './frame-sink.ts'
import type { Model, Size } from './model.ts'
import { announcement, echo, greeting, overlayTexts, placeWords, promptWords } from './speech.ts'

/** The size that decides how much a pane holds: nothing is drawn. */
const SIZE: Size = { columns: 100, rows: 40 }

export class SpeechSink {
  readonly size = SIZE
  readonly #terminal: Terminal
  #isInLine = false
  /** What was said of the screen over the panes. */
  #overlay = ''

  constructor(terminal: Terminal) {
    this.#terminal = terminal
  }

  enter(): void {}

  leave(): void {
    if (this.#isInLine) this.#terminal.write('\n')
    this.#isInLine = false
  }

  resize(): Size {
    return SIZE
  }

  setMouse(): void {}

  copy(text: string): void {
    this.#terminal.write(`\x1b]52;c;${Buffer.from(text, 'utf8').toString('base64')}\x07`)
  }

  greet(model: Model): void {
    this.#say(greeting(model))
  }

  /** What became of keys; `isAsked`: somebody pressed one and waits for an answer. */
  present(was: Model, is: Model, isAsked: boolean): void {
    const typed = echo(was, is)
    if (typed !== '') this.#terminal.write(typed)
    this.#isInLine = is.prompt !== null
    const overlay = overlayTexts(is)
    const isNews = overlay.join('\n') !== this.#overlay
    this.#overlay = overlay.join('\n')
    const lines = [...announcement(was, is), ...(isNews ? overlay : [])]
    if (lines.length > 0) this.#say(lines)
    else if (isAsked && typed === '' && is.prompt !== null) this.#say([promptWords(is)].filter(words => words !== ''))
    else if (isAsked && typed === '' && is.pending === null) this.#say([placeWords(is)])
  }

  /** Ink takes this for the terminal, and has nothing to draw. */
  stream(): NodeJS.WriteStream {
    return Object.assign(new EventEmitter(), {
      isTTY: false,
      columns: SIZE.columns,
      rows: SIZE.rows,
      write: () => true,
    }) as unknown as NodeJS.WriteStream
  }

  /** Whole lines; a line that is being typed begins anew behind them. */
  #say(lines: readonly string[]): void {
    this.#terminal.write(`${this.#isInLine ? '\n' : ''}${lines.map(line => `${line}\n`).join('')}`)
  }
}
