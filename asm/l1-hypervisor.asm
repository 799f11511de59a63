; The stock guest hypervisor: it runs one guest of ours, unchanged, one level deeper. The VMM has put the guest's memory at
; L2_MEMORY, with all that a boot loader leaves in it, and the registers to start with into the parameter block. L2's physical 0 is
; L2_MEMORY, by EPT. Ports are not intercepted: console and exit port are those of the VMM around us.
;
; What L2 sees of its processor is ours, without VMX. Its local APIC, in x2APIC mode, and the APIC's timer are emulated here
; (l1-apic.inc), the way KVM does it: with the feature offered L2 has the CPU's guest timer in TSC-deadline mode, otherwise our own
; VMX-preemption timer carries its deadlines.

%include "l1.inc"

        load_idt
        set_gate L1_TIMER_VECTOR, l1_timer
        x2apic_enable
        write_msr MSR_IA32_X2APIC_LVT_TIMER, APIC_LVT_TIMER_TSCDEADLINE | L1_TIMER_VECTOR
        call    load_gdt
        vmx_enable vmxon_region
        vmcs_load vmcs_region
        call    look_at_capabilities
        call    map_guest
        call    write_controls
        call    write_host_state
        call    write_guest_state
        call    apic_reset
%ifdef LINUX
        call    linux_reset
%endif

        ; Until L2 ends the run there is only this.
enter_l2:
        call    apic_prepare_entry
%ifdef LINUX
        call    linux_wait
%endif
        mov     rax, [regs]
        mov     rcx, [regs + 8]
        mov     rdx, [regs + 16]
        mov     rbx, [regs + 24]
        mov     rbp, [regs + 40]
        mov     rsi, [regs + 48]
        mov     rdi, [regs + 56]
        mov     r8, [regs + 64]
        mov     r9, [regs + 72]
        mov     r10, [regs + 80]
        mov     r11, [regs + 88]
        mov     r12, [regs + 96]
        mov     r13, [regs + 104]
        mov     r14, [regs + 112]
        mov     r15, [regs + 120]
        cmp     byte [launched], 0
        jne     .again
        mov     byte [launched], 1
        vmlaunch
        jmp     vmx_failed
.again: vmresume
        jmp     vmx_failed

at_exit:
        mov     [regs], rax
        mov     [regs + 8], rcx
        mov     [regs + 16], rdx
        mov     [regs + 24], rbx
        mov     [regs + 40], rbp
        mov     [regs + 48], rsi
        mov     [regs + 56], rdi
        mov     [regs + 64], r8
        mov     [regs + 72], r9
        mov     [regs + 80], r10
        mov     [regs + 88], r11
        mov     [regs + 96], r12
        mov     [regs + 104], r13
        mov     [regs + 112], r14
        mov     [regs + 120], r15
        vmcs_read VM_EXIT_REASON
%ifdef LINUX
        call    linux_exit
%endif
        lea     rbx, [exit_handlers]
.look:  cmp     dword [rbx], -1
        je      unexpected_exit
        cmp     eax, [rbx]
        je      .found
        add     rbx, 16
        jmp     .look
.found: lea     rax, [enter_l2]
        push    rax
        jmp     [rbx + 8]

        align   8, db 0
%macro handler 2
        dd      %1, 0
        dq      %2
%endmacro
exit_handlers:
        handler EXIT_REASON_TRIPLE_FAULT, triple_fault
        handler EXIT_REASON_CPUID, exit_cpuid
        handler EXIT_REASON_HLT, exit_hlt
        handler EXIT_REASON_VMCALL, exit_vmcall
        handler EXIT_REASON_CR_ACCESS, exit_cr_access
        handler EXIT_REASON_MSR_READ, exit_rdmsr
        handler EXIT_REASON_MSR_WRITE, exit_wrmsr
        handler EXIT_REASON_PREEMPTION_TIMER, apic_timer_fires
        handler EXIT_REASON_INTERRUPT_WINDOW, exit_nothing
        handler EXIT_REASON_TPR_BELOW_THRESHOLD, exit_nothing
        handler EXIT_REASON_EXTERNAL_INTERRUPT, own_interrupt
        handler EXIT_REASON_XSETBV, exit_xsetbv
        handler EXIT_REASON_WBINVD, skip_instruction
        handler EXIT_REASON_INVD, skip_instruction
        handler EXIT_REASON_VMON, inject_ud
        handler EXIT_REASON_VMOFF, inject_ud
        handler EXIT_REASON_VMCLEAR, inject_ud
        handler EXIT_REASON_VMPTRLD, inject_ud
        handler EXIT_REASON_VMPTRST, inject_ud
        handler EXIT_REASON_VMREAD, inject_ud
        handler EXIT_REASON_VMWRITE, inject_ud
        handler EXIT_REASON_VMLAUNCH, inject_ud
        handler EXIT_REASON_VMRESUME, inject_ud
        handler EXIT_REASON_INVEPT, inject_ud
        handler EXIT_REASON_INVVPID, inject_ud
        dd      -1

