/* Control registers and MSRs: what they hold and what they refuse (SDM, "Control Registers"; "Model-Specific Registers"). */
#include "machine.h"

static void control(void)
{
  section("control registers");
  u64 cr0 = rcr0(), cr3 = rcr3(), cr4 = rcr4(), efer = rdmsr(0xC0000080);
  if (in_tcg) skip("QEMU takes anything");
  else {
  equal(try_cr0(cr0 & ~1ul), 13, "CR0: paging without protection raises #GP");
  equal(try_cr0((cr0 | 1ul << 29) & ~(1ul << 30)), 13, "CR0: NW without CD raises #GP");
  equal(try_cr0(cr0 | 1ul << 32), 13, "CR0: the upper half raises #GP");
  equal(try_cr3(cr3 | 1ul << 62), 13, "CR3: bits beyond the physical address raise #GP");
  equal(try_cr4(cr4 & ~0x20ul), 13, "CR4: PAE cannot be cleared in 64-bit mode");
  equal(try_cr4(cr4 | 1ul << 12), 13, "CR4: LA57 cannot change in 64-bit mode");
  equal(try_cr4(cr4 | 1ul << 31), 13, "CR4: a reserved bit raises #GP");
  equal(try_cr8(0x10), 13, "CR8: bits 63:4 raise #GP");
  equal(try_wrmsr(0xC0000080, efer & ~0x100ul), 13, "EFER: LME cannot change while paging is on");
  equal(try_wrmsr(0xC0000080, efer | 2), 13, "EFER: a reserved bit raises #GP");
  }
  check((efer & 0x500) == 0x500, "EFER: LMA is set");
  wcr0(cr0 | 8);
  equal(TRY("fninit", "i"(0)), 7, "x87 raises #NM with CR0.TS");
  equal(TRY("movaps %%xmm0, %%xmm0", "i"(0)), 7, "and so does SSE");
  ASM("clts");
  equal(rcr0() & 8, 0, "CLTS clears it");
  wcr4(cr4 & ~0x200ul);
  equal(TRY("movaps %%xmm0, %%xmm0", "i"(0)), 6, "SSE raises #UD without CR4.OSFXSR");
  wcr4(cr4);
  wcr0(cr0 | 4);
  equal(TRY("movaps %%xmm0, %%xmm0", "i"(0)), 6, "and with CR0.EM");
  equal(TRY("fninit", "i"(0)), 7, "with which x87 raises #NM");
  wcr0(cr0);
  u64 v;
  ASM("smsw %0" : "=r"(v));
  equal(v, cr0, "SMSW gives CR0");
  ASM("lmsw %w0" ::"r"(0));
  equal(rcr0() & 1, 1, "LMSW does not clear PE");
  wcr0(cr0);
}

