/* Guests in 64-bit mode: entry and exit, control registers, intercepted instructions, ports, MSRs, timers. */
#include "vmx.h"

G(g_call, "mov $0xABCD, %eax; vmcall; mov %rax, %rbx");
G(g_cr, "mov %cr0, %rax; mov %cr4, %rbx; vmcall; mov %rdx, %cr0; mov %rcx, %cr4; vmcall; mov %cr0, %rax; mov %cr4, %rbx; vmcall;"
        "mov %rdx, %cr0; mov %rcx, %cr4; vmcall; mov %rsi, %cr0; mov %rbp, %cr4; clts; lmsw %bx; mov %cr3, %rdi; mov %rdi, %cr3; mov %cr8, %rbp; mov %rbp, %cr8");
G(g_ports, "mov $0x5000, %edx; in (%dx), %al; in (%dx), %ax; in (%dx), %eax; out %al, (%dx); mov $0x9000, %edx; out %ax, (%dx); mov $0x4FFF, %edx; in (%dx), %ax; mov $0xFFFF, %edx; out %ax, (%dx);"
           "in $0x61, %al; lea 0x800000, %rdi; mov $0x5000, %edx; rep insb; lea 0x800000, %rsi; outsl");
G(g_misc, "hlt; invlpg 0x123456; rdpmc; rdtsc; mov %rax, %cr3; mov %cr3, %rbx; pause; wbinvd; rdrand %rax; rdseed %rcx; cpuid; invd; mov %dr7, %rdx; mov %rbx, %dr3; rdtscp;"
          "sgdt 0x800000; lidt 0x800010(,%rbx,2); str %eax; sldt 0x800020; lldt %cx; xsetbv; invpcid 0x800000, %rax; vmxoff; vmread %rax, %rbx; vmptrld 0x800000; invept 0x800000, %rcx; vmclear 8(%rsp)");
G(g_spin, "mov $1, %eax; 1: cmpl $0, stage; je 1b");
G(g_monitor, "monitor; mwait; cli");
G(g_halt, "hlt; mov $7, %ebx");
G(g_msr, "mov $0x277, %ecx; rdmsr; mov %rax, %rbx; mov $6, %eax; xor %edx, %edx; wrmsr; vmcall; mov $0x174, %ecx; rdmsr; mov $0xC0000102, %ecx; rdmsr; mov $0x12345, %ecx; rdmsr");
G(g_tsc, "rdtsc; shl $32, %rdx; or %rdx, %rax; mov %rax, %rbx; mov $0x10, %ecx; rdmsr; shl $32, %rdx; or %rdx, %rax; mov %rax, %rcx");

static void expect(u32 reason, u64 qualification, u32 length, const char *what)
{
  u32 r = run();
  equal(r, reason, what);
  if (r != reason) return;
  equal(rd(QUAL), qualification, what); equal(rd(LEN), length, what);
  skip();
}

static void call(void)
{
  fresh(g_call);
  equal(run(), 18, "VMLAUNCH"); equal(regs.rax, 0xABCD, "a register out"); equal(rd(LEN), 3, "length of VMCALL");
  regs.rax = 0xFFFF; skip(); equal(run(), 18, "VMRESUME"); equal(regs.rbx, 0xFFFF, "a register in");
  { u64 f; ASM("stc; vmlaunch; pushf; pop %0" : "=r"(f)::"cc"); equal(f & 0x41, 0x40, "VMLAUNCH of a launched VMCS"); equal(rd(ERROR), 4, "its error"); }
  fresh(g_call);
  { u64 f; ASM("stc; vmresume; pushf; pop %0" : "=r"(f)::"cc"); equal(f & 0x41, 0x40, "VMRESUME of a clear VMCS"); equal(rd(ERROR), 5, "its error"); }
  { u64 f; ASM("mov %%ss, %%eax; stc; mov %%eax, %%ss; vmlaunch; pushf; pop %0" : "=r"(f)::"cc", "rax"); equal(f & 0x41, 0x40, "VMLAUNCH behind MOV SS"); equal(rd(ERROR), 26, "its error"); }
  wr(PIN, 0); equal(run(), 0xDEAD0007, "pin controls 0");
  fresh(g_call); wr(H_CS, 0); equal(run(), 0xDEAD0008, "host CS 0");
  fresh(g_call); wr(H_RIP, 1ul << 63); equal(run(), 0xDEAD0008, "host RIP not canonical");
  fresh(g_call); wr(RFLAGS, 0); equal(run(), 0x80000021, "guest RFLAGS 0"); equal(rd(QUAL), 0, "qualification");
  fresh(g_call); wr(LINK, 0x1001); equal(run(), 0x80000021, "VMCS link"); equal(rd(QUAL), 4, "qualification");
  wr(LINK, ~0ul); equal(run(), 18, "VMLAUNCH again behind a failed entry");
}

