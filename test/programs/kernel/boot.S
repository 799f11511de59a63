# Entry by multiboot 1, the start of application processors, and interrupt entries. 32-bit code; AT&T syntax as gcc has it.

        .set    FLAGS, 3                        # modules page-aligned, memory information
        .section .multiboot, "a"
        .align  4
        .long   0x1BADB002, FLAGS, -(0x1BADB002 + FLAGS)

        .text
        .globl  start
start:  mov     $stack_top, %esp
        push    %ebx
        push    %eax
        call    kernel_main
1:      cli
        hlt
        jmp     1b

# Real mode, copied to 0x8000: an application processor starts here and goes to protected mode with the kernel's page tables.
        .code16
        .globl  trampoline, trampoline_end
trampoline:
        cli
        xor     %ax, %ax
        mov     %ax, %ds
        lgdtl   0x8000 + (ap_gdtr - trampoline)
        mov     %cr0, %eax
        or      $1, %al
        mov     %eax, %cr0
        ljmpl   $8, $0x8000 + (ap32 - trampoline)
        .code32
ap32:   mov     $16, %ax
        mov     %ax, %ds
        mov     %ax, %es
        mov     %ax, %ss
        jmp     *(0x8000 + (ap_target - trampoline))
        .align  8
ap_gdt: .quad   0, 0x00cf9b000000ffff, 0x00cf93000000ffff
ap_gdtr:
        .word   23
        .long   0x8000 + (ap_gdt - trampoline)
ap_target:
        .long   ap_start
trampoline_end:

ap_start:
        lock incl ap_number
        mov     ap_number, %eax
        imul    $4096, %eax, %eax
        lea     ap_stacks(%eax), %esp
        call    ap_main
2:      cli
        hlt
        jmp     2b

        .macro  entry vector, code
        .globl  entry\vector
entry\vector:
        .if     !\code
        push    $0
        .endif
        push    $\vector
        jmp     common
        .endm

        entry   0, 0
        entry   3, 0
        entry   6, 0
        entry   13, 1
        entry   14, 1
        entry   32, 0
        entry   48, 0
        entry   49, 0
        entry   50, 0
        entry   51, 0
        entry   255, 0

common: pusha
        mov     %esp, %eax
        push    %eax
        call    interrupt
        add     $4, %esp
        popa
        add     $8, %esp
        iret

        .bss
        .align  4096
        .skip   16384
stack_top:
        .globl  ap_stacks, ap_number
ap_stacks:
        .skip   4096 * 9
ap_number:
        .skip   4
        .section .note.GNU-stack, "", @progbits
