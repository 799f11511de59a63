; What protected mode, virtual-8086 mode, compatibility mode and 64-bit mode do, told as hexadecimal numbers on the serial port.
; A multiboot kernel that asks for nothing: the same bytes run in QEMU (-kernel), whose output is the test's oracle.

        org     0x100000
        bits    32

CODE    equ     0x08
DATA    equ     0x10
CODE64  equ     0x18
TASK    equ     0x60
UCODE   equ     0x28 | 3
UDATA   equ     0x30 | 3
UCODE64 equ     0x38 | 3
GATE    equ     0x40
ABSENT  equ     0x50
LIMITED equ     0x58
KSTACK  equ     0x90000
USTACK  equ     0x80000

        align   4
header: dd      0x1BADB002, 0x10000, -(0x1BADB002 + 0x10000)
        dd      header, 0x100000, 0, 0, start

%macro show 1                           ; prints a doubleword
        mov     eax, %1
        call    hex
%endmacro

%macro faults 1+                        ; an instruction that raises an exception: its handler goes on behind it
        mov     dword [resume], %%on
        mov     [saved], esp
        %1
        show    0x0bad0bad
%%on:
%endmacro

%macro gate 3                           ; vector, handler, rights
        mov     eax, %2
        mov     [idt + %1 * 8], ax
        mov     word [idt + %1 * 8 + 2], CODE
        mov     word [idt + %1 * 8 + 4], %3 << 8
        shr     eax, 16
        mov     [idt + %1 * 8 + 6], ax
%endmacro

%macro ring3 1
        push    UDATA
        push    USTACK
        push    2
        push    UCODE
        push    %1
        iret
%endmacro

start:  lgdt    [gdtr]
        lidt    [idtr]
        jmp     CODE:flat
flat:   mov     eax, DATA
        mov     ss, eax
        mov     eax, UDATA              ; which ring 3 may use as well
        mov     ds, eax
        mov     es, eax
        mov     fs, eax
        mov     gs, eax
        mov     esp, KSTACK
        mov     eax, gated
        mov     [gdt + GATE], ax
        shr     eax, 16
        mov     [gdt + GATE + 6], ax
        mov     eax, tss
        mov     [gdt + TASK + 2], ax
        shr     eax, 16
        mov     [gdt + TASK + 4], al
        mov     dword [tss + 4], KSTACK
        mov     dword [tss + 8], DATA
        mov     word [tss + 0x66], 0x68
        mov     ax, TASK
        ltr     ax
        gate    6, invalid, 0x8e
        gate    11, absent, 0x8e
        gate    12, stackfault, 0x8e
        gate    13, protection, 0x8e
        gate    0x40, plain, 0x8f
        gate    0x41, open, 0xee
        gate    0x42, open, 0x6e        ; not present

; Exceptions and their error codes.
        faults  ud2
        mov     ecx, 0x1234
        faults  mov ds, ecx
        mov     ecx, ABSENT
        faults  mov ds, ecx
        faults  mov ss, ecx
        mov     ecx, CODE
        faults  mov ss, ecx
        faults  jmp DATA:0
        faults  jmp ABSENT:0
        faults  int 0x42
        faults  int 0x7f

        mov     ecx, LIMITED
        lsl     edx, ecx
        show    edx
        lar     edx, ecx
        show    edx
        verr    cx
        setz    dl
        movzx   edx, dl
        show    edx
        mov     ecx, CODE
        verw    cx
        setz    dl
        movzx   edx, dl
        show    edx

; A trap gate at the same level.
        int     0x40

; Ring 3.
        ring3   user
user:   mov     ax, cs
        movzx   edx, ax
        show    edx
        faults  cli
        ring3   user2
user2:  faults  int 0x40
        ring3   user3
user3:  faults  in al, 0x21
        ring3   user4
user4:  int     0x41
        push    0x11111111
        push    0x22222222
        call    GATE:0
        show    esp
        faults  hlt

; SYSENTER and SYSEXIT.
        mov     ecx, 0x174
        mov     eax, CODE
        xor     edx, edx
        wrmsr
        inc     ecx
        mov     eax, KSTACK - 0x100
        wrmsr
        inc     ecx
        mov     eax, entered
        wrmsr
        sysenter                        ; SS is the descriptor behind CODE
entered:
        show    esp
        mov     eax, ss
        show    eax

