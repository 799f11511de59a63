/**
 * The syntax tree of one line. It holds positions of tokens in the line, never their text: it is a function of the token
 * types, shared by all lines of the same shape, and read together with a line's own tokens.
 */

/** Index of a token in its line. */
export type At = number

interface Place {
  readonly first: At
  readonly last: At
}

export interface Leaf extends Place {
  readonly kind: 'number' | 'float' | 'string' | 'name' | 'register' | 'here' | 'start'
  /** The token itself; `first` and `last` include parentheses around it. */
  readonly at: At
}

export interface Unary extends Place {
  readonly kind: 'unary'
  readonly operator: string
  readonly operand: Expression
}

export interface Binary extends Place {
  readonly kind: 'binary'
  readonly operator: string
  /** Where the operator stands. */
  readonly at: At
  readonly left: Expression
  readonly right: Expression
}

/** `condition ? yes : no`. */
export interface Choice extends Place {
  readonly kind: 'choice'
  readonly condition: Expression
  readonly yes: Expression
  readonly no: Expression
}

export type Expression = Leaf | Unary | Binary | Choice

/** `count dup (values)`. */
export interface Dup extends Place {
  readonly kind: 'dup'
  readonly count: Expression
  readonly values: readonly DataItem[]
}

/** Null is `?`: space without a value. */
export type DataItem = Expression | Dup | null

/** A bracketed operand: words inside the bracket, a segment, and an address. */
export interface MemoryNode extends Place {
  readonly kind: 'memory'
  /** Positions of size, rel, abs and nosplit words. */
  readonly words: readonly At[]
  readonly segment: At | null
  readonly address: Expression
}

export interface PlainNode extends Place {
  readonly kind: 'plain'
  readonly value: Expression
}

/** `selector:offset`. */
export interface FarNode extends Place {
  readonly kind: 'far'
  readonly selector: Expression
  readonly offset: Expression
}

export interface OperandNode extends Place {
  /** Positions of size, strict and distance words in front. */
  readonly words: readonly At[]
  readonly value: PlainNode | MemoryNode | FarNode
}

export interface InstructionNode extends Place {
  readonly kind: 'instruction'
  /** Positions of prefixes, segment registers among them. */
  readonly prefixes: readonly At[]
  /** Null where prefixes stand alone. */
  readonly mnemonic: At | null
  readonly operands: readonly OperandNode[]
}

export interface UnknownNode extends Place {
  readonly kind: 'unknown'
  readonly name: At
}

export interface TimesNode extends Place {
  readonly kind: 'times'
  readonly count: Expression
  readonly statement: Statement
}

export interface DataNode extends Place {
  readonly kind: 'data'
  readonly word: At
  readonly values: readonly DataItem[]
}

export interface ReserveNode extends Place {
  readonly kind: 'reserve'
  readonly word: At
  readonly count: Expression
}

export interface IncbinNode extends Place {
  readonly kind: 'incbin'
  readonly values: readonly Expression[]
}

export interface EquNode extends Place {
  readonly kind: 'equ'
  readonly value: Expression
}

/** A word of a directive that is not an expression, perhaps with a value: `align=16`, `nobits`. */
export interface Attribute extends Place {
  readonly name: At
  readonly value: Expression | null
  /** Behind a colon: `global main:function hidden`. */
  readonly words: readonly At[]
}

export interface DirectiveNode extends Place {
  readonly kind: 'directive'
  readonly word: At
  readonly values: readonly Expression[]
  readonly attributes: readonly Attribute[]
  /** What `align` fills with, and what `at` places. */
  readonly statement: Statement | null
}

export type Statement = InstructionNode | UnknownNode | TimesNode | DataNode | ReserveNode | IncbinNode | EquNode | DirectiveNode

export interface LineNode {
  readonly label: At | null
  readonly colon: boolean
  readonly statement: Statement | null
}
