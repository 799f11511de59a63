# Entry by multiboot 1 into 64-bit mode: 4 GiB mapped one to one for ring 0 by 2-MiB pages; the start of other CPUs; interrupt entries; ring 3.
        .set    FLAGS, 3
        .section .multiboot, "a"
        .align  4
        .long   0x1BADB002, FLAGS, -(0x1BADB002 + FLAGS)

        .text
        .code32
        .globl  start
start:  mov     %ebx, multiboot_information
        mov     $page_directories, %edi
        mov     $0x83, %eax                     # present, writable, large page
1:      mov     %eax, (%edi)
        movl    $0, 4(%edi)
        add     $8, %edi
        add     $0x200000, %eax
        jnc     1b
        mov     $page_directories + 7, %eax
        mov     $pdpt, %edi
        mov     $4, %ecx
2:      mov     %eax, (%edi)
        add     $8, %edi
        add     $4096, %eax
        loop    2b
        movl    $pdpt + 7, pml4
        mov     $stack_top, %esp
        mov     $kernel_main, %ebx

# EBX: where 64-bit code begins. ESP: its stack.
long:   mov     $pml4, %eax
        mov     %eax, %cr3
        mov     $0x620, %eax                    # PAE, OSFXSR, OSXMMEXCPT
        mov     %eax, %cr4
        mov     $0xC0000080, %ecx
        mov     $0x901, %eax                    # SCE, LME, NXE
        xor     %edx, %edx
        wrmsr
        mov     $0x80010033, %eax               # PG, WP, NE, ET, MP, PE
        mov     %eax, %cr0
        lgdt    gdtr32
        ljmp    $8, $3f
        .code64
3:      mov     $16, %eax
        mov     %eax, %ds
        mov     %eax, %es
        mov     %eax, %ss
        mov     %eax, %fs
        mov     %eax, %gs
        mov     %esp, %esp
        mov     %ebx, %ebx
        call    *%rbx
4:      cli
        hlt
        jmp     4b

# Real mode, copied to 0x8000.
        .code16
        .globl  trampoline, trampoline_end
trampoline:
        cli
        xor     %ax, %ax
        mov     %ax, %ds
        lgdtl   0x8000 + (ap_gdtr - trampoline)
        mov     %cr0, %eax
        or      $1, %al
        and     $0x9FFFFFFF, %eax               # INIT leaves CD and NW set or not
        mov     %eax, %cr0
        ljmpl   $0x18, $ap32
ap_gdtr:
        .word   0x1F
        .long   gdt
trampoline_end:
        .code32
ap32:   mov     $16, %ax
        mov     %ax, %ds
        mov     %ax, %ss
        mov     $1, %eax
        lock xadd %eax, ap_number
        inc     %eax
        imul    $4096, %eax, %eax
        lea     ap_stacks(%eax), %esp
        mov     $ap_main, %ebx
        jmp     long
        .code64

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
common: .irp    r, rax, rcx, rdx, rbx, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15
        push    %\r
        .endr
        mov     %rsp, %rdi
        cld
        call    interrupt
        .irp    r, r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx, rcx, rax
        pop     %\r
        .endr
        add     $16, %rsp
        iretq

# u64 in_user(code, rsi, rflags): ring 3 until an exception or INT 80h; its vector.
        .globl  in_user, leave_user, syscall_entry, kernel_rsp
in_user:
        .irp    r, rbx, rbp, r12, r13, r14, r15
        push    %\r
        .endr
        mov     %rsp, kernel_rsp
        pushq   $0x2B
        pushq   $user_stack_top
        push    %rdx
        pushq   $0x33
        push    %rdi
        iretq
leave_user:
        mov     kernel_rsp, %rsp
        .irp    r, r15, r14, r13, r12, rbp, rbx
        pop     %\r
        .endr
        mov     last, %rax
        ret

# SYSCALL: what the CPU left is kept, and SYSRET goes back to ring 3 with RCX and R11 as the table says.
        .globl  syscall_seen, sysret_to
syscall_entry:
        mov     %rcx, syscall_seen
        mov     %r11, syscall_seen + 8
        pushfq
        popq    syscall_seen + 16
        mov     %cs, syscall_seen + 24
        mov     %ss, syscall_seen + 28
        sysretq

        .data
        .align  16
        .globl  gdt, tss, multiboot_information
gdt:    .quad   0, 0x00AF9B000000FFFF, 0x00CF93000000FFFF, 0x00CF9B000000FFFF   # 08 code, 10 data, 18 32-bit code
        .quad   0x00CFFB000000FFFF, 0x00CFF3000000FFFF, 0x00AFFB000000FFFF      # ring 3: 20 32-bit code, 28 data, 30 code
        .quad   0x0000890000000067, 0                                           # 38 TSS
        .quad   0x00CF13000000FFFF                                              # 48 data, not present
        .quad   0, 0                                                            # 50 call gate
        .quad   0x000F9B000000FFFF                                              # 60 16-bit code
gdt_end:
gdtr32: .word   gdt_end - gdt - 1
        .quad   gdt
        .align  16
tss:    .fill   104, 1, 0
multiboot_information:
        .quad   0
syscall_seen:
        .fill   32, 1, 0
        .bss
        .align  4096
        .globl  pml4, pdpt, page_directories, first_tables, ap_number, interrupt_stack, double_fault_stack
pml4:   .skip   4096
pdpt:   .skip   4096
page_directories:
        .skip   4 * 4096
first_tables:
        .skip   2 * 4096
        .skip   16384
stack_top:
        .skip   8192
interrupt_stack:
        .skip   8192
double_fault_stack:
ap_stacks:
        .skip   4096 * 9
ap_number:
        .skip   8
kernel_rsp:
        .skip   8
        .section .user, "awx"
        .skip   1024
user_stack_top:
        .section .note.GNU-stack, "", @progbits