static void control_registers(void)
{
  fresh(g_cr);
  u64 c0, c4;
  equal(run(), 18, "read through"); equal(regs.rax, rd(G_CR0), "CR0"); equal(regs.rbx, rd(G_CR4), "CR4"); skip();
  regs.rdx = c0 = rd(G_CR0) ^ 0xA; regs.rcx = c4 = rd(G_CR4) ^ 0xC;
  equal(run(), 18, "write through"); equal(rd(G_CR0), c0, "CR0"); equal(rd(G_CR4), c4, "CR4"); skip();
  wr(CR0_MASK, 0xA); wr(CR4_MASK, 0xC); wr(CR0_SHADOW, (c0 ^ 0xA) & 0xA); wr(CR4_SHADOW, (c4 ^ 0xC) & 0xC);
  equal(run(), 18, "shadows"); equal(regs.rax, c0 ^ 0xA, "CR0"); equal(regs.rbx, c4 ^ 0xC, "CR4"); skip();
  regs.rdx = c0 ^ 0xA; regs.rcx = c4 ^ 0xC; equal(run(), 18, "the same as the shadow"); equal(rd(G_CR0), c0, "CR0"); equal(rd(G_CR4), c4, "CR4"); skip();
  regs.rsi = c0 ^ 0xA ^ 8; regs.rbp = c4 ^ 0xC ^ 4;
  expect(28, 0x600, 3, "MOV to CR0"); expect(28, 0x504, 3, "MOV to CR4");
  wr(CR0_SHADOW, 8); wr(CR0_MASK, 8); expect(28, 0x20, 2, "CLTS");
  regs.rbx = 1; expect(28, 0x10030, 3, "LMSW");
  if (can(CPU, 3 << 15)) { set(CPU, 3 << 15); expect(28, 0x713, 3, "MOV from CR3"); expect(28, 0x703, 3, "MOV to CR3"); }
  set(CPU, 3 << 19); expect(28, 0x518, 4, "MOV from CR8"); expect(28, 0x508, 4, "MOV to CR8");
  fresh(g_cr); wr(CR0_MASK, 0); run(); skip(); set(CPU, 1 << 15);
}

static void ports(void)
{
  u8 *a = page(), *b = page();
  fresh(g_ports); wr(IO_A, a); wr(IO_B, b); set(CPU, 1 << 25);
  a[0x5000 / 8] = 1; b[0x1000 / 8] = 1; b[0xFFF] = 0x80; a[0x61 / 8] = 2;
  expect(30, 0x50000008, 1, "IN AL"); expect(30, 0x50000009, 2, "IN AX"); expect(30, 0x5000000B, 1, "IN EAX"); expect(30, 0x50000000, 1, "OUT AL");
  expect(30, 0x90000001, 2, "OUT AX"); expect(30, 0x4FFF0009, 2, "a port beside one intercepted"); expect(30, 0xFFFF0001, 2, "wrap-around"); expect(30, 0x610048, 2, "IN imm8");
  regs.rcx = 3; equal(run(), 30, "REP INSB"); equal(rd(QUAL), 0x50000038, "qualification"); if (rdmsr(0x480) >> 54 & 1) equal(rd(INSN) & 0x380, 0x100, "information"); equal(rd(LINEAR), 0x800000, "linear"); equal(rd(LEN), 2, "length"); skip();
  equal(run(), 30, "OUTSL"); equal(rd(QUAL), 0x50000013, "qualification"); equal(rd(INSN) & 0x38380, 3 << 15 | 2 << 7, "information"); equal(rd(LINEAR), 0x800000, "linear"); skip();
  equal(run(), 18, "the end");
  fresh(g_ports); set(CPU, 1 << 24); expect(30, 0x50000008, 1, "unconditional I/O exiting");
}

