/** "Did you mean": the nearest of the names that would have been right. */

/** Edit distance with transpositions of neighbours, given up beyond `limit`. */
export function distance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) > limit) return limit + 1
  let beforeLast: number[] = []
  let last = Array.from({ length: b.length + 1 }, (_, column) => column)
  for (let row = 1; row <= a.length; row++) {
    const current = [row]
    for (let column = 1; column <= b.length; column++) {
      const same = a[row - 1] === b[column - 1]
      let best = Math.min(last[column]! + 1, current[column - 1]! + 1, last[column - 1]! + (same ? 0 : 1))
      if (row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1])
        best = Math.min(best, beforeLast[column - 2]! + 1)
      current.push(best)
    }
    if (Math.min(...current) > limit) return limit + 1
    beforeLast = last
    last = current
  }
  return last[b.length]!
}

/** Which letters a word has, as bits: one that only one of two words has takes a step at least. */
function lettersOf(word: string): number {
  let letters = 0
  for (let position = 0; position < word.length; position++) letters |= 1 << (word.charCodeAt(position) & 31)
  return letters
}

function bitsIn(letters: number): number {
  let count = 0
  for (let rest = letters; rest !== 0; rest &= rest - 1) count++
  return count
}

/** The candidate nearest to `word`, when it is near enough to be what was meant. Case counts only between equals. */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  const limit = word.length <= 2 ? 1 : word.length <= 5 ? 2 : 3
  const folded = word.toLowerCase()
  const letters = lettersOf(folded)
  let best: string | undefined
  let least = limit + 1
  for (const candidate of candidates) {
    if (candidate === word) continue
    if (Math.abs(candidate.length - word.length) > least) continue
    const name = candidate.toLowerCase()
    const others = lettersOf(name)
    if (Math.max(bitsIn(letters & ~others), bitsIn(others & ~letters)) > least) continue
    const steps = distance(folded, name, Math.min(limit, least))
    // A short word turns into any other in two steps: half of it must remain.
    if (steps > limit || steps * 2 > Math.max(word.length, candidate.length)) continue
    // Of equals the one that the word begins with: `move` means `mov` and not `movbe`.
    if (steps < least || (steps === least && !folded.startsWith(best!.toLowerCase()) && folded.startsWith(name))) {
      best = candidate
      least = steps
    }
  }
  return best
}
