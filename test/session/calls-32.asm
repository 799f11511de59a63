; A multiboot kernel that turns paging on (32-bit with a 4-MByte page, with -D PAE in PAE format) and counts at linear 0x400000, which is
; physical 0x300000.
bits 32
org 0x100000
MAGIC           equ 0x1badb002
FLAGS           equ 0x10000
COUNTER         equ 0x400000
header: dd      MAGIC, FLAGS, -(MAGIC + FLAGS)
        dd      header, header, 0, 0, start
start:  mov     esp, 0x90000
%ifdef PAE
        mov     dword [0x200000], 0x201001      ; PDPTE 0: the directory
        mov     dword [0x201000], 0x83          ; 0 to 2 MByte, one to one
        mov     dword [0x201010], 0x202003      ; from 0x400000 on: a table
        mov     dword [0x202000], 0x300003
        mov     eax, 0x20                       ; CR4.PAE
%else
        mov     dword [0x200000], 0x83          ; 0 to 4 MByte, one to one
        mov     dword [0x200004], 0x202003      ; from 0x400000 on: a table
        mov     dword [0x202000], 0x300003
        mov     eax, 0x10                       ; CR4.PSE
%endif
        mov     cr4, eax
        mov     eax, 0x200000
        mov     cr3, eax
        mov     eax, cr0
        or      eax, 0x80000000
        mov     cr0, eax
        xor     ebx, ebx
        mov     edi, 3
main:   call    outer
after:  cpuid
behind: xor     eax, eax
        out     0xf4, eax
        hlt
outer:  push    edi
        xor     eax, eax
inside: call    inner
joined: add     eax, 1
        pop     edi
        ret
inner:  inc     dword [COUNTER]
        inc     ebx
        dec     edi
        jz      deepest
again:  call    inner
deepest: lea    eax, [eax + ebx]
        ret
