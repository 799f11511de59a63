; 16-bit code as a boot sector has it: no `bits` line, a stack, BIOS calls, padding to 512 bytes.
        org     0x7c00
start:  jmp     .flush
.flush: xor     ax, ax
        mov     ds, ax
        mov     ss, ax
        mov     sp, start
        cld
        mov     si, message
.next:  lodsb
        test    al, al
        jz      .done
        mov     ah, 0x0e
        mov     bx, 7
        int     0x10
        jmp     .next
.done:  cli
        hlt
        jmp     short $-2
message: db     'hello', 13, 10, 0
        dw      message - start, $ - $$
        times   510 - ($ - $$) db 0
        dw      0xaa55
