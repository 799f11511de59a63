/** The source of a guest that stands in a test: what every guest begins and ends with is added, where it does not say so itself. */

const includes = (text: string, name: string): boolean => new RegExp(`^\\s*%include\\s+["'\`]${name}\\.inc["'\`]`, 'im').test(text)

/** A source that says where it stands, or for which mode, is no ordinary guest. */
const SETS_ITS_OWN_PLACE = /^\s*\[?\s*(org|bits)\b/im

/**
 * `guest.inc` goes before the first line, on the rest of the line that the opening quote stands on if there is nothing on it, so that
 * diagnostics keep their lines; `lib.inc` goes behind the last, where the program that runs into it ends with its summary. With an
 * `org` or `bits` of its own nothing is added.
 */
export function inlineSource(text: string): string {
  if (SETS_ITS_OWN_PLACE.test(text)) return text
  const first = includes(text, 'guest') ? '' : `%include "guest.inc"${text.startsWith('\n') ? '' : '\n'}`
  const last = includes(text, 'lib') ? '' : '\n%include "lib.inc"\n'
  return first + text + last
}
