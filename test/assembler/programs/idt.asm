; An interrupt table made by macros: stubs with and without error codes, gates built at assembly time.
        bits    64
        org     0x100000
%macro stub 1
isr%1:
  %if %1 != 8 && (%1 < 10 || %1 > 14)
        push    byte 0
  %endif
        push    %1
        jmp     common_entry
%endmacro
%assign vector 0
%rep 32
        stub    vector
  %assign vector vector + 1
%endrep
common_entry:
        push    rax
        push    rcx
        mov     rax, [rsp+16]
        cmp     rax, 14
        je      .page_fault
        pop     rcx
        pop     rax
        add     rsp, 16
        iretq
.page_fault:
        mov     rcx, cr2
        hlt
        align   16
gates:
%assign vector 0
%rep 32
        dw      (isr %+ vector - $$) & 0xffff, 0x08
        db      0, 0x8e
        dw      (isr %+ vector - $$) >> 16
        dd      0, 0
  %assign vector vector + 1
%endrep
