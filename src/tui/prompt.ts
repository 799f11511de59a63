/** A line that is being typed: search, filter, position, command, palette. */

import { runCommandLine, wordsThatFit } from './command-line.ts'
import type { Command } from './keymap.ts'
import { grouped } from './lines.ts'
import type { Model, Prompt } from './model.ts'
import { nextSelected, withCursorInSight } from './movement.ts'
import { paletteRows } from './palette.ts'
import { goToNamed } from './positions.ts'
import { openPrompt } from './prompt-opening.ts'

/** The completions of a command line, as they would replace its last word. */
export const completionsOf = (model: Model): readonly string[] => wordsThatFit(model, model.prompt?.text ?? '')

/** Columns in front of the help in a row of the palette. */
const BEFORE_HELP = 35

/** Where a narrow screen cuts the chosen row, its help stands below. */
function chosenHelp(model: Model): string {
  const help = paletteRows(model)[model.prompt!.at]?.help ?? ''
  return BEFORE_HELP + help.length <= model.size.columns ? '' : help
}

/** What is known of the text so far: how many events it finds, where a position lies. */
export function promptNews(model: Model): string {
  const { prompt, trace } = model
  const { kind, text } = prompt!
  if (kind === 'palette') return chosenHelp(model)
  if (text.trim() === '') return kind === 'go-to' ? '#event  i:instruction  label  @end' : ''
  switch (kind) {
    case 'search':
    case 'filter': {
      const { trouble, count, isWhole } = trace.select(text)
      return trouble ?? `${grouped(count)}${isWhole ? '' : '...'} ${count === 1 ? 'event' : 'events'}`
    }
    case 'go-to': {
      const found = goToNamed(model, text)
      return typeof found === 'string' ? found : ''
    }
    default:
      return ''
  }
}

const withPrompt = (model: Model, change: Partial<Prompt>): Model => ({ ...model, prompt: { ...model.prompt!, trouble: '', ...change } })

/** How the palette's choice is carried out: `update.ts` knows the commands. */
export type RunCommand = (model: Model, command: Command) => Model

export function updatePrompt(model: Model, key: string, run: RunCommand): Model {
  const { kind, text, at } = model.prompt!
  switch (key) {
    case 'escape':
      return { ...model, prompt: null }
    case 'return':
      return enter(model, run)
    case 'backspace':
      return text === '' ? { ...model, prompt: null } : withPrompt(model, { text: [...text].slice(0, -1).join(''), at: 0 })
    case 'ctrl-u':
      return withPrompt(model, { text: '', at: 0 })
    case 'ctrl-w':
      return withPrompt(model, { text: text.replace(/\S*\s*$/, ''), at: 0 })
    case 'tab':
      return kind === 'command' ? completed(model) : model
    case 'down':
    case 'up':
    case 'pagedown':
    case 'pageup': {
      const rows = { down: 1, up: -1, pagedown: 10, pageup: -10 }[key]
      return kind === 'palette'
        ? withPrompt(model, { at: Math.min(Math.max(at + rows, 0), Math.max(0, paletteRows(model).length - 1)) })
        : model
    }
    case 'space':
      return withPrompt(model, { text: `${text} `, at: 0 })
    default:
      return [...key].length === 1 && key >= ' ' ? withPrompt(model, { text: text + key, at: 0 }) : model
  }
}

/** As far as all completions agree. */
function completed(model: Model): Model {
  const { text } = model.prompt!
  const found = completionsOf(model)
  if (found.length === 0) return model
  const head = text.replace(/\S*$/, '')
  if (found.length === 1) return withPrompt(model, { text: `${head}${found[0]} ` })
  let common = found[0]!
  for (const word of found) while (!word.startsWith(common)) common = common.slice(0, -1)
  return withPrompt(model, { text: head + common })
}

function enter(model: Model, run: RunCommand): Model {
  const { kind, text, at } = model.prompt!
  const closed = { ...model, prompt: null }
  switch (kind) {
    case 'palette': {
      const chosen = paletteRows(model)[at]
      if (chosen === undefined) return withPrompt(model, { trouble: 'no command fits' })
      return chosen.command === undefined ? openPrompt(closed, 'command', `${chosen.name} `) : run(closed, chosen.command)
    }
    case 'search':
      return search(model, closed, text.trim())
    case 'filter':
      return filter(model, closed, text.trim())
    case 'go-to': {
      const found = goToNamed(closed, text)
      return typeof found === 'string' ? withPrompt(model, { trouble: found }) : found
    }
    case 'command': {
      const result = runCommandLine(closed, text, run)
      return typeof result === 'string' ? withPrompt(model, { trouble: result }) : result
    }
  }
}

function search(model: Model, closed: Model, text: string): Model {
  if (text === '') return { ...closed, search: '' }
  const { trouble } = model.trace.select(text)
  if (trouble !== undefined) return withPrompt(model, { trouble })
  const jumps = { back: [...model.jumps.back, model.place], forward: [] }
  return nextSelected({ ...closed, search: text, jumps }, { filter: text, what: 'hit', direction: 1 })
}

/** The place stays; its row is in sight. */
function filter(model: Model, closed: Model, text: string): Model {
  const { trouble } = text === '' ? {} : model.trace.select(text)
  if (trouble !== undefined) return withPrompt(model, { trouble })
  return withCursorInSight({ ...closed, filter: text, focus: 'events' })
}
