/**
 * What NASM's manual has and vtick does not read: each is refused by its name, with what to do instead. The names are those of the
 * chapters "Assembler Directives", "The NASM Preprocessor", "Standard Macros", and of the output formats.
 */

const OTHER_FORMATS = 'it belongs to an output format that vtick does not write: there are bin, elf64, elf32 and exec'
const ELSEWHERE = 'declare it with `extern`, and make an object with `-f elf64`'

/** Directives, by lower-case name. */
export const OUTSIDE_DIRECTIVES: Readonly<Record<string, string>> = {
  common: 'reserve the space in one file: `section .bss`, `name: resb 4`, `global name`',
  cpu: 'leave it out: every instruction of the table is there',
  float: 'leave it out: numbers are rounded to nearest',
  static: 'what is not `global` is local anyway',
  required: ELSEWHERE,
  import: OTHER_FORMATS,
  export: OTHER_FORMATS,
  group: OTHER_FORMATS,
  library: OTHER_FORMATS,
  module: OTHER_FORMATS,
  uppercase: OTHER_FORMATS,
  safeseh: OTHER_FORMATS,
  osabi: OTHER_FORMATS,
  subsections_via_symbols: OTHER_FORMATS,
  no_dead_strip: OTHER_FORMATS,
  map: '`-l FILE` writes a listing with all addresses',
  list: '`-l FILE` writes a listing of everything',
  debug: '`-g` writes the table of lines',
  warning: '`-w CLASS` and `-w -CLASS` on the command line do it for the whole source',
  sectalign: 'write `section NAME align=N`',
  bnd: 'MPX is gone from processors: leave the prefix out, or write `db 0xf2`',
  xacquire: 'the hints of TSX are bytes: write `db 0xf2` in front',
  xrelease: 'the hints of TSX are bytes: write `db 0xf3` in front',
  // What other assemblers write.
  '.globl': 'NASM’s dialect writes `global name`',
  '.global': 'NASM’s dialect writes `global name`',
  '.section': 'NASM’s dialect writes `section .text`',
  '.align': 'NASM’s dialect writes `align 16`',
  '.byte': 'NASM’s dialect writes `db`',
  '.word': 'NASM’s dialect writes `dw`',
  '.long': 'NASM’s dialect writes `dd`',
  '.quad': 'NASM’s dialect writes `dq`',
  '.ascii': 'NASM’s dialect writes `db "text"`',
  '.asciz': 'NASM’s dialect writes `db "text", 0`',
  include: 'NASM’s dialect writes `%include "file"`',
  public: 'NASM’s dialect writes `global name`',
  extrn: 'NASM’s dialect writes `extern name`',
  proc: 'a label begins a procedure: `name:`',
  endp: 'a procedure needs no end',
  assume: 'segments are written where they are used: `[fs:x]`',
}

const NO_ALIASES = '`%define` gives a name to a text'
const NO_FRAMES = '`%define count rbp-8` names a place in the frame'

/** Directives of the preprocessor, and what they close where they open a block. */
export const OUTSIDE_PREPROCESSOR: Readonly<Record<string, string>> = {
  '%use': 'its packages (altreg, smartalign, fp, ifunc, masm, vtern) are NASM’s own files; `%include` reads yours',
  '%arg': NO_FRAMES,
  '%local': NO_FRAMES,
  '%stacksize': NO_FRAMES,
  '%depend': '`-M` and `-MD` list what was read',
  '%require': '%ifndef and %define around a file’s contents make it harmless to include twice',
  '%pathsearch': '`-I DIR` adds a folder to the search path of %include',
  '%clear': '`%undef name` and `%unmacro name 0` forget single names',
  '%defalias': NO_ALIASES,
  '%idefalias': NO_ALIASES,
  '%undefalias': NO_ALIASES,
  '%aliases': NO_ALIASES,
  '%rmacro': '%rep and %assign repeat without recursion; `%macro` is the same without calling itself',
  '%irmacro': '%rep and %assign repeat without recursion; `%imacro` is the same without calling itself',
  '%note': '`%warning` prints a line too',
  '%unimacro': '`%unmacro name count` forgets both kinds',
}

/** Preprocessor functions: `%eval(1 + 2)`. */
export const OUTSIDE_FUNCTIONS: Readonly<Record<string, string>> = {
  '%abs': 'write `(x < 0 ? -x : x)`',
  '%cond': 'write `(a ? b : c)`, or %if',
  '%count': 'a macro’s `%0` counts its arguments',
  '%eval': '`%assign name expression` computes a number',
  '%find': '%ifidn compares',
  '%findi': '%ifidni compares',
  '%hex': '`%assign name expression` gives a number in decimal',
  '%is': '%if, %ifdef, %ifidn and others decide',
  '%map': '%rep and %rotate go through arguments',
  '%num': '`%assign name expression` gives a number in decimal',
  '%ord': "a character is a number already: `'a'`",
  '%pathsearch': '`-I DIR` adds a folder to the search path of %include',
  '%sel': '%rotate and `%1` choose an argument',
  '%str': '`%defstr name text` makes a string',
  '%strcat': '`%strcat name "a", "b"` is a directive',
  '%strlen': '`%strlen name "text"` is a directive',
  '%substr': '`%substr name "text" 1,2` is a directive',
  '%tok': '`%deftok name "text"` is a directive',
}

const NO_CLOCK = 'the same source gives the same bytes on every day: write `-D NAME=VALUE`'
const PLAIN_FLOATS = 'dd and dq take plain numbers such as 1.5; others are written as bits: `dq 0x7ff0000000000000`'
const PLAIN_STRINGS = 'strings are UTF-8: write the units with dw or dd'

/** Standard macros and functions, without the underscores around them. */
export const OUTSIDE_MACROS: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    ['DATE', 'TIME', 'DATE_NUM', 'TIME_NUM', 'UTC_DATE', 'UTC_TIME', 'UTC_DATE_NUM', 'UTC_TIME_NUM', 'POSIX_TIME'].map(name => [
      name,
      NO_CLOCK,
    ]),
  ),
  ...Object.fromEntries(
    [
      'float8',
      'float16',
      'bfloat16',
      'float32',
      'float64',
      'float80m',
      'float80e',
      'float128l',
      'float128h',
      'Infinity',
      'NaN',
      'QNaN',
      'SNaN',
    ].map(name => [name, PLAIN_FLOATS]),
  ),
  ...Object.fromEntries(['utf16', 'utf16le', 'utf16be', 'utf32', 'utf32le', 'utf32be'].map(name => [name, PLAIN_STRINGS])),
  SECT: 'write the `section` line again',
  PASS: 'a source that asks how often it is read has no single meaning',
  DEBUG_FORMAT: '`-g` writes DWARF',
  ALIGNMODE: '`align N, db 0x90` says what fills',
  ALIGN_JMP_THRESHOLD: '`align N, db 0x90` says what fills',
  PTR: 'write `qword` or `dword`',
}
