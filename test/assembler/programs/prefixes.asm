; Prefixes: locks, repetitions, segments, sizes.
        bits    32
        lock inc dword [ebx]
        lock cmpxchg [ebx], ecx
        lock cmpxchg8b [esi]
        rep movsb
        rep stosd
        repe cmpsb
        repne scasb
        repnz scasd
        es lodsb
        fs mov eax, [ebx]
        mov     eax, [gs:0x10]
        mov     byte [es:edi], 1
        a16 lodsb
        o16 push 5
        o16 ret
        a16 loop $
        rep
        movsw
        lock
        add     [eax], ecx
        bits    64
        lock xadd [rax], rcx
        rep movsq
        o64 ret
        fs mov rax, [0x28]
        a32 loop $
        lock cmpxchg16b [rdi]
