/** A long source as people write them: instructions of many shapes, labels, jumps, data, constants, and macro calls. */

const REGISTERS = ['rax', 'rbx', 'rcx', 'rdx', 'rsi', 'rdi', 'r8', 'r9', 'r12', 'r15']

const HEAD = `bits 64
default rel
org 0x100000
%define STEP 16
%assign SIZE STEP * 4
LIMIT equ 0x1234
%macro save 2
        push    %1
        mov     %1, %2
        pop     %1
%endmacro
%macro wait_for 1-2 LIMIT
%%again:
        cmp     dword [%1], %2
        jne     %%again
%endmacro
start:
`

/** Ten lines of block number `n`. */
function block(n: number): string {
  const a = REGISTERS[n % 10]!
  const b = REGISTERS[(n * 7 + 3) % 10]!
  return [
    `block${n}:                            ; block ${n}`,
    `        mov     ${a}, ${b}`,
    `        add     ${a}, [${b}+${(n % 64) * 8}]`,
    `.loop:  lea     ${b}, [${a}+rbx*4-${n % 200}]`,
    `        test    ${a}, ${a}`,
    n % 5 === 0 ? `        save    ${a}, ${n * 3}` : `        cmp     qword [table+SIZE], ${n % 300}`,
    `        jnz     .loop`,
    n % 7 === 0 ? '        wait_for table' : `        jmp     block${n + 1}`,
    n % 3 === 0 ? `        dd      ${n}, 0x${n.toString(16)}, LIMIT + ${n}` : `        mov     dword [table], LIMIT + ${n}`,
    n % 11 === 0 ? `        db      "block ${n}", 13, 10, 0` : `        xor     e${'abcd'[n % 4]}x, e${'dcba'[n % 4]}x`,
  ].join('\n')
}

/** A source of about `lines` lines, the same each time. */
export function mixedSource(lines: number): string {
  const count = Math.floor((lines - 22) / 10)
  const blocks = Array.from({ length: count }, (_, n) => block(n))
  return `${HEAD}${blocks.join('\n')}\nblock${count}:\n        ret\ntable:  times 64 dd 0\n`
}