static void holds(u32 index, u64 value, const char *what)
{
  u64 before, after = 0;
  check(try_rdmsr(index, &before) == NONE && try_wrmsr(index, value) == NONE && try_rdmsr(index, &after) == NONE && after == value, what);
  (void)try_wrmsr(index, before);
}
static void msrs(void)
{
  u64 v;
  section("MSRs");
  holds(0x174, 0x1234, "IA32_SYSENTER_CS holds");
  holds(0x175, 0xFFFF800012345678, "IA32_SYSENTER_ESP holds");
  holds(0x176, 0x7FFF12345678, "IA32_SYSENTER_EIP holds");
  holds(0x277, 0x0007040600070406, "IA32_PAT holds");
  holds(0xC0000100, 0x123456789ABC, "IA32_FS_BASE holds");
  holds(0xC0000101, 0x123456789ABC, "IA32_GS_BASE holds");
  holds(0xC0000102, 0x123456789ABC, "IA32_KERNEL_GS_BASE holds");
  holds(0xC0000081, 0x0123456789ABCDEF, "IA32_STAR holds");
  holds(0xC0000082, 0x123456789ABC, "IA32_LSTAR holds");
  holds(0xC0000084, 0x12345678, "IA32_FMASK holds");
  if (has(0x80000001, 0, 3, 27)) {
    holds(0xC0000103, 0x12345678, "IA32_TSC_AUX holds");
    wrmsr(0xC0000103, 5);
    ASM("rdtscp" : "=c"(v)::"rax", "rdx");
    equal(v & 0xFFFFFFFF, 5, "and RDTSCP gives it");
    if (has(7, 0, 2, 22)) {
      ASM(".byte 0xF3, 0x0F, 0xC7, 0xF8" : "=a"(v));
      equal(v & 0xFFFFFFFF, 5, "and so does RDPID");
    } else skip("no RDPID");
  } else skip("no RDTSCP");
  static const u32 addresses[] = {0xC0000100, 0xC0000101, 0xC0000102, 0xC0000082, 0xC0000083};
  int refused = 1;
  for (u32 i = 0; i < COUNT(addresses); i++) refused &= try_wrmsr(addresses[i], 1ul << 63) == 13;
  check(refused, "addresses that are not canonical raise #GP");
  equal(try_wrmsr(0x277, 2), 13, "IA32_PAT: memory type 2 raises #GP");
  equal(try_rdmsr(0x4B564DFF, &v), 13, "an MSR that does not exist raises #GP when read");
  equal(try_wrmsr(0x4B564DFF, 0), 13, "and when written");
  equal(try_wrmsr(0x8000001B, 0), 13, "IA32_APIC_BASE is not at 8000001BH");
  wrmsr(0xC0000101, 0x1000); wrmsr(0xC0000102, 0x2000);
  ASM("swapgs");
  u64 base = rdmsr(0xC0000101);
  ASM("swapgs");
  equal(base, 0x2000, "SWAPGS exchanges the bases of GS");
  wrmsr(0xC0000101, 0);
  if (has(7, 0, 1, 0)) {
    equal(TRY("rdfsbase %%rax", "i"(0)), 6, "RDFSBASE raises #UD without CR4.FSGSBASE");
    wcr4(rcr4() | 1 << 16);
    wrmsr(0xC0000100, 0x1234);
    ASM("rdfsbase %0" : "=r"(v));
    equal(v, 0x1234, "and with it gives the base");
    equal(TRY("wrfsbase %1", "r"(1ul << 63)), 13, "WRFSBASE refuses what is not canonical");
    wcr4(rcr4() & ~(1ul << 16));
  } else skip("no FSGSBASE");
  if (has(1, 0, 3, 12)) {
    u64 count = rdmsr(0xFE) & 0xFF;
    equal(try_rdmsr(0x200 + 2 * count, &v), count < 10 ? 13 : NONE, "no MTRR beyond the count of IA32_MTRRCAP");
    equal(try_wrmsr(0xFE, 0), 13, "IA32_MTRRCAP is read-only");
    equal(try_wrmsr(0x250, 0x0202020202020202), 13, "a fixed MTRR refuses memory type 2");
    holds(0x250, 0, "and holds type 0");
  } else skip("no MTRRs");
}

static void identity(void)
{
  u32 r[4], s[4];
  section("CPUID");
  cpuid(0, 0, r);
  check(r[0] >= 7, "at least leaf 7");
  cpuid(r[0] , 0, s);
  cpuid(0x80000000, 0, r);
  check(r[0] >= 0x80000008, "at least leaf 80000008H");
  cpuid(0x80000008, 0, r);
  check((r[0] & 0xFF) >= 36 && (r[0] >> 8 & 0xFF) >= 48, "address widths");
  check(has(0x80000001, 0, 3, 29) && has(0x80000001, 0, 3, 20) && has(0x80000001, 0, 3, 11), "64-bit mode, NX and SYSCALL");
  u64 v;
  ASM("mov $1, %%rax; shl $40, %%rax; cpuid; mov %%rax, %0" : "=r"(v)::"rax", "rbx", "rcx", "rdx");
  equal(v >> 32, 0, "clears the upper halves of its registers");
  wcr4(rcr4() & ~(1ul << 18));
  equal(has(1, 0, 2, 27), 0, "OSXSAVE is clear without CR4.OSXSAVE");
  if (has(1, 0, 2, 26)) {
    wcr4(rcr4() | 1 << 18);
    equal(has(1, 0, 2, 27), 1, "and set with it");
  }
}

void registers(void) { control(); msrs(); identity(); }
