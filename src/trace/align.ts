/**
 * The alignment of two long sequences of symbols. Rare symbols that both have equally often are anchors: the k-th visit in
 * one belongs to the k-th in the other, as far as the order agrees. Between anchors Myers' greedy search runs from one
 * difference to the next: a few edits, then a stretch of equals, and the search starts anew. So the cost follows the size of
 * each difference, not of all of them together, and where two runs never agree for long the best path so far is taken.
 *
 * Eugene W. Myers, "An O(ND) Difference Algorithm and Its Variations".
 */

/** The symbols [aStart, aEnd) stand where the other side has [bStart, bEnd); everything between two gaps is equal. */
export interface Gap {
  readonly aStart: number
  readonly aEnd: number
  readonly bStart: number
  readonly bEnd: number
}

/** This many equals in a row end a difference. */
const AGREEMENT = 32

/** How far equals are followed to choose among paths of the same cost. */
const LOOKAHEAD = 1024

/** Edits after which the search takes the best path so far, and how many of them it keeps. */
const PATIENCE = 256

/** Symbols that occur more often than this are no anchors. */
const RARE = 8

interface Point {
  readonly x: number
  readonly y: number
}

/** The gaps between `a` and `b`, whose symbols are below `symbols`. */
export function align(a: Int32Array, b: Int32Array, symbols: number): Gap[] {
  let start = 0
  while (start < a.length && start < b.length && a[start] === b[start]) start++
  let aEnd = a.length
  let bEnd = b.length
  while (aEnd > start && bEnd > start && a[aEnd - 1] === b[bEnd - 1]) {
    aEnd--
    bEnd--
  }
  const gaps = new GapList()
  let from = { x: start, y: start }
  for (const anchor of anchors(a.subarray(start, aEnd), b.subarray(start, bEnd), symbols)) {
    const to = { x: anchor.x + start, y: anchor.y + start }
    alignBetween(a, b, from, to, gaps)
    from = to
  }
  alignBetween(a, b, from, { x: aEnd, y: bEnd }, gaps)
  return gaps.all
}

/** Gaps in order; neighbours that touch become one. */
class GapList {
  readonly all: Gap[] = []

  add(from: Point, to: Point): void {
    const last = this.all.at(-1)
    if (last && last.aEnd === from.x && last.bEnd === from.y) {
      this.all[this.all.length - 1] = { ...last, aEnd: to.x, bEnd: to.y }
    } else {
      this.all.push({ aStart: from.x, aEnd: to.x, bStart: from.y, bEnd: to.y })
    }
  }
}

/** Pairs of places that belong together, ascending in both. */
function anchors(a: Int32Array, b: Int32Array, symbols: number): Point[] {
  const inA = new Int32Array(symbols)
  const inB = new Int32Array(symbols)
  for (const symbol of a) inA[symbol]!++
  for (const symbol of b) inB[symbol]!++
  const isRare = (symbol: number): boolean => inA[symbol] === inB[symbol] && inA[symbol]! <= RARE
  const visits = new Map<number, number[]>()
  for (let y = 0; y < b.length; y++) {
    const symbol = b[y]!
    if (!isRare(symbol)) continue
    const places = visits.get(symbol)
    if (places) places.push(y)
    else visits.set(symbol, [y])
  }
  const seen = new Map<number, number>()
  const pairs: Point[] = []
  for (let x = 0; x < a.length; x++) {
    const symbol = a[x]!
    if (!isRare(symbol)) continue
    const visit = seen.get(symbol) ?? 0
    seen.set(symbol, visit + 1)
    pairs.push({ x, y: visits.get(symbol)![visit]! })
  }
  return longestAscent(pairs)
}

