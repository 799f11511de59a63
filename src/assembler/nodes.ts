/** What the grammar's rules make of their parts: one function for each kind of node. Called by `grammar.ts` only. */

import type {
  At,
  Attribute,
  DataItem,
  DataNode,
  DirectiveNode,
  Dup,
  Expression,
  FarNode,
  InstructionNode,
  LineNode,
  MemoryNode,
  OperandNode,
  PlainNode,
  Statement,
  TimesNode,
  UnknownNode,
} from './ast.ts'
import type { ShapeToken } from './shape-lexer.ts'

/** nearley hands every function an array of what the rule's symbols gave; its type cannot follow the grammar. */
// biome-ignore lint/suspicious/noExplicitAny: the grammar file is the type of this array
type Parts = readonly any[]

const at = (token: ShapeToken): At => token.value

// Lines.

export const emptyLine = (): LineNode => ({ label: null, colon: false, statement: null })
export const label = ([name, colon]: Parts): Pick<LineNode, 'label' | 'colon'> => ({ label: at(name), colon: colon !== undefined })
export const labelLine = ([line]: Parts): LineNode => ({ ...line, statement: null })
export const labelledLine = ([line, statement]: Parts): LineNode => ({ ...line, statement })
export const statementLine = ([statement]: Parts): LineNode => ({ label: null, colon: false, statement })
export const bracketLine = ([, statement]: Parts): LineNode => ({ label: null, colon: false, statement })

// Lists. A list that could end here and also goes on is two parses at once, so none may be changed in place.

export const none = (): readonly never[] => []
export const list = ([item]: Parts): readonly unknown[] => [item]
export const append = ([items, , item]: Parts): readonly unknown[] => [...items, item]
export const appendNext = ([items, item]: Parts): readonly unknown[] => [...items, item]
export const word = ([words, token]: Parts): readonly At[] => [...words, at(token)]

/** The items of a data line, which may be thousands: linked while the line is read, an array when it is done. */
interface Link {
  readonly before: Link | null
  readonly item: DataItem
}

export const firstItem = ([item]: Parts): Link => ({ before: null, item })
export const nextItem = ([before, , item]: Parts): Link => ({ before, item })

function itemsOf(last: Link): DataItem[] {
  const items: DataItem[] = []
  for (let link: Link | null = last; link !== null; link = link.before) items.push(finishItem(link.item))
  return items.reverse()
}

const finishItem = (item: DataItem): DataItem =>
  item?.kind === 'dup' ? { ...item, values: itemsOf(item.values as unknown as Link) } : item

/** Its items, too, stay linked until `finishLine`. */
export const dup = ([count, , , items, close]: Parts): Dup => ({ kind: 'dup', count, values: items, first: count.first, last: at(close) })

/** What `data` leaves undone until the line has been read to its end. */
export function finishLine(line: LineNode): LineNode {
  return line.statement === null ? line : { ...line, statement: finishStatement(line.statement) }
}

function finishStatement(statement: Statement): Statement {
  if (statement.kind === 'times') return { ...statement, statement: finishStatement(statement.statement) }
  if (statement.kind === 'directive' && statement.statement !== null)
    return { ...statement, statement: finishStatement(statement.statement) }
  if (statement.kind !== 'data') return statement
  const values = itemsOf(statement.values as unknown as Link)
  return { ...statement, values, last: values.findLast(value => value !== null)?.last ?? statement.word }
}

// Statements.

export const unknown = ([name, operands]: Parts): UnknownNode => ({
  kind: 'unknown',
  name: at(name),
  first: at(name),
  last: (operands as readonly OperandNode[] | undefined)?.at(-1)?.last ?? at(name),
})

export const instruction = ([mnemonic, operands]: Parts): InstructionNode => ({
  kind: 'instruction',
  prefixes: [],
  mnemonic: at(mnemonic),
  operands: operands ?? [],
  first: at(mnemonic),
  last: (operands as readonly OperandNode[] | undefined)?.at(-1)?.last ?? at(mnemonic),
})

export const lonePrefix = ([prefix]: Parts): InstructionNode => ({
  kind: 'instruction',
  prefixes: [at(prefix)],
  mnemonic: null,
  operands: [],
  first: at(prefix),
  last: at(prefix),
})

