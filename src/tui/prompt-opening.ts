/** A line to type in appears. */

import type { Model, Prompt } from './model.ts'

export const openPrompt = (model: Model, kind: Prompt['kind'], text = ''): Model => ({
  ...model,
  prompt: { kind, text, at: 0, trouble: '' },
})