; Virtual-8086 mode.
        mov     esp, KSTACK
        cld
        mov     esi, virtual
        mov     edi, 0x8000
        mov     ecx, virtual_end - virtual
        rep     movsb
        gate    0x41, from_virtual, 0xee
        push    4
        push    3
        push    2
        push    1
        push    0x3000
        push    0x1000
        push    0x23002                 ; VM, IOPL 3
        push    0x800
        push    0
        iret
virtual:
        bits    16
        mov     ax, es
        mov     cx, ax
        mov     ds, ax
        pushf
        pop     dx
        int     0x41
virtual_end:
        bits    32
from_virtual:
        movzx   edx, cx
        show    edx
        mov     ecx, 9
.slot:  mov     eax, [esp]
        add     esp, 4
        call    hex
        loop    .slot
        mov     eax, ds
        show    eax
        mov     eax, UDATA
        mov     ds, eax
        mov     es, eax
        gate    13, protection, 0x8e
        mov     dword [resume], virtual_done
        mov     esp, KSTACK
        mov     [saved], esp
        push    4
        push    3
        push    2
        push    1
        push    0x3000
        push    0x1000
        push    0x20002                 ; IOPL 0: INT n is #GP(0)
        push    0x800
        push    6 + 2
        iret
virtual_done:

; IA-32e mode.
        mov     edi, 0x70000
        mov     cr3, edi
        xor     eax, eax
        mov     ecx, 0x3000 / 4
        rep     stosd
        mov     dword [0x70000], 0x71007
        mov     dword [0x71000], 0x72007
        mov     dword [0x72000], 0x87
        mov     eax, cr4
        or      eax, 1 << 5
        mov     cr4, eax
        mov     ecx, 0xc0000080
        rdmsr
        or      eax, 0x101              ; LME, SCE
        wrmsr
        mov     eax, cr0
        or      eax, 1 << 31
        mov     cr0, eax
        rdmsr
        call    hex
        mov     ecx, 1
        db      0x48, 0xff, 0xc9        ; DEC EAX, DEC ECX here
        show    ecx
        jmp     CODE64:in_long

        bits    64

%macro show64 1
        mov     rax, %1
        call    hex64
%endmacro
%macro gate64 3
        mov     rax, %2
        mov     [idt + %1 * 16], ax
        mov     word [idt + %1 * 16 + 2], CODE64
        mov     word [idt + %1 * 16 + 4], %3 << 8
        shr     rax, 16
        mov     [idt + %1 * 16 + 6], ax
        shr     rax, 16
        mov     [idt + %1 * 16 + 8], rax
%endmacro

in_long:
        mov     rdi, idt
        mov     ecx, 0x1000 / 8
        xor     eax, eax
        rep     stosq
        lidt    [idtr64]
        mov     qword [tss + 4], KSTACK
        mov     qword [tss + 0x24], KSTACK - 0x1000     ; IST1
        mov     byte [gdt + TASK + 5], 0x89
        mov     ax, TASK
        ltr     ax
        gate64  0x43, frame64, 0xee
        gate64  0x44, frame64, 0xee
        mov     byte [idt + 0x44 * 16 + 4], 1   ; through IST1
        gate64  13, protection64, 0x8e
        mov     rsp, KSTACK - 8
        mov     rbx, 0x1122334455667788
        show64  rbx
        int     0x43
        int     0x44
; Through compatibility mode and back.
        call    far dword [compatible]
        show64  rsp
        mov     qword [resume], .not_canonical
        mov     [saved], rsp
        mov     rcx, 1 << 62
        jmp     rcx
.not_canonical:
; SYSRET to 64-bit and to compatibility mode, SYSCALL and INT from there.
        mov     ecx, 0xc0000081
        xor     eax, eax
        mov     edx, (0x28 << 16) | CODE64 - 8          ; SYSRET: CS 2B or 3B, SS 33; SYSCALL: CS 10 is not checked
        wrmsr
        inc     ecx
        mov     eax, called
        xor     edx, edx
        wrmsr
        mov     ecx, 0xc0000084
        mov     eax, 0x200
        xor     edx, edx
        wrmsr
        mov     rcx, user64
        mov     r11d, 0x202
        o64 sysret
user64:
        mov     rsi, cs
        mov     rdi, ss
        syscall
called:
        show64  rsi
        show64  rdi
        show64  r11
        mov     rsi, cs
        show64  rsi
        mov     rsp, KSTACK - 8
        mov     rcx, user32
        mov     r11d, 2
        sysret
        bits    32
user32: mov     esi, cs
        mov     esp, USTACK
        int     0x43
        jmp     finish32
        bits    64

