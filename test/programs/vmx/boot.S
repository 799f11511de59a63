# Entry by multiboot 1 into 64-bit mode: 4 GiB mapped one to one by 2-MiB pages, a GDT with a TSS, 256 interrupt entries.
        .set    FLAGS, 3
        .section .multiboot, "a"
        .align  4
        .long   0x1BADB002, FLAGS, -(0x1BADB002 + FLAGS)

        .text
        .code32
        .globl  start
start:  mov     $page_directories, %edi
        mov     $0x87, %eax                     # present, writable, user, large page
1:      mov     %eax, (%edi)
        movl    $0, 4(%edi)
        add     $8, %edi
        add     $0x200000, %eax
        jnc     1b
        mov     $page_directories + 7, %eax
        mov     %eax, pdpt
        add     $4096, %eax
        mov     %eax, pdpt + 8
        add     $4096, %eax
        mov     %eax, pdpt + 16
        add     $4096, %eax
        mov     %eax, pdpt + 24
        movl    $pdpt + 7, pml4
        mov     $pml4, %eax
        mov     %eax, %cr3
        mov     $0x620, %eax                    # PAE, OSFXSR, OSXMMEXCPT
        mov     %eax, %cr4
        mov     $0xC0000080, %ecx
        mov     $0x900, %eax                    # LME, NXE
        xor     %edx, %edx
        wrmsr
        mov     $0x80010023, %eax               # PG, WP, NE, MP, PE
        mov     %eax, %cr0
        lgdt    gdtr32
        ljmp    $8, $long_mode
        .code64
long_mode:
        mov     $16, %eax
        mov     %eax, %ds
        mov     %eax, %es
        mov     %eax, %ss
        mov     %eax, %fs
        mov     %eax, %gs
        mov     $stack_top, %esp
        mov     $tss, %eax
        mov     %ax, gdt + 24 + 2
        shr     $16, %eax
        mov     %al, gdt + 24 + 4
        mov     %ah, gdt + 24 + 7
        mov     $24, %eax
        ltr     %ax
        call    kernel_main
2:      cli
        hlt
        jmp     2b

        .altmacro
        .macro  entry vector
        .align  16
        .if     !(\vector == 8 || \vector == 10 || \vector == 11 || \vector == 12 || \vector == 13 || \vector == 14 || \vector == 17 || \vector == 21)
        push    $0
        .endif
        push    $\vector
        jmp     common
        .endm
        .align  16
        .globl  entries
entries:
        .set    n, 0
        .rept   256
        entry   %n
        .set    n, n + 1
        .endr
common: push    %rax
        push    %rcx
        push    %rdx
        push    %rbx
        push    %rbp
        push    %rsi
        push    %rdi
        push    %r8
        push    %r9
        push    %r10
        push    %r11
        mov     %rsp, %rdi
        cld
        call    interrupt
        pop     %r11
        pop     %r10
        pop     %r9
        pop     %r8
        pop     %rdi
        pop     %rsi
        pop     %rbp
        pop     %rbx
        pop     %rdx
        pop     %rcx
        pop     %rax
        add     $16, %rsp
        iretq

# int enter(struct regs *, int launched): registers in, VM entry, registers out; RFLAGS if the instruction failed, else 0.
        .globl  enter, vmx_return
enter:  push    %rbx
        push    %rbp
        push    %r12
        push    %r13
        push    %r14
        push    %r15
        push    %rdi
        mov     $0x6C14, %eax                   # HOST_RSP
        vmwrite %rsp, %rax
        test    %esi, %esi
        mov     0(%rdi), %rax
        mov     8(%rdi), %rcx
        mov     16(%rdi), %rdx
        mov     24(%rdi), %rbx
        mov     32(%rdi), %rbp
        mov     40(%rdi), %rsi
        mov     48(%rdi), %rdi
        jnz     3f
        vmlaunch
        jmp     4f
3:      vmresume
4:      pushf
        pop     %rax
        pop     %rdi
        jmp     5f
vmx_return:
        push    %rdi
        mov     8(%rsp), %rdi
        mov     %rax, 0(%rdi)
        mov     %rcx, 8(%rdi)
        mov     %rdx, 16(%rdi)
        mov     %rbx, 24(%rdi)
        mov     %rbp, 32(%rdi)
        mov     %rsi, 40(%rdi)
        pop     48(%rdi)
        pop     %rdi
        xor     %eax, %eax
5:      pop     %r15
        pop     %r14
        pop     %r13
        pop     %r12
        pop     %rbp
        pop     %rbx
        ret

        .data
        .align  16
        .globl  gdt, tss
gdt:    .quad   0, 0x00AF9B000000FFFF, 0x00CF93000000FFFF, 0x0000890000000067, 0
        .quad   0x00CF9B000000FFFF
gdt_end:
gdtr32: .word   gdt_end - gdt - 1
        .quad   gdt
        .align  16
tss:    .fill   104, 1, 0
        .bss
        .align  4096
        .globl  pml4, page_directories
pml4:   .skip   4096
pdpt:   .skip   4096
page_directories:
        .skip   4 * 4096
        .skip   65536
stack_top:
        .section .note.GNU-stack, "", @progbits
