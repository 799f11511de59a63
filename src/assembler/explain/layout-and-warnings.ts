/** Pages of E05 (data and layout), E06 (limits) and W (warnings). */

import type { Page } from './page.ts'

export const LAYOUT_AND_WARNINGS = {
  E0501: {
    about: 'A data line takes numbers, addresses, strings and, after dd and dq, floating-point numbers.',
    wrong: 'db 1, ax',
    right: 'db 1, 2',
  },
  E0502: {
    about: 'The directive takes something else: bits 16, 32 or 64; an alignment is a power of two; a count is not negative.',
    wrong: 'bits 48',
    right: 'bits 32',
  },
  E0503: {
    about: 'A section without bytes in the file (.bss), a structure and an absolute area hold space, which res words reserve.',
    wrong: 'section .bss\ndb 1',
    right: 'section .bss\nresb 1',
  },
  E0601: {
    about: 'The expression nests a hundred parentheses or signs. Give a part of it a name with equ.',
    wrong: `db ${'('.repeat(120)}1${')'.repeat(120)}`,
    right: 'db (1)',
  },
  E0602: {
    about: 'The count is beyond any image. A slip in an expression, most of the time: a difference the wrong way round, for example.',
    wrong: '%rep 1000000000\nnop\n%endrep',
    right: '%rep 10\nnop\n%endrep',
  },
  E0603: {
    about: 'Files include each other in a circle, or macros expand into each other without end.',
    wrong: '%include "self.inc"',
    right: 'nop',
  },
  E0604: {
    about: 'An image holds 64 MiB at most. A guest sets large areas up when it runs.',
    wrong: 'resb 0x30000000',
    right: 'section .bss\nresb 0x3000',
  },
  E0605: {
    about:
      'Some size depends on itself, so that no pass agrees with the one before: an `align` or `times` whose count depends on the jumps that it moves.',
    wrong: '',
    right: 'nop',
  },
  E0606: {
    about:
      'Macros made a million lines, or a line of a hundred thousand words: one that contains another twice, many times over, grows like that.',
    wrong: '%xdefine sum 1\n%rep 20\n%xdefine sum sum + sum\n%endrep\ndb sum',
    right: '%xdefine sum 1\n%rep 5\n%xdefine sum sum + sum\n%endrep\ndb sum',
  },
  W0206: {
    about: 'The value needs more bits than there are, and its upper ones are lost. Class number-overflow.',
    wrong: 'db 300',
    right: 'dw 300',
  },
  W0301: {
    about: 'A string in an expression is a number of its first eight bytes. Class string-overflow.',
    wrong: "dq 'too long for it' + 1",
    right: "dq 'short' + 1",
  },
  W0406: { about: 'The author of the source wrote %warning for this case. Class user.', wrong: '%warning slow path', right: 'nop' },
  W0407: {
    about: 'The directive is allowed and does nothing: %line and %pragma speak to other tools. Class pragma.',
    wrong: '%pragma list options',
    right: 'nop',
  },
  W0501: { about: 'Space reserved in a section with bytes is zeros in the file. Class zeroing.', wrong: 'resb 4', right: 'times 4 db 0' },
  W0502: {
    about: 'A word alone on its line is a label; often it was to be an instruction or a macro. Class label-orphan.',
    wrong: 'halt',
    right: 'halt:',
  },
  W0503: {
    about: 'RIP-relative addresses hold a distance: a plain number has none, and registers cannot be added. Class ea-absolute.',
    wrong: 'bits 64\nmov eax, [rel 5]',
    right: 'bits 64\nmov eax, [abs 5]',
  },
  W0504: {
    about: 'LOCK goes with instructions that read, change and write memory; before others the processor raises #UD. Class prefix-lock.',
    wrong: 'lock mov ax, [bx]',
    right: 'lock inc word [bx]',
  },
} as const satisfies Readonly<Record<string, Page>>