frame64:
        push    rax
        push    rcx
        mov     ecx, 2
.slot:  mov     rax, [rsp + rcx * 8]
        call    hex64
        inc     ecx
        cmp     ecx, 7
        jne     .slot
        lea     rax, [rsp + 16]
        call    hex64
        pop     rcx
        pop     rax
        iretq

protection64:
        pop     rax
        call    hex64
        mov     rsp, [saved]
        jmp     [resume]

hex64:  push    rax
        shr     rax, 32
        call    .half
        pop     rax
.half:  push    rcx
        push    rdx
        push    rbx
        mov     ebx, eax
        mov     ecx, 8
.digit: rol     ebx, 4
        mov     al, bl
        and     al, 15
        cmp     al, 10
        jb      .decimal
        add     al, 'a' - 10 - '0'
.decimal:
        add     al, '0'
        mov     dx, 0x3f8
        out     dx, al
        loop    .digit
        mov     al, 10
        out     dx, al
        pop     rbx
        pop     rdx
        pop     rcx
        ret

        bits    32
finish32:
        mov     al, 0
        out     0xf4, al                ; allowed by the bitmap of the TSS
        jmp     $

; In compatibility mode, called from 64-bit code.
compatible_code:
        mov     eax, cs
        call    hex
        mov     eax, 0xffffffff
        inc     eax
        call    hex
        retf
compatible:
        dd      compatible_code
        dw      CODE

hex:    push    ebx
        push    ecx
        push    edx
        mov     ebx, eax
        mov     ecx, 8
.digit: rol     ebx, 4
        mov     al, bl
        and     al, 15
        cmp     al, 10
        jb      .decimal
        add     al, 'a' - 10 - '0'
.decimal:
        add     al, '0'
        mov     dx, 0x3f8
        out     dx, al
        loop    .digit
        mov     al, 10
        out     dx, al
        pop     edx
        pop     ecx
        pop     ebx
        ret

invalid:
        push    -1
        mov     eax, 6
        jmp     caught
absent: mov     eax, 11
        jmp     caught
stackfault:
        mov     eax, 12
        jmp     caught
protection:
        mov     eax, 13
caught: mov     ecx, UDATA
        mov     ds, ecx
        mov     es, ecx
        call    hex
        pop     eax                     ; the error code
        call    hex
        mov     eax, [esp + 8]          ; EFLAGS
        and     eax, 0x20200            ; not RF: QEMU does not set it
        call    hex
        mov     eax, esp
        call    hex
        mov     esp, [saved]
        mov     ecx, cs
        cmp     esp, USTACK             ; a program of ring 3 goes on in ring 0, on its own stack
        ja      .on
        mov     esp, KSTACK
.on:    jmp     [resume]

plain:  mov     eax, [esp + 4]
        call    hex
        mov     eax, [esp + 8]
        call    hex
        mov     eax, esp
        call    hex
        iret

open:   mov     ecx, 5
.slot:  mov     eax, [esp + ecx * 4 - 4]
        cmp     ecx, 1
        je      .skip                   ; EIP depends on the assembler's choices only, but so be it
        call    hex
.skip:  loop    .slot
        mov     eax, esp
        call    hex
        iret

gated:  mov     eax, [esp + 8]
        call    hex
        mov     eax, [esp + 12]
        call    hex
        mov     eax, [esp + 4]
        call    hex
        mov     eax, cs
        call    hex
        mov     eax, esp
        call    hex
        retf    8

        align   8
gdt:    dq      0
        dq      0x00cf9b000000ffff
        dq      0x00cf93000000ffff
        dq      0x00af9b000000ffff
        dq      0
        dq      0x00cffb000000ffff
        dq      0x00cff3000000ffff
        dq      0x00affb000000ffff
        dq      0x0000ec0200080000      ; call gate with 2 parameters
        dq      0
        dq      0x00cf13000000ffff      ; not present
        dq      0x0040931000000fff      ; 4 KBytes
        dq      0x00008900000000ef, 0   ; TSS, its base filled in; 16 bytes in IA-32e mode
gdtr:   dw      $ - gdt - 1
        dd      gdt
idtr:   dw      0x3ff
        dd      idt
idtr64: dw      0xfff
        dq      idt
resume: dq      0
saved:  dq      0
        align   16
tss:    times   0x68 db 0
        db      0, 0, 0, 0, 0xff        ; ports 20H to 27H are forbidden
        times   0x88 - 5 db 0
        align   16
idt:    times   0x1000 db 0
