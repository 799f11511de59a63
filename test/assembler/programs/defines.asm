; Single-line macros with parameters, overloads, nesting, and names that stop expanding.
%define one 1
%define two one + one
%define sum(a, b) ((a) + (b))
%define sum(a, b, c) ((a) + (b) + (c))
%define max(a, b) ((a) * ((a) >= (b)) + (b) * ((a) < (b)))
%define empty
%define self(x) self x
self    equ 10
        db two * 2, (two) * 2
        db sum(1, 2), sum(1, 2, 3), sum(1, max(3, 4)), max(sum(1, 1), 4)
        db empty 5
%define args(x) x
        db args({1, 2, 3})
%xdefine now two
%define one 3
        db now, two
%define reg ax
        bits 16
        mov reg, one
%define mem(r, d) [r + d]
        mov reg, mem(bx, 4)
        mov ax, mem(bx+si, -2)
