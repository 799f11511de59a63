; Edits a page-table entry again and again without an INVLPG, and reads through it each time. The entry maps one linear page to one
; of two physical pages that hold different values. Until the TLB is flushed a CPU may answer from the old or from the new entry
; (Intel SDM, "Invalidation of TLBs and Paging-Structure Caches"), so the judgement admits both; after a write of CR3 only the new
; one is right. How many reads saw the new entry at once is printed as a fact: under vtick all do, its TLB being unobservable.
;
; Expected:
;       reads:              64
;       new at once:        64
;       PASS: every read gave one of the two pages
;       PASS: after writing CR3 every read gave the new page
;       PASS: a store went through the entry to the page
;       PASS: the entry was marked accessed and dirty
;       SUMMARY: 4 tests

%include "guest.inc"

ROUNDS          equ 64
FIRST_VALUE     equ 0x1111111111111111
SECOND_VALUE    equ 0x2222222222222222
MAPPED          equ 1 << 39     ; where entry 1 of the level-4 table begins

PTE_PRESENT     equ 1 << 0
PTE_WRITABLE    equ 1 << 1
PTE_ACCESSED    equ 1 << 5
PTE_DIRTY       equ 1 << 6

; link table, page: entry 0 of a table points to a page, both by their labels. Changes RAX.
%macro link 2
        lea     rax, [%2]
        or      rax, PTE_PRESENT | PTE_WRITABLE
        mov     [%1], rax
%endmacro

; flush_tlb: changes RAX.
%macro flush_tlb 0
        mov     rax, cr3
        mov     cr3, rax
%endmacro

        mov     rax, FIRST_VALUE
        mov     [first_page], rax
        mov     rax, SECOND_VALUE
        mov     [second_page], rax
        link    directory_pointers, directory
        link    directory, table
        link    table, first_page

; Into the level-4 table that we found; bits 51:12 of CR3 are its address.
        mov     rbx, cr3
        and     rbx, -4096
        lea     rax, [directory_pointers]
        or      rax, PTE_PRESENT | PTE_WRITABLE
        mov     [rbx + 8], rax

        mov     rbx, MAPPED
        lea     rsi, [first_page + PTE_PRESENT + PTE_WRITABLE]
        lea     rdi, [second_page + PTE_PRESENT + PTE_WRITABLE]
        mov     r8, FIRST_VALUE
        mov     r9, SECOND_VALUE
        xor     r12d, r12d              ; rounds
        xor     r13d, r13d              ; reads that saw the new entry at once
        xor     r14d, r14d              ; reads that saw neither page
        xor     r15d, r15d              ; reads after the flush that did not see the new page
edit:   mov     rcx, [rbx]              ; the old entry is in the TLB now
        xchg    rsi, rdi
        xchg    r8, r9                  ; RSI the new entry, R8 the value behind it
        mov     [table], rsi
        mov     rcx, [rbx]
        cmp     rcx, r8
        je      .new
        cmp     rcx, r9
        je      .flush
        inc     r14
        jmp     .flush
.new:   inc     r13
.flush: flush_tlb
        cmp     [rbx], r8
        je      .next
        inc     r15
.next:  inc     r12
        cmp     r12, ROUNDS
        jb      edit

        show    "reads:       ", r12
        show    "new at once: ", r13
        test    r14, r14
        report  "every read gave one of the two pages", z
        test    r15, r15
        report  "after writing CR3 every read gave the new page", z

; An even number of rounds: the first page is mapped again.
        mov     qword [rbx + 8], 7
        cmp     qword [first_page + 8], 7
        report  "a store went through the entry to the page", e
        mov     rax, [table]
        and     eax, PTE_ACCESSED | PTE_DIRTY
        cmp     eax, PTE_ACCESSED | PTE_DIRTY
        report  "the entry was marked accessed and dirty", e

%include "lib.inc"

        variables
directory_pointers:
        times   4096 db 0
directory:
        times   4096 db 0
table:  times   4096 db 0
first_page:
        times   4096 db 0
second_page:
        times   4096 db 0
