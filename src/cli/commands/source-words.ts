/** The words of `vtick explore guest.asm` that say how the guest runs, for the command that comes back to it. */

/** Those that say where to begin and what to show. */
const OF_THE_VIEW = ['--at', '--filter']

export function sourceWords(argv: readonly string[], file: string | undefined): readonly string[] {
  const words: string[] = []
  let isFileSeen = false
  for (let at = 1; at < argv.length; at++) {
    const word = argv[at]!
    if (OF_THE_VIEW.includes(word)) at++
    else if (word === file && !isFileSeen) isFileSeen = true
    else if (!OF_THE_VIEW.some(option => word.startsWith(`${option}=`))) words.push(word)
  }
  return words
}