static void instruction_exits(void)
{
  u64 q;
  fresh(g_misc);
  set(CPU, 1 << 7 | 1 << 9 | 1 << 11 | 1 << 12 | 1 << 15 | 1 << 16 | 1 << 23 | 1 << 30);
  u32 second = 0;
  for (int i = 0; i < 32; i++) if (i == 2 || i == 3 || i == 6 || i == 11 || i == 12 || i == 16) if (can(CPU2, 1u << i)) second |= 1u << i;
  set(CPU2, second);
  expect(12, 0, 1, "HLT"); expect(14, 0x123456, 8, "INVLPG"); expect(15, 0, 2, "RDPMC"); expect(16, 0, 2, "RDTSC");
  expect(28, 0x003, 3, "MOV to CR3"); expect(28, 0x313, 3, "MOV from CR3"); expect(40, 0, 2, "PAUSE");
  if (second & 1 << 6) expect(54, 0, 2, "WBINVD"); else { }
  if (second & 1 << 11) { equal(run(), 57, "RDRAND"); equal(rd(INSN) & 0x1878, 2 << 11, "information"); skip(); }
  if (second & 1 << 16) { equal(run(), 61, "RDSEED"); equal(rd(INSN) & 0x1878, 2 << 11 | 1 << 3, "information"); skip(); }
  expect(10, 0, 2, "CPUID"); expect(13, 0, 2, "INVD"); expect(29, 0x217, 3, "MOV from DR7"); expect(29, 0x303, 3, "MOV to DR3");
  if (second & 1 << 3) expect(51, 0, 3, "RDTSCP");
  if (second & 1 << 2) {
    equal(run(), 46, "SGDT"); equal(rd(QUAL), 0x800000, "displacement"); equal(rd(INSN) >> 28 & 3, 0, "information"); skip();
    regs.rbx = 4; equal(run(), 46, "LIDT"); equal(rd(INSN) >> 28 & 3, 3, "information"); equal(rd(INSN) & 3, 1, "scale"); equal(rd(INSN) >> 18 & 31, 3, "index"); check(rd(INSN) >> 27 & 1, "no base"); q = rd(QUAL); equal(q, 0x800010, "displacement"); skip();
    equal(run(), 47, "STR"); equal(rd(INSN) >> 28 & 3, 1, "information"); check(rd(INSN) >> 10 & 1, "register"); skip();
    equal(run(), 47, "SLDT"); equal(rd(INSN) >> 28 & 3, 0, "information"); skip();
    equal(run(), 47, "LLDT"); equal(rd(INSN) >> 28 & 3, 2, "information"); equal(rd(INSN) >> 3 & 15, 1, "register"); skip();
  }
  wr(G_CR4, rd(G_CR4) | 1 << 18);
  u32 r[4]; cpuid(1, 0, r);
  if (r[2] >> 26 & 1) expect(55, 0, 3, "XSETBV"); else skip();
  if (second & 1 << 12) { equal(run(), 58, "INVPCID"); equal(rd(QUAL), 0x800000, "displacement"); equal(rd(INSN) >> 28, 0, "information"); skip(); }
  expect(26, 0, 3, "VMXOFF"); equal(run(), 23, "VMREAD"); equal(rd(INSN) >> 28 & 15, 0, "its register"); skip();
  equal(run(), 21, "VMPTRLD"); equal(rd(QUAL), 0x800000, "displacement"); skip();
  equal(run(), 50, "INVEPT"); equal(rd(INSN) >> 28, 1, "its register"); skip();
  equal(run(), 19, "VMCLEAR"); equal(rd(QUAL), 8, "displacement"); equal(rd(INSN) >> 23 & 15, 4, "base"); skip();
  equal(run(), 18, "the end");
}

static void monitor(void)
{
  if (!can(CPU, 1 << 10 | 1 << 29)) return;
  fresh(g_monitor); set(CPU, 1 << 10 | 1 << 29); expect(39, 0, 3, "MONITOR"); expect(36, 0, 3, "MWAIT");
}

static void timer(void)
{
  if (!can(PIN, 1 << 6)) return;
  u64 start;
  fresh(g_call); set(PIN, 1 << 6); wr(TIMER, 0x1000000); equal(run(), 18, "a long timer"); equal(rd(TIMER), 0x1000000, "not saved"); skip();
  set(EXITC, 1 << 22); equal(run(), 18, "saved"); check(rd(TIMER) < 0x1000000, "timer saved");
  fresh(g_spin); set(PIN, 1 << 6); wr(TIMER, 2000); start = rdtsc(); equal(run(), 52, "busy"); check((rdtsc() - start) >> (rdmsr(0x485) & 31) >= 2000, "not early"); equal(rd(QUAL), 0, "qualification");
  wr(TIMER, 0); start = rd(RIP); equal(run(), 52, "0"); equal(rd(RIP), start, "no instruction");
  fresh(g_halt); set(PIN, 1 << 6); wr(TIMER, 4000); equal(run(), 52, "HLT"); equal(rd(ACTIVITY), 1, "activity"); equal(rd(RIP), (u64)g_halt + 1, "behind HLT");
  wr(TIMER, 0); equal(run(), 52, "0 in HLT"); equal(rd(ACTIVITY), 1, "activity");
  if (rdmsr(0x485) >> 7 & 1) { wr(ACTIVITY, 2); wr(TIMER, 100); equal(run(), 52, "in shutdown"); equal(rd(ACTIVITY), 2, "activity"); }
  fresh(g_call); set(PIN, 1 << 6); wr(TIMER, 0); wr(RFLAGS, 0x102); wr(PENDING_DBG, 1 << 14); equal(run(), 52, "before a pending trap?");
}

