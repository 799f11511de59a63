/**
 * What a word is before any grammar looks at it: a mnemonic, a register, a size, a directive, or else a name. Directives count
 * only where a statement may begin; elsewhere they are names like any other (`jmp default`).
 */

import { rowsByMnemonic } from '../isa/table.ts'
import { KNOWN_MNEMONICS } from './known-mnemonics.ts'
import { REGISTERS } from './registers.ts'
import type { WordType } from './tokens.ts'

const KEYWORDS = {
  prefix: 'lock rep repe repz repne repnz a16 a32 a64 o16 o32 o64',
  size: 'byte word dword qword tword oword yword zword',
  strict: 'strict',
  distance: 'short near far',
  relative: 'rel abs',
  nosplit: 'nosplit',
  times: 'times',
  equ: 'equ',
  data: 'db dw dd dq dt do dy dz',
  reserve: 'resb resw resd resq rest reso resy resz',
  incbin: 'incbin',
  bits: 'bits use16 use32 use64',
  org: 'org',
  addressing: 'default',
  align: 'align alignb',
  section: 'section segment',
  global: 'global static',
  extern: 'extern',
  absolute: 'absolute',
  struc: 'struc',
  endstruc: 'endstruc',
  istruc: 'istruc',
  at: 'at',
  iend: 'iend',
  refused: 'common cpu float group import export library map warning sectalign debug list required xacquire xrelease bnd',
  seg: 'seg',
  wrt: 'wrt',
  dup: 'dup',
} as const satisfies Partial<Record<WordType, string>>

/** Directives, in the sense that they mean something at the start of a statement only. */
export const STATEMENT_WORDS: ReadonlySet<string> = new Set([
  ...['bits', 'org', 'addressing', 'align', 'section', 'global', 'extern', 'absolute'],
  ...['struc', 'endstruc', 'istruc', 'at', 'iend', 'refused'],
])

function everyWord(): Map<string, WordType> {
  const words = new Map<string, WordType>()
  for (const mnemonic of KNOWN_MNEMONICS) words.set(mnemonic, 'mnemonic')
  for (const mnemonic of rowsByMnemonic.keys()) words.set(mnemonic.toLowerCase(), 'mnemonic')
  for (const register of REGISTERS.values()) words.set(register.name, register.kind === 'segment' ? 'segment' : 'register')
  for (const [type, list] of Object.entries(KEYWORDS)) for (const word of list.split(' ')) words.set(word, type as WordType)
  return words
}

const WORDS = everyWord()

/** The type of a word; NASM's keywords do not distinguish case, names do. */
export const classify = (text: string): WordType => WORDS.get(text) ?? WORDS.get(text.toLowerCase()) ?? 'name'

/** The words of some types, for suggestions. */
export const wordsOfType = (...types: readonly WordType[]): readonly string[] => {
  const key = types.join()
  const known = listed.get(key) ?? [...WORDS].filter(([, type]) => types.includes(type)).map(([word]) => word)
  listed.set(key, known)
  return known
}

const listed = new Map<string, readonly string[]>()
