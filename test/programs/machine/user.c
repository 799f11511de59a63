/* Ring 3: what it may not, system calls, and 32-bit code (SDM, "Privilege Levels"; "Fast System Calls in 64-Bit Mode"). */
#include "machine.h"

extern u8 syscall_entry[];
extern volatile struct { u64 rcx, r11, rflags; u32 cs, ss; } syscall_seen;

USER(u_nothing, "mov $42, %eax");
USER(u_hlt, "hlt");
USER(u_cli, "cli");
USER(u_in, "in $0xE9, %al");
USER(u_out, "mov $0xE9, %edx; out %al, %dx");
USER(u_cr0, "mov %cr0, %rax");
USER(u_rdmsr, "mov $0x1B, %ecx; rdmsr");
USER(u_rdtsc, "rdtsc");
USER(u_read, "mov (%rsi), %rax");
USER(u_write, "mov %rax, (%rsi)");
USER(u_jump, "jmp *%rsi");
USER(u_int3, "int3");
USER(u_int, "int $0x41");
USER(u_ss, "mov $0x10, %eax; mov %eax, %ss");
USER(u_popf, "pushfq; pop %rax; and $~0x200, %rax; push %rax; popfq; pushfq; pop %rax");
USER(u_misaligned, "mov %rsp, %rsi; and $-8, %rsi; mov -7(%rsi), %eax");
USER(u_sgdt, "sub $16, %rsp; sgdt (%rsp)");
USER(u_smsw, "smsw %eax");
USER(u_syscall, "mov $0x1234, %eax; syscall; pushfq; pop %rsi; mov %cs, %edi; mov %ss, %ebx; mov %rcx, %rbp");
USER(u_sysenter, "sysenter");
USER(u_compat, "sub $16, %rsp; movl $u_compat32, (%rsp); movl $0x23, 4(%rsp); ljmp *(%rsp); .code32; u_compat32: mov %cs, %eax; dec %ebx; .byte 0x48; mov $7, %ecx; .code64");
USER(u_swapgs, "swapgs");
USER(u_rdpmc, "xor %ecx, %ecx; rdpmc");
USER(u_cpuid, "xor %eax, %eax; cpuid");

#define DOES(code, vector_, what) equal(in_user(code, 0, 2), vector_, what)

static void forbidden(void)
{
  section("ring 3");
  DOES(u_nothing, 0x80, "runs until INT 80h");
  equal(last.f.rax, 42, "and its registers come back");
  equal(last.f.cs, 0x33, "from its own code segment");
  DOES(u_hlt, 13, "HLT raises #GP");
  equal(last.f.rip, (u64)u_hlt, "at the instruction");
  DOES(u_cli, 13, "CLI raises #GP with IOPL 0");
  equal(in_user(u_cli, 0, 0x3002), 0x80, "and does not with IOPL 3");
  DOES(u_in, 13, "IN raises #GP with IOPL 0 and no bitmap");
  equal(in_user(u_out, 0, 0x3002), 0x80, "OUT does not with IOPL 3");
  DOES(u_cr0, 13, "MOV from CR0 raises #GP");
  DOES(u_rdmsr, 13, "RDMSR raises #GP");
  DOES(u_swapgs, 13, "SWAPGS raises #GP");
  DOES(u_rdpmc, 13, "RDPMC raises #GP without CR4.PCE");
  DOES(u_cpuid, 0x80, "CPUID does not");
  DOES(u_ss, 13, "a stack segment of ring 0 raises #GP");
  equal(last.error, 0x10, "whose error code is the selector");
  DOES(u_int3, 3, "INT3 goes through a gate of DPL 3");
  DOES(u_int, 13, "INT n through one of DPL 0 raises #GP");
  equal(last.error, 0x41 << 3 | 2, "with IDT and the vector in its error code");
  equal(in_user(u_popf, 0, 0x202), 0x80, "POPF runs");
  equal(last.f.rax & 0x200, 0x200, "and leaves IF alone with IOPL 0");
  u64 cr4 = rcr4();
  DOES(u_rdtsc, 0x80, "RDTSC runs");
  wcr4(cr4 | 4);
  DOES(u_rdtsc, 13, "and raises #GP with CR4.TSD set");
  wcr4(cr4);
  if (has(7, 0, 2, 2)) {
    DOES(u_sgdt, 0x80, "SGDT runs");
    wcr4(cr4 | 1 << 11);
    DOES(u_sgdt, 13, "and raises #GP with CR4.UMIP set");
    DOES(u_smsw, 13, "so does SMSW");
    wcr4(cr4);
  } else skip("no UMIP");
  wcr0(rcr0() | 1 << 18);
  equal(in_user(u_misaligned, 0, 2), 0x80, "a misaligned read is allowed");
  equal(in_user(u_misaligned, 0, 0x40002), 17, "with AM and AC set it raises #AC");
  equal(last.error, 0, "with error code 0");
  wcr0(rcr0() & ~(1ul << 18));
}

static void pages(void)
{
  section("pages of ring 3");
  equal(in_user(u_read, (u64)&last, 2), 14, "a read of a supervisor page faults");
  equal(last.error, 5, "with P and U/S in the error code");
  equal(last.cr2, (u64)&last, "and its address in CR2");
  equal(in_user(u_write, (u64)&last, 2), 14, "so does a write");
  equal(last.error, 7, "with W/R too");
  equal(in_user(u_jump, (u64)in_user, 2), 14, "so does a fetch");
  equal(last.error, 0x15, "with I/D too, since EFER.NXE is set");
}

static void system_calls(void)
{
  section("system calls");
  wrmsr(0xC0000081, 0x23ul << 48 | 8ul << 32);
  wrmsr(0xC0000082, (u64)syscall_entry);
  wrmsr(0xC0000084, 0x200 | 1);
  equal(in_user(u_syscall, 0, 0x203), 0x80, "SYSCALL and SYSRET return");
  equal(syscall_seen.rcx, (u64)u_syscall + 7, "RCX holds the next instruction");
  equal(syscall_seen.r11 & 0x201, 0x201, "R11 holds RFLAGS");
  equal(syscall_seen.rflags & 0x201, 0, "of which the masked bits are cleared");
  equal(syscall_seen.cs, 8, "CS is that of STAR");
  equal(syscall_seen.ss, 0x10, "SS the next one");
  equal(last.f.rdi, 0x33, "SYSRET loads CS from STAR + 16 with RPL 3");
  equal(last.f.rbx, 0x2B, "and SS from STAR + 8");
  equal(last.f.rsi & 0x201, 0x201, "and RFLAGS from R11");
  u64 efer = rdmsr(0xC0000080);
  wrmsr(0xC0000080, efer & ~1ul);
  DOES(u_syscall, 6, "without EFER.SCE it raises #UD");
  wrmsr(0xC0000080, efer);
  if (is_intel) equal(TRY("mov %1, %%rcx; mov $2, %%r11d; sysretq", "r"(1ul << 63)), 13, "SYSRET to an address that is not canonical raises #GP");
  wrmsr(0x174, 0);
  if (is_intel) DOES(u_sysenter, 13, "SYSENTER with a null IA32_SYSENTER_CS raises #GP");
  DOES(u_compat, 0x80, "32-bit code runs in ring 3");
  equal(last.f.cs, 0x23, "from its own segment");
  equal(last.f.rax & 0xFFFF, 0x22, "as it sees itself, and a REX prefix is DEC there");
  equal(last.f.rcx, 7, "and the next instruction is one of its own");
}

void user(void) { forbidden(); pages(); system_calls(); }
