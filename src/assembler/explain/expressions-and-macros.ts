/** Pages of E03 (expressions) and E04 (macros and conditions). */

import type { Page } from './page.ts'

export const EXPRESSIONS_AND_MACROS = {
  E0301: {
    about:
      'A plain number is asked for, and this is an address, a register or a floating-point number. The distance of two labels of one section is plain.',
    wrong: 'x: times x nop',
    right: 'x: nop\ntimes 4 - ($ - x) nop',
  },
  E0302: { about: 'The divisor is zero.', wrong: 'db 1 / 0', right: 'db 1 / 2' },
  E0303: {
    about: 'What decides how many bytes stand somewhere must be known when the line is read: it may use names from above only.',
    wrong: 'times later db 0\nlater equ 3',
    right: 'later equ 3\ntimes later db 0',
  },
  E0304: {
    about:
      'An address can be added to a number and subtracted from another one of its section; nothing else can be computed with it before it is known.',
    wrong: 'x: dw x & 1',
    right: 'x: dw (x - $$) & 1',
  },
  E0401: { about: 'The word behind % is no directive that vtick reads.', wrong: '%defin x 1', right: '%define x 1' },
  E0402: {
    about: 'The directive needs something else behind it: a name, a number, a string in quotes.',
    wrong: '%define',
    right: '%define x',
  },
  E0403: {
    about: 'No macro of this name takes so many arguments. Braces keep a comma inside one argument.',
    wrong: '%macro two 2\n%endmacro\ntwo 1',
    right: '%macro two 2\n%endmacro\ntwo 1, {2, 3}',
  },
  E0404: {
    about:
      'What is opened (%if, %macro, %rep, struc, %push) must be closed in the same file or macro, and only what is open can be closed.',
    wrong: '%if 1\nnop',
    right: '%if 1\nnop\n%endif',
  },
  E0405: {
    about: 'Files are looked for beside the file that asks, in the folders of -I, and among those that come with vtick.',
    wrong: '%include "absent.inc"',
    right: 'nop',
  },
  E0406: {
    about: 'The author of the source, or of a file that it includes, wrote %error or %fatal for this case.',
    wrong: '%error not on this machine',
    right: 'nop',
  },
  E0407: {
    about: 'Parameters (%1) and local names (%%name) mean something inside a macro only.',
    wrong: 'db %1',
    right: '%macro one 1\ndb %1\n%endmacro\none 5',
  },
  E0408: {
    about: 'A macro does not call itself, directly or through others. %rep repeats.',
    wrong: '%macro again 0\nagain\n%endmacro\nagain',
    right: '%rep 3\nnop\n%endrep',
  },
} as const satisfies Readonly<Record<string, Page>>
