/** Pages of E01 (the text) and E02 (operands). */

import type { Page } from './page.ts'

export const TEXT_AND_OPERANDS = {
  E0100: {
    about:
      'The words of the line stand in an order that means nothing. The mark shows the first one that does not fit, and the help what could stand there.',
    wrong: 'mov ax bx',
    right: 'mov ax, bx',
  },
  E0101: {
    about: 'A bracket or parenthesis was opened and the line ends, or goes on, without its partner.',
    wrong: 'mov ax, [bx + 2',
    right: 'mov ax, [bx + 2]',
  },
  E0102: {
    about: 'A string ends on the line where it begins, with the quote that opened it. A quote inside needs a string of the other kind.',
    wrong: "db 'it",
    right: 'db "it"',
  },
  E0103: { about: 'The character has no meaning outside strings and comments.', wrong: 'db 5 \u0001', right: 'db 5' },
  E0104: {
    about:
      'The digits do not fit the base: hexadecimal is 0x1F, 1Fh or $1F, binary 0b101 or 101b, octal 0o17 or 17o. A hexadecimal number begins with a digit.',
    wrong: 'dw 12AB',
    right: 'dw 12ABh',
  },
  E0110: {
    about: 'Nothing defines this name. Names distinguish case, and a local name (.loop) belongs to the label above it.',
    wrong: 'start: jmp strat',
    right: 'start: jmp start',
  },
  E0111: { about: 'The word stands where an instruction, directive or macro must, and is none.', wrong: 'mvo ax, 1', right: 'mov ax, 1' },
  E0112: {
    about:
      'A name means one thing. Labels that many macro calls make are written %%name inside the macro; labels of small loops are written .name.',
    wrong: 'x: nop\nx: nop',
    right: 'x: nop\ny: nop',
  },
  E0113: {
    about: 'The manual has this instruction and our table has not. Its bytes can be written with db.',
    wrong: 'fsin',
    right: 'db 0xd9, 0xfe',
  },
  E0114: {
    about:
      'NASM reads this and vtick does not, or it has no meaning for the chosen output (an origin in an object, an external name in a flat binary).',
    wrong: 'extern outside',
    right: 'inside: nop',
  },
  E0115: {
    about: 'The register exists (AVX-512, x87 stack, bounds) and no instruction of our table takes it.',
    wrong: 'bits 64\nmov rax, k1',
    right: 'bits 64\nmov rax, rcx',
  },
  E0201: {
    about:
      'The instruction exists, but not with operands of these kinds. Two memory operands never go together; most instructions take an immediate only as the source.',
    wrong: 'mov [bx], [si]',
    right: 'mov ax, [si]\nmov [bx], ax',
  },
  E0202: { about: 'The instruction takes another number of operands.', wrong: 'inc ax, bx', right: 'inc ax' },
  E0203: {
    about:
      'Both operands of most instructions have one size. MOVZX and MOVSX widen; the lower half of a register has a name of its own (eax of rax). A size word before a register is not needed.',
    wrong: 'bits 64\nmov eax, rbx',
    right: 'bits 64\nmov eax, ebx',
  },
  E0204: {
    about: 'A number goes to memory, and nothing says how many bytes: neither a register nor a size word.',
    wrong: 'bits 64\nmov [rbx], 5',
    right: 'bits 64\nmov dword [rbx], 5',
  },
  E0205: {
    about:
      '64-bit registers and addresses exist in 64-bit code only, some old instructions everywhere else. Without a `bits` line the code is 16-bit, as in NASM.',
    wrong: 'mov rax, 1',
    right: 'bits 64\nmov rax, 1',
  },
  E0206: {
    about: 'A short jump reaches from -128 to 127 bytes, and LOOP and JCXZ have no other form.',
    wrong: 'jmp short far_off\ntimes 200 nop\nfar_off: nop',
    right: 'jmp far_off\ntimes 200 nop\nfar_off: nop',
  },
  E0207: {
    about: 'An address is a base, an index times 1, 2, 4 or 8, and a number. In 16-bit addresses it is BX or BP plus SI or DI.',
    wrong: 'bits 64\nmov eax, [rbx + rcx*3 + rdx]',
    right: 'bits 64\nlea rdx, [rdx + rcx*2]\nmov eax, [rbx + rdx]',
  },
  E0208: {
    about: 'A prefix in front and a word inside the brackets name two different segments; an instruction has one.',
    wrong: 'fs mov ax, [es:bx]',
    right: 'mov ax, [es:bx]',
  },
  E0209: {
    about: 'A REX prefix, which 64-bit and new registers need, gives the numbers of AH, CH, DH, BH to SPL, BPL, SIL, DIL.',
    wrong: 'bits 64\nmov ah, r8b',
    right: 'bits 64\nmov al, r8b',
  },
} as const satisfies Readonly<Record<string, Page>>
