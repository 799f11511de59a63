/** `-w CLASS`, `-w -CLASS`, `-Werror`, `-Werror=CLASS`. */

import { ALL_CLASSES, isWarningClass, type WarningClass, type WarningPolicy } from '../assembler/warnings.ts'
import { nearest } from '../base/suggest.ts'
import { usageError } from './exit-codes.ts'

function classesNamed(option: string, name: string): readonly WarningClass[] {
  if (name === 'all') return ALL_CLASSES
  if (isWarningClass(name)) return [name]
  const suggestion = nearest(name, ALL_CLASSES)
  const next = suggestion ? `did you mean \`${suggestion}\`?` : `the classes are all, ${ALL_CLASSES.join(', ')}`
  throw usageError(`${option}: there is no class of warnings \`${name}\``, next)
}

/** In the order of the options, the later ones deciding. */
export function warningPolicy(words: readonly string[] = [], treated: readonly string[] = []): WarningPolicy {
  const off = new Set<WarningClass>()
  for (const word of words) {
    const isOff = word.startsWith('-') || word.startsWith('no-')
    const name = word.replace(/^(?:[-+]|no-)/, '')
    for (const one of classesNamed(`-w ${word}`, name)) {
      if (isOff) off.add(one)
      else off.delete(one)
    }
  }
  const errors = new Set<WarningClass>()
  for (const word of treated) {
    const [what, name = 'all'] = word.split('=')
    if (what !== 'error') throw usageError(`-W${word}: only errors can be made of warnings`, 'write -Werror or -Werror=CLASS')
    for (const one of classesNamed(`-W${word}`, name)) errors.add(one)
  }
  return { off, errors }
}
