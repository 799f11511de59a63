/** Instructions that leave the guest, by their controls, with all that the exit says of them; and what they do where they do not. */

import type { Scenario } from './scenario.ts'

const IO_BITMAPS = `
        vmcs_write_address IO_BITMAP_A, io_bitmap
        vmcs_write_address IO_BITMAP_B, io_bitmap + 4096`

const ALL_VMX = `
        vmclear [spare]
        vmptrld [rsp + 8]
        vmptrst [rsp + rcx*2 + 16]
        mov     eax, GUEST_RIP
        vmread  r9, rax
        vmread  [rsp], rax
        vmwrite rax, r10
        vmwrite rax, [spare]
        vmxon   [spare]
        vmxoff
        vmlaunch
        vmresume
        invept  rax, [spare]
        invvpid r11, [rsp]`

const CONTROL_REGISTERS = `
        mov     rax, cr0
        mov     r9, cr0
        xor     eax, 8
        mov     cr0, rax
        mov     cr0, r9
        clts
        smsw    eax
        smsw    [spare]
        lmsw    ax
        mov     word [spare], 0xb
        lmsw    [spare]
        mov     rax, cr4
        xor     eax, 4
        mov     cr4, rax
        mov     rax, cr4`

export const INSTRUCTION_SCENARIOS: readonly Scenario[] = [
  {
    name: 'CPUID of every kind of leaf',
    guest: 'xor eax, eax\ncpuid\nmov eax, 1\ncpuid\nmov eax, 7\nxor ecx, ecx\ncpuid\nmov eax, 0x40000000\ncpuid',
  },
  { name: 'HLT', controls: ['CPU_BASED_HLT_EXITING'], guest: 'hlt\nsti\nhlt\ncli' },
  {
    name: 'INVLPG',
    controls: ['CPU_BASED_INVLPG_EXITING'],
    guest: 'mov eax, 0x3000\ninvlpg [rax + 8]\ninvlpg [rsp]\ninvlpg [spare]\nnop',
  },
  { name: 'RDTSC and RDTSCP', controls: ['CPU_BASED_RDTSC_EXITING', 'SECONDARY_EXEC_ENABLE_RDTSCP'], guest: 'rdtsc\nrdtscp' },
  {
    name: 'RDTSCP without its control is undefined',
    guest: 'rdtscp',
    setUp: 'vmcs_write EXCEPTION_BITMAP, 1 << 6',
    exits: 1,
  },
  { name: 'RDPMC', controls: ['CPU_BASED_RDPMC_EXITING'], guest: 'mov ecx, 3\nrdpmc' },
  {
    name: 'CR3',
    controls: ['CPU_BASED_CR3_LOAD_EXITING', 'CPU_BASED_CR3_STORE_EXITING'],
    guest: 'mov r12, cr3\nmov rax, cr3\nmov rcx, rax\nmov cr3, rcx\nmov cr3, rsp',
  },
  { name: 'CR8', controls: ['CPU_BASED_CR8_LOAD_EXITING', 'CPU_BASED_CR8_STORE_EXITING'], guest: 'mov eax, 5\nmov cr8, rax\nmov r15, cr8' },
  {
    name: 'CR0 and CR4 with masks and shadows',
    guest: CONTROL_REGISTERS,
    setUp:
      'vmcs_write CR0_GUEST_HOST_MASK, 0x0a\nvmcs_write CR0_READ_SHADOW, 2\nvmcs_write CR4_GUEST_HOST_MASK, 0x2004\nvmcs_write CR4_READ_SHADOW, 4',
  },
  { name: 'CR0 and CR4 without masks', guest: CONTROL_REGISTERS },
  {
    name: 'debug registers',
    controls: ['CPU_BASED_MOV_DR_EXITING'],
    guest: 'mov rbx, dr6\nmov rax, dr7\nxor ecx, ecx\nmov dr0, rcx\nmov dr3, r14\nmov dr7, rax',
  },
  { name: 'debug registers without exits', guest: 'mov rbx, dr6\nmov rax, dr7\nmov ecx, 0x1234\nmov dr0, rcx\nmov rdx, dr0' },
  {
    name: 'unconditional I/O exits',
    controls: ['CPU_BASED_UNCOND_IO_EXITING'],
    guest: 'mov dx, 0x80\nin al, dx\nin ax, 0x70\nout 0x80, eax\nout dx, al',
  },
  {
    name: 'string I/O',
    controls: ['CPU_BASED_UNCOND_IO_EXITING'],
    guest: 'mov dx, 0x80\nlea rdi, [spare]\nlea rsi, [spare + 64]\nmov ecx, 3\nrep insb\nrep outsd\ninsw\noutsb',
  },
  {
    name: 'I/O bitmaps',
    controls: ['CPU_BASED_USE_IO_BITMAPS', 'CPU_BASED_UNCOND_IO_EXITING'],
    setUp: `${IO_BITMAPS}\nmov byte [io_bitmap + 0x10], 1\nmov byte [io_bitmap + 4096 + 4095], 0x80`,
    guest: 'out 0x80, al\nout 0x7f, ax\nmov dx, 0xffff\nin al, dx\nmov dx, 0x81\nin al, dx\nmov dx, 0xfffe\nin eax, dx',
  },
  {
    name: 'MSR bitmaps',
    setUp: 'mov byte [msr_bitmap + 1024 + 0x10], 4\nmov byte [msr_bitmap + 3072 + 0x10], 8',
    guest: 'mov ecx, 0xc0000082\nrdmsr\nmov ecx, 0xc0000083\nrdmsr\nwrmsr\nmov ecx, 0x12345\nrdmsr\nmov ecx, 0xc0000081\nrdmsr\nwrmsr',
  },
  {
    name: 'every MSR without bitmaps',
    setUp:
      'vmcs_read CPU_BASED_VM_EXEC_CONTROL\nmov rcx, rax\nand ecx, ~CPU_BASED_USE_MSR_BITMAPS\nvmcs_write CPU_BASED_VM_EXEC_CONTROL, rcx',
    guest: 'mov ecx, 0x174\nrdmsr\nwrmsr\nmov ecx, 0x10\nrdmsr',
  },
  {
    name: 'MONITOR and MWAIT',
    unreported: 'monitor',
    controls: ['CPU_BASED_MONITOR_EXITING', 'CPU_BASED_MWAIT_EXITING'],
    guest: 'mov eax, 0x7000\nxor ecx, ecx\nxor edx, edx\nmonitor\nmwait',
  },
  { name: 'PAUSE', controls: ['CPU_BASED_PAUSE_EXITING'], guest: 'pause\npause' },
  {
    name: 'descriptor tables',
    controls: ['SECONDARY_EXEC_DESC'],
    guest:
      'mov eax, 0x7000\nxor ecx, ecx\nsgdt [rax + 16]\nsidt [rax + rcx*4]\nlgdt [spare]\nlidt [rsp + 8]\nsldt ax\nstr ebx\nsldt [spare]\nstr [rax]\nxor eax, eax\nlldt ax\nltr word [spare]',
  },
  {
    name: 'WBINVD, INVD, XSETBV',
    controls: ['SECONDARY_EXEC_WBINVD_EXITING'],
    guest: 'mov rax, cr4\nor eax, 1 << 18\nmov cr4, rax\nwbinvd\ninvd\nxor ecx, ecx\nxor edx, edx\nmov eax, 3\nxsetbv',
  },
  {
    name: 'RDRAND and RDSEED',
    controls: ['SECONDARY_EXEC_RDRAND_EXITING', 'SECONDARY_EXEC_RDSEED_EXITING'],
    guest: 'rdrand r10\nrdrand ax\nrdseed ecx\nrdseed r15',
  },
  { name: 'VMX instructions of the guest', guest: ALL_VMX },
  {
    name: 'VMFUNC without its control, INVPCID without its control',
    setUp: 'vmcs_write EXCEPTION_BITMAP, 1 << 6',
    atExit: 'vmcs_read GUEST_RIP\nlea rcx, [rax + 3]\nvmcs_write GUEST_RIP, rcx',
    guest: 'vmfunc\nnop\nnop\nnop',
    exits: 3,
  },
  { name: 'VMCALL at CPL 3', guest: 'push 0x1b\npush rsp\npushfq\npush 0x23\nlea rax, [there]\npush rax\nnop\nthere: nop' },
  {
    name: 'GETSEC and UD2 are undefined',
    setUp: 'vmcs_write EXCEPTION_BITMAP, 1 << 6',
    atExit: 'vmcs_read GUEST_RIP\nlea rcx, [rax + 2]\nvmcs_write GUEST_RIP, rcx',
    guest: 'ud2\nud2',
  },
  {
    name: 'TSC offset and scaling',
    controls: ['CPU_BASED_USE_TSC_OFFSETTING', 'SECONDARY_EXEC_TSC_SCALING'],
    setUp: 'vmcs_write TSC_OFFSET, 0x123456789\nmov rcx, 3 << 47\nvmcs_write TSC_MULTIPLIER, rcx',
    guest: 'rdtsc\nmov ecx, 0x10\nrdmsr',
  },
]
