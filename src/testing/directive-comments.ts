/** The comments of a source line that speak to us: a directive `;!` on a line of its own, expectations `;=` behind an instruction. */

export interface Comment {
  readonly kind: '!' | '='
  /** Of the body, from 1. */
  readonly column: number
  readonly body: string
  readonly isMisplaced: boolean
}

/** Quoted text, which may hold a `;`, and whatever else comes before the first `;` outside it. */
const BEFORE_COMMENT = /^(?:"[^"]*"|'[^']*'|`[^`]*`|[^;"'`])*/

/** The directive or the expectations of a source line. Prose that mentions them is neither. */
export function commentsOf(text: string): Comment[] {
  const start = BEFORE_COMMENT.exec(text)![0].length
  const isAlone = text.slice(0, start).trim() === ''
  if (isAlone && text.startsWith(';!', start)) return [{ kind: '!', column: start + 3, body: text.slice(start + 2), isMisplaced: false }]
  if (isAlone && !text.startsWith(';=', start)) return []
  return [...text.slice(start).matchAll(/;([=!])([^;]*)/g)].map(match => ({
    kind: match[1] as Comment['kind'],
    column: start + match.index + 3,
    body: match[2]!,
    isMisplaced: isAlone || match[1] === '!',
  }))
}
