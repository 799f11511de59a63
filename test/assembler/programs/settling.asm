; Distances between labels whose sizes depend on the jumps around them: more than one layout fits, and NASM's is the one that hope finds.
org 0x100000
bits 32
        mov al, [ebx + a2 - a4]
a5:
        jz a0
        jmp a2
        jmp a5
        jmp a2
        push a2 - a4
a3:
        times 55 nop
        mov al, [ebx + a4 - a0]
a0:
a4:
        times 118 nop
        push a2 - a4
        push a3 - a1
a1:
a2:
        push a0 - a3

bits 64
        dw b6 - b6
        times 44 nop
        jmp b4
b6:
        add ecx, b2 - b5
        mov al, [rbx + b0 - b4]
b2:
        jmp b0
        jmp b5
b1:
        push b3 - b1
        jz b6
        jmp b3
b5:
        add ecx, b5 - b4
        jmp b6
        times 57 nop
        add ecx, b0 - b0
        jz b3
        times 42 nop
b0:
        add ecx, b3 - b5
        push b3 - b3
        jmp b3
        add ecx, b2 - b4
        jmp b2
        mov al, [rbx + b4 - b5]
        jz b0
b3:
b4:
        jmp b4
        add ecx, b1 - b3
        jmp b4
        jmp b3

bits 64
        dw c0 - c0
        mov al, [rbx + c0 - c5]
        add ecx, c2 - c0
        mov al, [rbx + c1 - c4]
        jmp c4
        jz c2
        mov al, [rbx + c1 - c5]
        jz c3
c1:
        times 20 nop
        jmp c4
        jmp c0
        push c5 - c0
c5:
        jmp c0
c2:
        add ecx, c0 - c5
        jmp c0
        add ecx, c2 - c3
        dw c2 - c5
        add ecx, c0 - c5
        jmp c5
        add ecx, c0 - c3
        jmp c0
        times 39 nop
        jmp c4
        mov al, [rbx + c2 - c1]
        times 54 nop
        mov al, [rbx + c5 - c3]
c0:
        jz c0
        mov al, [rbx + c4 - c3]
        mov al, [rbx + c0 - c4]
        jmp c2
        push c0 - c4
        mov al, [rbx + c1 - c4]
        jmp c2
        times 8 nop
        add ecx, c4 - c0
        jmp c0
        jmp c1
        add ecx, c2 - c3
        times 57 nop
        push c1 - c0
        jmp c4
c3:
        jmp c0
        push c4 - c4
        mov al, [rbx + c5 - c5]
        push c3 - c2
c4:
        jmp c0

bits 64
        jmp d1
        jmp d0
d0:
        push d1 - d0
        times 0 nop
        add ecx, d4 - d5
        mov al, [rbx + d6 - d1]
d4:
        jmp d3
        push d6 - d2
        mov al, [rbx + d0 - d1]
d6:
        push d5 - d3
d1:
        jmp d5
        mov al, [rbx + d0 - d4]
d3:
        dw d5 - d3
        push d3 - d2
        jmp d0
        times 55 nop
        jmp d4
        times 14 nop
        add ecx, d2 - d4
        add ecx, d4 - d4
d2:
        mov al, [rbx + d1 - d4]
        times 35 nop
        jmp d2
d5:
        jmp d2
        add ecx, d2 - d2
