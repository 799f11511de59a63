; Every way to say an address, in 64-bit code.
bits 64
x:
%macro each 1-*
%rep %0
        mov     eax, [%1]
        lea     rdx, [%1]
%rotate 1
%endrep
%endmacro
        each    rax, rcx, rbx, rsp, rbp, rsi, r8, r12, r13, r15
        each    rax+rbx, rbx+rax, rsp+rax, rax+rsp, rbp+rax, rax+rbp, r13+r12, r12+r13, rbx*1+rax, rax*1+rbx
        each    rax*2, rbx*3, rcx*4, rdx*5, rsi*8, r9*9, rbp*2, r13*3, rax+rax, rbp+rbp, r12+r12
        each    rax+5, rax-5, rax+127, rax+128, rax-128, rax-129, 5+rax, rbp+0, rsp+8, r12+8, r13-8
        each    rax+rbx*4+100, rbx*4+rax+100000, 8*rcx+table, table+rax, table+rax*2+rbx, rax*(2+2), (rax+2)*2, rax+rbx-rbx
        each    byte rax, dword rax, byte rax+rbx, dword rbp, nosplit rax*2, nosplit rbx, rel x, abs x, rel table+4, 0x1000
        each    eax, ebx+ecx*2, esp, ebp, r8d, r13d+r12d, edi*5
        each    fs:0, gs:rax, fs:table, es:rbx, rel fs:table
        mov     rax, [qword 0x1122334455667788]
        mov     [qword 0x1122334455667788], al
        a32 mov eax, [0x10]
        mov     eax, [x]
default rel
        each    x, table, fs:table, abs table, rax+table, 0x10
table:
