/* Extended state, and instructions with rules of their own (SDM, "Managing State Using the XSAVE Feature Set"). */
#include "machine.h"

static u8 area[4096] __attribute__((aligned(64)));

static void xsave(void)
{
  section("XSAVE");
  if (!has(1, 0, 2, 26)) return skip("no XSAVE");
  u32 r[4];
  cpuid(0xD, 0, r);
  wcr4(rcr4() & ~(1ul << 18));
  equal(TRY("xor %%ecx, %%ecx; xgetbv", "i"(0)), 6, "XGETBV raises #UD without CR4.OSXSAVE");
  wcr4(rcr4() | 1 << 18);
  equal(TRY("xor %%ecx, %%ecx; xgetbv", "i"(0)), NONE, "and with it runs");
  equal(TRY("mov $2, %%ecx; xgetbv", "i"(0)), 13, "XGETBV of register 2 raises #GP");
  equal(try_xsetbv(0, 3), NONE, "XCR0 takes x87 and SSE");
  equal(try_xsetbv(0, 2), 13, "not SSE without x87");
  equal(try_xsetbv(0, 0), 13, "nor nothing");
  if (r[0] & 4) {
    equal(try_xsetbv(0, 5), 13, "nor AVX without SSE");
    equal(try_xsetbv(0, 7), NONE, "all three are taken");
    cpuid(0xD, 0, r);
    equal(r[1], 832, "then the area has 832 bytes");
  }
  equal(try_xsetbv(0, 1ul << 62 | 3), 13, "nor what CPUID does not have");
  equal(try_xsetbv(1, 3), 13, "XCR1 does not exist");
  static const u64 pattern[2] = {0x1122334455667788, 0x99AABBCCDDEEFF00};
  u64 back[2];
  ASM("movdqu %0, %%xmm5" ::"m"(pattern));
  ASM("mov $3, %%eax; xor %%edx, %%edx; xsave %0" : "+m"(area)::"rax", "rdx");
  ASM("pxor %%xmm5, %%xmm5" ::);
  equal(*(u64 *)(area + 512) & 2, 2, "XSTATE_BV says that SSE was in use");
  equal(*(u64 *)(area + 160 + 5 * 16), pattern[0], "XMM5 lies at its place");
  ASM("mov $3, %%eax; xor %%edx, %%edx; xrstor %1; movdqu %%xmm5, %0" : "=m"(back) : "m"(area) : "rax", "rdx");
  equal(back[1], pattern[1], "XRSTOR brings it back");
  *(u64 *)(area + 512) &= ~2ul;
  ASM("mov $3, %%eax; xor %%edx, %%edx; xrstor %1; movdqu %%xmm5, %0" : "=m"(back) : "m"(area) : "rax", "rdx");
  equal(back[0] | back[1], 0, "and a clear bit of XSTATE_BV its initial value");
  equal(TRY("mov $3, %%eax; xor %%edx, %%edx; xsave 8(%1)", "r"(area)), 13, "an area that is not aligned to 64 raises #GP");
  *(u64 *)(area + 512) = 1ul << 62;
  equal(TRY("mov $3, %%eax; xor %%edx, %%edx; xrstor (%1)", "r"(area)), 13, "XSTATE_BV with a bit that XCR0 lacks raises #GP");
  *(u64 *)(area + 512) = 0;
  area[520] = 1;
  equal(TRY("mov $3, %%eax; xor %%edx, %%edx; xrstor (%1)", "r"(area)), 13, "a header that is not zero raises #GP");
}

static void fxsave(void)
{
  section("FXSAVE");
  u32 mxcsr = 0x1F80;
  u16 cw = 0, sw = 0xFFFF;
  ASM("fninit; fnstcw %0; fnstsw %1" : "=m"(cw), "=m"(sw));
  equal(cw, 0x37F, "FNINIT sets the control word");
  equal(sw, 0, "and clears the status word");
  ASM("ldmxcsr %1; fxsave %0" : "+m"(area) : "m"(mxcsr));
  equal(*(u32 *)(area + 24), 0x1F80, "MXCSR lies at its place");
  equal(*(u16 *)area, 0x37F, "and so does the control word");
  u32 mask = *(u32 *)(area + 28) ?: 0xFFBF, bad = ~mask;
  equal(TRY("ldmxcsr %1", "m"(bad)), 13, "LDMXCSR of reserved bits raises #GP");
  *(u32 *)(area + 24) = bad;
  equal(TRY("fxrstor (%1)", "r"(area)), 13, "and so does FXRSTOR");
  equal(TRY("fxsave 8(%1)", "r"(area)), 13, "an area that is not aligned to 16 raises #GP");
  equal(TRY("movaps 8(%1), %%xmm0", "r"(area)), 13, "and so does MOVAPS");
  equal(TRY("movups 8(%1), %%xmm0", "r"(area)), NONE, "and MOVUPS does not");
}

