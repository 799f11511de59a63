%include "guest.inc"
%macro  wrm 2
        mov     ecx, %1
        mov     eax, %2
        wrmsr
%endmacro
start:
        mov     rax, [rbx + 8
        mvo     rax, rbx
        wrm     MSR_IA32_TSC_DEADLINE
        dd      1, rax, 2
start:
	mov	eax, rbx
        jmp     strat
        mov     [rbx], 5
        wrm     MSR_IA32_TSC_DEADLIN, 5
