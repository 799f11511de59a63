; Nested and recursive calls, a counter in memory, an MSR that changes, exits: what steps and breakpoints are tried on.
%include "guest.inc"
        xor     ebx, ebx
        mov     edi, 3
main:   call    outer
after:  mov     [result], eax
        cpuid
behind: mov     ecx, MSR_TSC_AUX
        mov     eax, 5
        xor     edx, edx
        wrmsr
        inc     eax
        wrmsr
        mov     eax, [result]
        exit    0
outer:  push    rdi
        xor     eax, eax
inside: call    inner
joined: add     eax, 1
        pop     rdi
        ret
inner:  inc     dword [counter]
        inc     ebx
        dec     edi
        jz      deepest
again:  call    inner
deepest: lea    eax, [rax + rbx]
        ret
        variables
counter: dd 0
result: dd 0
%include "lib.inc"
