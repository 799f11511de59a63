/**
 * What to stop at, in the language of filters: events as there (`exit(MSR_WRITE, 0x6e0)`, `irq(0xec)`); the state by comparisons
 * (`rip == handler+4`, `[rsp]:4 >= 3`, `vmcs.GUEST_RIP == rip`, `level == 2`); both at once (`exit(HLT) and rax == 5`); or a bare
 * address or location: there, or when it changes.
 *
 * Some names are a field of events and a piece of the state: `rip`, `level`. Beside a term that is about events alone they are the
 * event's, else the state's.
 */

import type { TraceHeader } from '../trace/file.ts'
import type { ExpressionNode } from './expression-nodes.ts'
import { checkDepth, eventMatcher, programNames } from './filter.ts'
import { codeRangesOf, isInRanges } from './filter-calls.ts'
import { FilterError, isField, type ProgramNames } from './filter-fields.ts'
import { type Matcher, ORDERS } from './filter-tests.ts'
import { addressOf, valueText } from './location.ts'
import { type Ask, isStateName, type Operand, operandOf, RIP, valueAsked } from './operand.ts'
import { readExpression } from './parse.ts'

export type StateTest = (ask: Ask) => boolean

export type StopExpression =
  | { readonly kind: 'address'; readonly address: bigint }
  | { readonly kind: 'change'; readonly of: Operand }
  | { readonly kind: 'event'; readonly matcher: Matcher }
  | { readonly kind: 'state'; readonly holds: StateTest }

type Image = TraceHeader['image']

/** Throws `FilterError` where the text says nothing to stop at. */
export function parseStopExpression(text: string, image: Image): StopExpression {
  const program = programNames(image)
  return readExpression(text, tree => {
    checkDepth(tree)
    if (tree.kind === 'bare' && about(tree, program) !== 'events') return alone(tree.value, program)
    const compiler = new Compiler(
      image,
      program,
      leaves(tree).some(leaf => about(leaf, program) === 'events'),
    )
    const compiled = compiler.compile(tree)
    return compiled.kind === 'events'
      ? { kind: 'event', matcher: eventMatcher(compiled.node, image, program) }
      : { kind: 'state', holds: compiled.holds }
  })
}

/** A bare value: an address to come to, or something that changes. */
function alone(value: Leaf<'bare'>['value'], program: ProgramNames): StopExpression {
  const address = addressOf(value, program)
  return address === undefined ? { kind: 'change', of: operandOf(value, program) } : { kind: 'address', address }
}

type Leaf<K extends ExpressionNode['kind'] = 'bare' | 'comparison' | 'range' | 'call'> = Extract<ExpressionNode, { kind: K }>

function leaves(node: ExpressionNode): readonly Leaf[] {
  switch (node.kind) {
    case 'and':
    case 'or':
      return [...leaves(node.left), ...leaves(node.right)]
    case 'not':
      return leaves(node.of)
    default:
      return [node]
  }
}

/** What a term asks about. */
function about(leaf: Leaf, program: ProgramNames): 'events' | 'state' | 'either' {
  if (leaf.kind === 'call') return ['line', 'at'].includes(leaf.name.text) ? 'either' : 'events'
  const subject = leaf.kind === 'bare' ? leaf.value : leaf.left
  if (subject.kind !== 'name') return 'state'
  if (leaf.kind === 'bare') return program.has(subject.text) || isStateName(subject.text) ? 'state' : 'events'
  if (!isField(subject.text)) return 'state'
  return isStateName(subject.text) ? 'either' : 'events'
}

type Compiled = { readonly kind: 'events'; readonly node: ExpressionNode } | { readonly kind: 'state'; readonly holds: StateTest }

/** Terms about events that stand together are one question, about one event; the others ask the state. */
class Compiler {
  readonly #image: Image
  readonly #program: ProgramNames
  readonly #hasEvents: boolean

  constructor(image: Image, program: ProgramNames, hasEvents: boolean) {
    this.#image = image
    this.#program = program
    this.#hasEvents = hasEvents
  }

  compile(node: ExpressionNode): Compiled {
    switch (node.kind) {
      case 'and':
      case 'or': {
        const [left, right] = [this.compile(node.left), this.compile(node.right)]
        if (left.kind === 'events' && right.kind === 'events') return { kind: 'events', node }
        const [a, b] = [this.#test(left), this.#test(right)]
        return { kind: 'state', holds: node.kind === 'and' ? ask => a(ask) && b(ask) : ask => a(ask) || b(ask) }
      }
      case 'not': {
        const of = this.compile(node.of)
        return of.kind === 'events' ? { kind: 'events', node } : { kind: 'state', holds: ask => !of.holds(ask) }
      }
      default: {
        const what = about(node, this.#program)
        return what === 'events' || (what === 'either' && this.#hasEvents)
          ? { kind: 'events', node }
          : { kind: 'state', holds: this.#stateTest(node) }
      }
    }
  }

  /** Of events, that one came about. */
  #test(compiled: Compiled): StateTest {
    if (compiled.kind === 'state') return compiled.holds
    const { node } = compiled
    if (node.kind === 'not') {
      const holds = this.#test({ kind: 'events', node: node.of })
      return ask => !holds(ask)
    }
    const matcher = eventMatcher(node, this.#image, this.#program)
    return ask => ask.happens(matcher)
  }

  #stateTest(leaf: Leaf): StateTest {
    switch (leaf.kind) {
      case 'bare':
        return this.#isAt(leaf)
      case 'comparison':
        return this.#comparison(leaf)
      case 'range':
        return this.#range(leaf)
      case 'call': {
        const ranges = codeRangesOf(leaf, this.#image)!
        return ask => {
          const rip = valueAsked(RIP, ask)
          return rip !== undefined && isInRanges(ranges, rip)
        }
      }
    }
  }

  #isAt({ value }: Leaf<'bare'>): StateTest {
    const address = addressOf(value, this.#program)
    if (address !== undefined) return ask => valueAsked(RIP, ask) === address
    const text = valueText(value)
    throw new FilterError(value.column, `\`${text}\` alone says nothing beside other terms`, `compare it, as in \`${text} != 0\``)
  }

  #comparison({ left, comparison, value }: Leaf<'comparison'>): StateTest {
    if (comparison === '~') throw new FilterError(left.column, `\`${valueText(left)}\` is a number`, 'compare it with == != < <= > >=')
    const a = operandOf(left, this.#program, { isSubject: true })
    const b = operandOf(value, this.#program, { comparedWith: a })
    if (a.kind === 'constant' && b.kind === 'constant')
      throw new FilterError(left.column, `\`${valueText(left)}\` is an address`, `for what stands there write \`[${valueText(left)}]:8\``)
    const order = ORDERS[comparison]
    return ask => {
      const [x, y] = [valueAsked(a, ask), valueAsked(b, ask)]
      return x !== undefined && y !== undefined && order(x, y)
    }
  }

  #range({ left, from, to }: Leaf<'range'>): StateTest {
    const of = operandOf(left, this.#program, { isSubject: true })
    const [low, high] = [operandOf(from, this.#program), operandOf(to, this.#program)]
    if (low.kind === 'constant' && high.kind === 'constant' && low.value > high.value)
      throw new FilterError(from.column, 'the range ends before it begins', `write \`${valueText(to)}..${valueText(from)}\``)
    return ask => {
      const [x, least, most] = [valueAsked(of, ask), valueAsked(low, ask), valueAsked(high, ask)]
      return x !== undefined && least !== undefined && most !== undefined && x >= least && x <= most
    }
  }
}
