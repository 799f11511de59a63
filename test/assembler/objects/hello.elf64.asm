; Two sections, a loop, hidden and typed names; linked and run by the test: it exits with 42.
        bits    64
        default rel
        global  _start:function
        global  answer:data hidden
section .text
%macro exit 1
        mov     eax, 60
        mov     edi, %1
        syscall
%endmacro
_start: lea     rsi, [answer]
        xor     ecx, ecx
.loop:  add     ecx, [rsi]
        cmp     ecx, 42
        jb      .loop
        mov     [total], ecx
        exit    dword [total]
section .data align=8
answer: dd      21
table:  times 3 dq table, _start
section .bss
total:  resd    1