exit_nothing:
        ret

; The exit has acknowledged it, and L1 has one only.
own_interrupt:
%ifdef LINUX
        jmp     linux_interrupt
%else
        eoi
        ret
%endif

; L2 behaves as nobody here expects; neither do we.
unexpected_exit:
        mov     rbx, rax
        print   "L1: unexpected exit "
        print_hex rbx
        vmcs_read EXIT_QUALIFICATION
        print   " qualification "
        print_hex rax
        vmcs_read GUEST_PHYSICAL_ADDRESS
        print   " address "
        print_hex rax
        vmcs_read GUEST_RIP
        print   " rip "
        print_hex rax
        newline
; L2's processor shuts down: so does ours.
triple_fault:
        lidt    [no_idt]
        ud2

vmx_failed:
        jc      .fail
        mov     edx, VM_INSTRUCTION_ERROR
        vmread  rax, rdx
        show    "L1: VM-instruction error: ", rax
.fail:  jmp     triple_fault

skip_instruction:
        vmcs_read GUEST_INTERRUPTIBILITY_INFO
        and     eax, ~3
        mov     rcx, rax
        vmcs_write GUEST_INTERRUPTIBILITY_INFO, rcx
        vmcs_read VM_EXIT_INSTRUCTION_LEN
        mov     rcx, rax
        vmcs_read GUEST_RIP
        add     rcx, rax
        vmcs_write GUEST_RIP, rcx
        ret

INJECT_UD       equ 0x80000306
INJECT_GP       equ 0x80000b0d

inject_ud:
        vmcs_write VM_ENTRY_INTR_INFO_FIELD, INJECT_UD
        ret
inject_gp:
        vmcs_write VM_ENTRY_EXCEPTION_ERROR_CODE, 0
        vmcs_write VM_ENTRY_INTR_INFO_FIELD, INJECT_GP
        ret

CPUID_1_ECX_VMX equ 1 << 5

exit_cpuid:
        mov     eax, [regs]
        mov     ecx, [regs + 8]
        mov     esi, eax
        cpuid
        cmp     esi, 1
        jne     .give
        and     ecx, ~CPUID_1_ECX_VMX
.give:  mov     [regs], rax
        mov     [regs + 8], rcx
        mov     [regs + 16], rdx
        mov     [regs + 24], rbx
        jmp     skip_instruction

; KVM knows no hypercall either.
exit_vmcall:
        mov     qword [regs], -1000
        jmp     skip_instruction

exit_xsetbv:
        mov     rax, cr4
        or      eax, X86_CR4_OSXSAVE
        mov     cr4, rax
        mov     eax, [regs]
        mov     ecx, [regs + 8]
        mov     edx, [regs + 16]
        xsetbv
        jmp     skip_instruction

; CR0.NE and CR4.VMXE are not L2's: what it writes there it reads back, and the CPU keeps them. VMXE it does not have.
exit_cr_access:
        vmcs_read EXIT_QUALIFICATION
        mov     ebx, eax
        mov     edx, eax
        shr     edx, 8
        and     edx, 15
        lea     rsi, [regs]
        mov     rcx, [rsi + rdx * 8]
        cmp     edx, 4
        jne     .value
        vmcs_read GUEST_RSP
        mov     rcx, rax
.value: and     ebx, 0x3f
        cmp     ebx, 4                  ; MOV to CR4
        je      inject_gp
        test    ebx, ebx                ; MOV to CR0
        jnz     unexpected_exit
        mov     rsi, rcx
        vmcs_write CR0_READ_SHADOW, rcx
        or      rsi, X86_CR0_NE
        vmcs_write GUEST_CR0, rsi
        jmp     skip_instruction

%include "l1-linux.inc"
%include "l1-apic.inc"
%include "l1-setup.inc"
%include "lib.inc"

no_idt: dw      0
        dq      0

        variables
regs:   times   16 dq 0
launched:
        db      0

        align   4096, db 0
vmxon_region:
        times   4096 db 0
vmcs_region:
        times   4096 db 0
msr_bitmap:
        times   4096 db 0
apic_page:
        times   4096 db 0
ept_pml4:
        times   4096 db 0
ept_pdpt:
        times   4096 db 0
ept_directory:
        times   4096 db 0

gdt:    dq      0
        dq      0x00af9b000000ffff      ; 64-bit code
        dq      0x00cf93000000ffff      ; data
tss_descriptor:
        dw      TSS_LIMIT, 0            ; bits 15:0 of the base
        db      0, 0x89, 0, 0           ; bits 23:16; present, available TSS; limit; bits 31:24
        dq      0
gdt_end:
tss:    times   TSS_LIMIT + 1 db 0
