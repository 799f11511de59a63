; Jumps whose sizes depend on each other, at the edges of what a byte reaches.
bits 64
start:
a0:     jmp     b0
        times   124 nop
        je      c0
b0:     jmp     a0
        times   123 nop
c0:     jne     b0
        loop    c0
%assign i 0
%rep 40
near_%+i: jmp   far_%+i
        times   i * 7 db 0x90
        jz      near_%+i
%assign i i+1
%endrep
%assign i 0
%rep 40
far_%+i: call   near_%+i
        jmp     far_%+i
%assign i i+1
%endrep
        jmp     0x1000
        call    start
        jmp     short $ + 2
        jmp     near start
        jmp     strict near $
        jc      near $
        push    end - start
        add     eax, end - start
        add     eax, c0 - b0
        mov     rax, end - start
        mov     rax, end
        sub     rsp, end - last
last:   times   100 nop
end:
