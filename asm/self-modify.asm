; Changes its own code again and again, and runs it after each change: an immediate, an opcode, instructions whose lengths change,
; an instruction that lies across two pages, and code that is written through another linear address. A branch to the changed code
; is enough when it is written and fetched by the same linear address; otherwise a serializing instruction must stand between,
; here CPUID (Intel SDM, "Handling Self- and Cross-Modifying Code").
;
; Expected:
;       rounds of each:      64
;       PASS: a new immediate is used
;       PASS: a new opcode is used
;       PASS: instructions of new lengths are used
;       PASS: an instruction across two pages is used as changed in the first
;       PASS: an instruction across two pages is used as changed in the second
;       PASS: an instruction across two pages is used as changed in both
;       PASS: code written through another address is used
;       SUMMARY: 7 tests

%include "guest.inc"

ROUNDS          equ 64
MAPPED          equ 1 << 39     ; where entry 1 of the level-4 table begins

PTE_PRESENT     equ 1 << 0
PTE_WRITABLE    equ 1 << 1

; link table, page: entry 0 of a table points to a page, both by their labels. Changes RAX.
%macro link 2
        lea     rax, [%2]
        or      rax, PTE_PRESENT | PTE_WRITABLE
        mov     [%1], rax
%endmacro

; begin_rounds: R12 counts rounds, R13 those that went wrong.
%macro begin_rounds 0
        xor     r12d, r12d
        xor     r13d, r13d
%endmacro

; judge_round label: wrong unless EAX is the number of the round; then on with the next round, if there is one. Changes RAX.
%macro judge_round 1
        sub     eax, r12d
        cmp     eax, 1                  ; carry if EAX is 0
        cmc
        adc     r13, 0
        inc     r12
        cmp     r12, ROUNDS
        jb      %1
%endmacro

; report_rounds "name"
%macro report_rounds 1
        test    r13, r13
        report  %1, z
%endmacro

        show    "rounds of each:", ROUNDS

        begin_rounds
immediate:
        mov     [.changed + 1], r12d
        jmp     .changed
.changed:
        mov     eax, 0x11111111
        judge_round immediate
        report_rounds "a new immediate is used"

; F9 is STC, F8 is CLC: with the number's lowest bit set, and without.
        begin_rounds
opcode: xor     byte [.changed], 1
        mov     eax, r12d
        and     eax, -2
        jmp     .changed
.changed:
        stc
        adc     eax, 0
        judge_round opcode
        report_rounds "a new opcode is used"

        begin_rounds
lengths:
        mov     rax, [even_code]
        test    r12, 1
        jz      .write
        mov     rax, [odd_code]
.write: mov     [.changed], rax
        jmp     .changed
        align   8, nop
.changed:
        times   8 nop
        and     eax, 1
        mov     edx, r12d
        and     edx, -2
        or      eax, edx
        judge_round lengths
        report_rounds "instructions of new lengths are used"

; B8 and the lowest byte of its immediate are the last bytes of a page, the other three are the first of the next.
        begin_rounds
        mov     dword [crossing + 1], 0x55555500
first_of_two:
        mov     [crossing + 1], r12b
        call    crossing
        sub     eax, 0x55555500
        judge_round first_of_two
        report_rounds "an instruction across two pages is used as changed in the first"

        begin_rounds
        mov     dword [crossing + 1], 0x55555555
second_of_two:
        mov     [crossing + 2], r12b
        call    crossing
        shr     eax, 8
        sub     eax, 0x555500
        judge_round second_of_two
        report_rounds "an instruction across two pages is used as changed in the second"

        begin_rounds
both_of_two:
        mov     eax, r12d
        imul    eax, 0x01010101
        mov     [crossing + 1], eax
        call    crossing
        mov     edx, r12d
        imul    edx, 0x01010101
        sub     eax, edx
        add     eax, r12d
        judge_round both_of_two
        report_rounds "an instruction across two pages is used as changed in both"

; Into the level-4 table that we found; bits 51:12 of CR3 are its address.
        link    directory_pointers, directory
        link    directory, table
        link    table, aliased
        mov     rbx, cr3
        and     rbx, -4096
        lea     rax, [directory_pointers]
        or      rax, PTE_PRESENT | PTE_WRITABLE
        mov     [rbx + 8], rax
        mov     rsi, MAPPED

        begin_rounds
elsewhere:
        mov     [rsi + 1], r12d
        xor     eax, eax
        cpuid
        call    aliased
        judge_round elsewhere
        report_rounds "code written through another address is used"
        summary

; Eight bytes each: the shortest instructions, and longer ones.
        align   8, db 0
even_code:
        xor     eax, eax
        inc     eax
        inc     eax
        nop
        nop
odd_code:
        mov     eax, 1
        lea     rax, [rax]

%include "lib.inc"

        variables
        times   4094 db 0
crossing:
        mov     eax, 0x11111111
        ret

        variables
aliased:
        mov     eax, 0x11111111
        ret

        variables
directory_pointers:
        times   4096 db 0
directory:
        times   4096 db 0
table:  times   4096 db 0