/** The longest choice of pairs whose y ascends; x ascends already. */
function longestAscent(pairs: readonly Point[]): Point[] {
  const tails: number[] = [] // tails[n]: the pair with the lowest y that ends an ascent of n + 1
  const before = new Int32Array(pairs.length)
  for (const [i, { y }] of pairs.entries()) {
    let low = 0
    let high = tails.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (pairs[tails[middle]!]!.y < y) low = middle + 1
      else high = middle
    }
    before[i] = low > 0 ? tails[low - 1]! : -1
    tails[low] = i
  }
  const chosen: Point[] = []
  for (let i = tails.at(-1) ?? -1; i >= 0; i = before[i]!) chosen.push(pairs[i]!)
  return chosen.reverse()
}

/** The gaps inside one stretch. */
function alignBetween(a: Int32Array, b: Int32Array, from: Point, to: Point, gaps: GapList): void {
  let { x, y } = from
  while (true) {
    while (x < to.x && y < to.y && a[x] === b[y]) {
      x++
      y++
    }
    if (x === to.x || y === to.y) {
      if (x < to.x || y < to.y) gaps.add({ x, y }, to)
      return
    }
    for (const point of search(a, b, { x, y }, to)) {
      // Each step is one edit and then equals.
      const edited = { x: point.x - point.equals, y: point.y - point.equals }
      gaps.add({ x, y }, edited)
      x = point.x
      y = point.y
    }
  }
}

interface Step extends Point {
  /** Equal symbols at the end of the step. */
  readonly equals: number
}

// furthest[d] holds, for each diagonal, the furthest x that d edits reach; shared by all searches, which never overlap.
const furthest = Array.from({ length: PATIENCE + 1 }, (_, d) => new Int32Array(2 * d + 1))

/** The first steps of a path out of a difference: up to where it agrees again, or the first half of the best when it does not. */
function search(a: Int32Array, b: Int32Array, from: Point, to: Point): Step[] {
  const width = to.x - from.x
  const height = to.y - from.y
  furthest[0]![0] = 0
  for (let d = 1; d <= PATIENCE; d++) {
    const row = furthest[d]!
    const before = furthest[d - 1]!
    let best = -1
    let bestEquals = -1
    let far = 0
    for (let i = 0; i <= 2 * d; i += 2) {
      const k = i - d
      // Diagonal k of d edits comes from k + 1 by an insertion or from k - 1 by a deletion; before[] starts at -(d - 1).
      let x = startOf(before, i, d)
      let y = x - k
      if (x > width || y > height) {
        row[i] = x // off the field: stays behind every real path
        continue
      }
      const start = x
      const limit = Math.min(width - x, height - y, LOOKAHEAD)
      while (x - start < limit && a[from.x + x] === b[from.y + y]) {
        x++
        y++
      }
      row[i] = x
      if (x === width && y === height) return stepsTo(d, i, d, from)
      const equals = x - start
      const agrees = equals >= AGREEMENT
      if (agrees ? equals > bestEquals || bestEquals < AGREEMENT : bestEquals < AGREEMENT && x + y > far) {
        best = i
        bestEquals = equals
        far = x + y
      }
    }
    if (bestEquals >= AGREEMENT) return stepsTo(d, best, d, from)
    if (d === PATIENCE) return stepsTo(d, best, d / 2, from)
  }
  return []
}

/** Where on its diagonal a path of d edits starts, before it follows equals. */
function startOf(before: Int32Array, i: number, d: number): number {
  const deletion = i >= 2 ? before[i - 2]! + 1 : -1
  const insertion = i <= 2 * d - 2 ? before[i]! : -1
  return Math.max(deletion, insertion)
}

/** The path to entry `i` of row `d`, step by step; of it the first `keep` edits. */
function stepsTo(d: number, i: number, keep: number, from: Point): Step[] {
  const steps: Step[] = []
  for (let edits = d, at = i; edits > 0; edits--) {
    const x = furthest[edits]![at]!
    const before = furthest[edits - 1]!
    const start = startOf(before, at, edits)
    const k = at - edits
    if (edits <= keep) steps.push({ x: from.x + x, y: from.y + x - k, equals: x - start })
    const isDeletion = at >= 2 && before[at - 2]! + 1 === start && !(at <= 2 * edits - 2 && before[at]! === start)
    at = isDeletion ? at - 2 : at
  }
  return steps.reverse()
}
