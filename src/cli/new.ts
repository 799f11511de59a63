/** `vtick new`: a first guest test, which passes. */

import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { EXIT, type ExitCode, usageError } from './exit-codes.ts'
import { writeFileNamed } from './files.ts'
import type { Terminal } from './terminal.ts'

const firstTest = (name: string): string => `;! test    "${name}: two and two make four, and CPUID is the only exit of its kind"
;! expect  exits(CPUID) == 1
;! never   exit(TRIPLE_FAULT)

; A guest test: what runs is an x86 guest under an emulated KVM. Lines that begin with ;! say what the whole run must do, and what
; stands behind an instruction as ;= is about that line. \`vtick test\` runs it; \`vtick test --watch\` runs it whenever it is saved.

%include "guest.inc"                    ; 64-bit mode at 0x100000, constants, macros

        mov     eax, 2
        add     eax, 2                  ;= eax=4
        cmp     eax, 4                  ;= ZF=1
        report  "two and two make four", e

        xor     eax, eax
        cpuid                           ;= exit CPUID

        summary                         ; prints how many checks failed, and ends the run

%include "lib.inc"                      ; the routines behind the macros
`

const NAME = /^[\w][\w.-]*$/

export function newCommand(terminal: Terminal, name: string): ExitCode {
  const { io } = terminal
  const base = name.replace(/(\.guest)?\.asm$/, '')
  if (!NAME.test(base))
    throw usageError(`\`${name}\` is not a name for a test`, 'use letters, digits, `_` and `-`, as in `vtick new deadline`')
  const file = `${base}.guest.asm`
  if (existsSync(resolve(io.cwd, file))) throw usageError(`${file} is there already`, 'choose another name, or edit it')
  writeFileNamed(io, file, firstTest(base))
  terminal.say(`wrote ${file}; \`vtick test ${base}\` runs it`)
  return EXIT.fine
}
