/** RFLAGS and the condition codes of Jcc, SETcc and CMOVcc (Intel SDM, "EFLAGS Register"; "Condition Codes"). */

export const RFLAGS = {
  CF: 0,
  PF: 2,
  AF: 4,
  ZF: 6,
  SF: 7,
  TF: 8,
  IF: 9,
  DF: 10,
  OF: 11,
  IOPL: 12,
  NT: 14,
  RF: 16,
  VM: 17,
  AC: 18,
  VIF: 19,
  VIP: 20,
  ID: 21,
} as const

export type FlagName = keyof typeof RFLAGS

/** Bit 1 always reads 1. */
export const RFLAGS_RESERVED_ONE = 2n

/** Position is the condition's encoding in the low four bits of the opcode; the first name is the one we print. */
export const CONDITION_CODES = [
  ['O'],
  ['NO'],
  ['B', 'C', 'NAE'],
  ['AE', 'NB', 'NC'],
  ['E', 'Z'],
  ['NE', 'NZ'],
  ['BE', 'NA'],
  ['A', 'NBE'],
  ['S'],
  ['NS'],
  ['P', 'PE'],
  ['NP', 'PO'],
  ['L', 'NGE'],
  ['GE', 'NL'],
  ['LE', 'NG'],
  ['G', 'NLE'],
] as const

/** 0..15: the condition's encoding. An odd code is the even one's negation. */
export type ConditionCode = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 | 10 | 11 | 12 | 13 | 14 | 15