static void others(void)
{
  section("instructions");
  static u64 wide[2] __attribute__((aligned(16))) = {1, 2};
  u64 low = 1, high = 2; u8 z;
  ASM("lock cmpxchg16b %2; setz %3" : "+a"(low), "+d"(high), "+m"(wide), "=q"(z) : "b"(3ul), "c"(4ul) : "cc");
  check(z && wide[0] == 3 && wide[1] == 4, "CMPXCHG16B exchanges");
  equal(TRY("cmpxchg16b 8(%1)", "r"(wide)), 13, "and raises #GP where it is not aligned");
  if (is_intel) equal(TRY("xor %%eax, %%eax; .byte 0x0F, 0x01, 0xFD", "i"(0)), 6, "RDPRU is not Intel's: #UD");
  if (is_intel && !under_kvm) equal(TRY(".byte 0x0F, 0x01, 0xD9", "i"(0)), 6, "VMMCALL is not Intel's: #UD"); /* KVM may answer it */
  if (under_kvm) {
    u64 v = 99;
    ASM("vmcall" : "+a"(v)::"rbx", "rcx", "rdx", "rsi");
    equal(v, -1000ul, "VMCALL of an unknown number returns -KVM_ENOSYS");
  }
  if (has(1, 0, 2, 30)) {
    u64 v; u8 c;
    ASM("rdrand %0; setc %1" : "=r"(v), "=q"(c)::"cc");
    equal(c, 1, "RDRAND sets CF");
  } else skip("no RDRAND");
  static char from[4096 * 2] __attribute__((aligned(4096))), to[4096 * 2] __attribute__((aligned(4096)));
  for (u32 i = 0; i < sizeof from; i++) from[i] = i * 7;
  const char *s = from + 5; char *d = to + 3; u64 n = 6000;
  ASM("cld; rep movsb" : "+S"(s), "+D"(d), "+c"(n)::"memory");
  int same = n == 0 && s == from + 6005 && d == to + 6003;
  for (u32 i = 0; i < 6000; i++) same &= to[3 + i] == from[5 + i];
  check(same, "REP MOVSB over a page's end");
  s = from + 100; n = 50;
  ASM("std; rep lodsb; cld" : "+S"(s), "+c"(n)::"rax");
  check(n == 0 && s == from + 50, "REP LODSB backwards");
  d = to; n = 100;
  to[40] = 0x55;
  for (int i = 0; i < 40; i++) to[i] = 1;
  ASM("mov $0x55, %%al; repne scasb" : "+D"(d), "+c"(n)::"rax", "cc");
  check(d == to + 41 && n == 59, "REPNE SCASB stops behind what it finds");
  u64 crossing = 0x0123456789ABCDEF;
  *(volatile u64 *)(to + 4093) = crossing;
  equal(*(volatile u64 *)(to + 4093), crossing, "a store over a page's end");
}

static u64 line[16] __attribute__((aligned(64)));
static void on_wake(struct frame *f) { (void)f; eoi(); }
static void monitor_mwait(void)
{
  section("MONITOR and MWAIT");
  if (under_kvm) {
    equal(has(1, 0, 2, 3), 0, "KVM does not report them");
    equal(TRY("mov %1, %%rax; xor %%ecx, %%ecx; xor %%edx, %%edx; monitor; xor %%eax, %%eax; mwait", "r"(line)), NONE, "and lets them do nothing");
    return;
  }
  if (!has(1, 0, 2, 3)) return skip("not supported");
  u32 r[4];
  cpuid(5, 0, r);
  check(r[0] > 0 && r[0] <= r[1], "CPUID leaf 5 has the sizes of lines");
  equal(TRY("mov %1, %%rax; mov $1, %%ecx; xor %%edx, %%edx; monitor", "r"(line)), 13, "MONITOR refuses extensions");
  equal(TRY("xor %%eax, %%eax; mov $2, %%ecx; mwait", "i"(0)), 13, "and so does MWAIT");
  handlers[0x46] = on_wake;
  u32 before = seen[0x46];
  apic_write(0x3E0, 0xB); apic_write(0x320, 0x46); apic_write(0x380, in_tcg ? 1000000 : 1000); /* one shot of the APIC timer */
  ASM("mov %0, %%rax; xor %%ecx, %%ecx; xor %%edx, %%edx; monitor; mov $0, %%eax; sti; mwait; cli" ::"r"(line) : "rax", "rcx", "rdx", "memory");
  while (seen[0x46] == before) window(); /* QEMU may go on at once */
  equal(seen[0x46], before + 1, "an interrupt ends the wait");
  before = seen[0x46];
  apic_write(0x380, in_tcg ? 100000000 : 10000000);
  ASM("mov %0, %%rax; xor %%ecx, %%ecx; xor %%edx, %%edx; monitor; movq $1, (%0); xor %%eax, %%eax; sti; mwait; cli" ::"r"(line) : "rax", "rcx", "rdx", "memory");
  equal(seen[0x46], before, "a store to the line before MWAIT lets it go on");
  apic_write(0x380, 0);
}

void extended(void) { apic_write(0xF0, 0x1FF); monitor_mwait(); xsave(); fxsave(); others(); }