export const prefixed = ([prefix, rest]: Parts): InstructionNode => ({
  ...rest,
  prefixes: [at(prefix), ...rest.prefixes],
  first: at(prefix),
})

export const times = ([times, count, statement]: Parts): TimesNode => ({
  kind: 'times',
  count,
  statement,
  first: at(times),
  last: statement.last,
})

export const equ = ([equ, value]: Parts): Statement => ({ kind: 'equ', value, first: at(equ), last: value.last })

/** The items stay linked until `finishLine`. */
export const data = ([word, items]: Parts): DataNode => ({ kind: 'data', word: at(word), values: items, first: at(word), last: at(word) })
export const unset = (): null => null

export const reserve = ([word, count]: Parts): Statement => ({
  kind: 'reserve',
  word: at(word),
  count,
  first: at(word),
  last: count.last,
})

export const incbin = ([word, values]: Parts): Statement => ({
  kind: 'incbin',
  values,
  first: at(word),
  last: values.at(-1)!.last,
})

// Directives.

const directiveOf = (word: ShapeToken, last: At, parts: Partial<DirectiveNode>): DirectiveNode => ({
  kind: 'directive',
  word: at(word),
  values: [],
  attributes: [],
  statement: null,
  first: at(word),
  last,
  ...parts,
})

export const directive = ([word, value]: Parts): DirectiveNode =>
  directiveOf(word, value?.last ?? at(word), value ? { values: [value] } : {})
export const directiveStatement = ([word, value, , statement]: Parts): DirectiveNode =>
  directiveOf(word, statement.last, { values: [value], statement })
export const directiveAttributes = ([word, attributes]: Parts): DirectiveNode => directiveOf(word, attributes.at(-1)!.last, { attributes })
export const strucAt = ([word, attributes, , value]: Parts): DirectiveNode => directiveOf(word, value.last, { attributes, values: [value] })

export const attribute = ([name]: Parts): Attribute => ({ name: at(name), value: null, words: [], first: at(name), last: at(name) })
export const attributeValue = ([name, , value]: Parts): Attribute => ({
  name: at(name),
  value,
  words: [],
  first: at(name),
  last: value.last,
})
export const symbolType = ([name, , attributes]: Parts): Attribute => ({
  name: at(name),
  value: null,
  words: (attributes as readonly Attribute[]).map(attribute => attribute.name),
  first: at(name),
  last: attributes.at(-1)!.last,
})

// Operands.

export const operand = ([words, value]: Parts): OperandNode => ({
  words,
  value,
  first: words[0] ?? value.first,
  last: value.last,
})

export const plain = ([value]: Parts): PlainNode => ({ kind: 'plain', value, first: value.first, last: value.last })

export const far = ([selector, , offset]: Parts): FarNode => ({
  kind: 'far',
  selector,
  offset,
  first: selector.first,
  last: offset.last,
})

export const memory = ([open, words, address, close]: Parts): MemoryNode => ({
  kind: 'memory',
  words,
  segment: null,
  address,
  first: at(open),
  last: at(close),
})

export const segmentMemory = ([open, words, segment, , more, address, close]: Parts): MemoryNode => ({
  kind: 'memory',
  words: [...words, ...more],
  segment: at(segment),
  address,
  first: at(open),
  last: at(close),
})

// Expressions.

const LEAVES: Readonly<Record<string, string>> = { segment: 'register' }

export const leaf = ([token]: Parts): Expression => ({
  kind: LEAVES[token.type] ?? token.type,
  at: at(token),
  first: at(token),
  last: at(token),
})

export const unary = ([operator, operand]: Parts): Expression => ({
  kind: 'unary',
  operator: operator.type,
  operand,
  first: at(operator),
  last: operand.last,
})

export const binary = ([left, operator, right]: Parts): Expression => ({
  kind: 'binary',
  operator: operator.type,
  at: at(operator),
  left,
  right,
  first: left.first,
  last: right.last,
})

export const choice = ([condition, , yes, , no]: Parts): Expression => ({
  kind: 'choice',
  condition,
  yes,
  no,
  first: condition.first,
  last: no.last,
})

export const parenthesized = ([open, inside, close]: Parts): Expression => ({
  ...inside,
  first: at(open),
  last: at(close),
})
