; A hypervisor's vocabulary: VMX, MSRs, control registers, descriptor tables, fences.
        bits    64
        default rel
        org     0x100000
%macro wrm 2
        mov     ecx, %1
        mov     eax, (%2) & 0xffffffff
        mov     edx, (%2) >> 32
        wrmsr
%endmacro
%macro vmw 2
        mov     rax, %2
        mov     rdx, %1
        vmwrite rdx, rax
%endmacro
start:  mov     rax, cr4
        bts     rax, 13
        mov     cr4, rax
        vmxon   [region]
        jc      fail
        vmclear [region]
        vmptrld [region]
        vmw     0x6C16, start
        vmw     0x681E, .guest
        wrm     0x6e0, 0x1_0000_0005
        vmread  [region], rax
        vmread  rbx, rcx
        invept  rax, [region]
        invvpid rax, [region]
        vmlaunch
        vmresume
        jbe     fail
.guest: vmcall
        cpuid
        rdtsc
        rdtscp
        mov     dr7, rax
        lidt    [region]
        sgdt    [region]
        ltr     ax
        swapgs
        invlpg  [rax]
        mfence
        lfence
        sfence
        pause
        hlt
fail:   ud2
        align   4096
region: times   16 dq 0