static void msrs(void)
{
  u8 *map = page();
  fresh(g_msr); wr(MSR_BITMAP, map); set(CPU, 1 << 28);
  u64 pat = rdmsr(0x277);
  if (can(ENTRYC, 1 << 14) && can(EXITC, 3 << 18)) {
    set(ENTRYC, 1 << 14); set(EXITC, 3 << 18); wr(G_PAT, 0); wr(H_PAT, pat);
    equal(run(), 18, "PAT"); equal(regs.rbx, 0, "loaded at entry"); equal(rd(G_PAT), 6, "saved at exit"); equal(rdmsr(0x277), pat, "loaded at exit"); skip();
    wr(G_PAT, 2); equal(run(), 0x80000021, "PAT 2"); wr(G_PAT, pat);
  } else { run(); skip(); }
  map[0x174 / 8] = 1 << 4; map[1024 + 0x102 / 8] = 1 << 2;
  expect(31, 0, 2, "RDMSR in the low bitmap"); expect(31, 0, 2, "in the high one"); expect(31, 0, 2, "in none");
  fresh(g_msr); expect(31, 0, 2, "without bitmaps");
  /* areas */
  struct { u32 index, zero; u64 value; } *area = page();
  fresh(g_call); area[0].index = 0xC0000102; area[0].value = 0x1234567; area[1].index = 0x10; wr(ENTRY_LOAD, area); wr(ENTRY_LOAD_N, 1);
  u64 base = rdmsr(0xC0000102);
  equal(run(), 18, "entry load"); equal(rdmsr(0xC0000102), 0x1234567, "loaded"); skip();
  area[2].index = 0xC0000102; area[2].value = base; area[3].index = 0xC0000102; wr(EXIT_LOAD, area + 2); wr(EXIT_LOAD_N, 1); wr(EXIT_STORE, area + 3); wr(EXIT_STORE_N, 1);
  equal(run(), 18, "exit areas"); equal(rdmsr(0xC0000102), base, "loaded"); equal(area[3].value, 0x1234567, "stored"); skip();
  static const u32 bad[] = {0xC0000100, 0xC0000101, 0x802, 0x9B}; /* FS and GS base, an x2APIC register, SMM monitor */
  for (u32 i = 0; i < COUNT(bad); i++) { fresh(g_call); area[1] = area[0]; area[1].index = bad[i]; wr(ENTRY_LOAD, area); wr(ENTRY_LOAD_N, 2); equal(run(), 0x80000022, "entry load of what may not be"); equal(rd(QUAL), 2, "the entry"); }
  fresh(g_call); area[1] = area[0]; area[1].zero = 1; wr(ENTRY_LOAD, area); wr(ENTRY_LOAD_N, 2); equal(run(), 0x80000022, "reserved bits"); equal(rd(QUAL), 2, "the entry");
  fresh(g_call); wr(ENTRY_LOAD, (u64)area + 8); wr(ENTRY_LOAD_N, 1); equal(run(), 0xDEAD0007, "not aligned");
  /* EFER */
  fresh(g_call); wr(G_EFER, rdmsr(0xC0000080) & ~0x400ul); equal(run(), 0x80000021, "EFER.LMA against the entry control");
  /* TSC */
  fresh(g_tsc); set(CPU, 1 << 3); wr(TSC_OFFSET, 1ul << 40); u64 before = rdtsc(); equal(run(), 31, "RDMSR of the TSC");
  check(regs.rbx - before > 1ul << 40 && regs.rbx - before < (1ul << 40) + (1 << 26), "offset");
  set(CPU, 1 << 28); wr(MSR_BITMAP, page()); equal(run(), 18, "TSC"); check(regs.rcx - before > 1ul << 40 && regs.rcx - before < (1ul << 40) + (1 << 26), "offset of the MSR");
}

void guests(void) { call(); control_registers(); ports(); instruction_exits(); monitor(); timer(); msrs(); }
