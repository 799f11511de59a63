/* Debug registers and single-step (SDM, "Debug Exceptions"). */
#include "machine.h"

static volatile u64 traps, dr6, rip, flags, cleared_rf;
static volatile u64 watched[2] __attribute__((aligned(16)));
static void on_debug(struct frame *f)
{
  traps++;
  dr6 = rdr6(); rip = f->rip; flags = f->rflags;
  wdr6(0xFFFF0FF0);
  f->rflags &= ~0x100ul;
  f->rflags |= 0x10000; /* RF: go on over an instruction breakpoint */
}
extern u8 bp_here[], step_here[], after_write[], gd_here[], step_ss[], after_icebp[];

void debugging(void)
{
  section("debug");
  handlers[1] = on_debug;
  wdr6(0); wdr7(0x400);
  equal(rdr6(), 0xFFFF0FF0, "DR6 has its fixed bits");
  traps = 0;
  ASM("pushfq; orq $0x100, (%%rsp); popfq; nop\n step_here: nop" ::: "memory", "cc");
  check(traps == 1 && rip == (u64)step_here, "TF traps behind the instruction after POPF");
  equal(dr6 & 0x400F, 0x4000, "with BS in DR6");
  traps = 0;
  wdr0((u64)bp_here); wdr7(0x402);
  ASM("nop\n bp_here: nop; nop" ::: "memory");
  check(traps == 1 && rip == (u64)bp_here, "an instruction breakpoint is a fault, and RF steps over it");
  equal(dr6 & 0x400F, 1, "with B0 in DR6");
  traps = 0;
  wdr1((u64)watched); wdr7(0x408 | 1 << 20 | 3 << 22); /* writes of 4 bytes */
  ASM("movl $1, %0\n after_write: nop" : "=m"(watched[0])::"memory");
  check(traps == 1 && rip == (u64)after_write, "a write to watched data traps behind it");
  equal(dr6 & 0x400F, 2, "with B1 in DR6");
  traps = 0;
  u64 v = watched[0]; (void)v;
  equal(traps, 0, "a read of it does not");
  wdr7(0x408 | 3 << 20 | 3 << 22);
  v = watched[0];
  equal(traps, 1, "unless reads are watched too");
  traps = 0;
  ((volatile u8 *)watched)[4] = 1;
  equal(traps, 0, "and the byte behind is not watched");
  ((volatile u8 *)watched)[3] = 1;
  equal(traps, 1, "the last one is");
  wdr7(0x400);
  traps = 0;
  wdr7(0x2400);
  ASM("gd_here: mov %%dr6, %%rax" ::: "rax");
  check(traps == 1 && rip == (u64)gd_here, "GD faults on an access to a debug register");
  equal(dr6 & 0x2000, 0x2000, "with BD in DR6");
  wdr7(0x400);
  traps = 0;
  if (is_intel) { /* QEMU 7 raises #UD */
    ASM(".byte 0xF1\n after_icebp: nop");
    check(traps == 1 && rip == (u64)after_icebp, "INT1 is a trap");
  }
  traps = 0;
  ASM("mov %%ss, %%eax; pushfq; orq $0x100, (%%rsp); popfq; mov %%eax, %%ss; nop\n step_ss: nop" ::: "rax", "memory", "cc");
  check(traps == 1 && rip == (u64)step_ss, "a step over MOV SS traps behind the next instruction");
  equal(TRY("mov %1, %%dr7", "r"(1ul << 32)), 13, "DR7 refuses its upper half");
  equal(TRY("mov %1, %%dr6", "r"(1ul << 32)), 13, "and so does DR6");
  u64 cr4 = rcr4();
  wcr4(cr4 | 8);
  equal(TRY("mov %%dr4, %%rax", "i"(0)), 6, "with CR4.DE set, DR4 is undefined");
  wcr4(cr4 & ~8ul);
  equal(TRY("mov %%dr4, %%rax", "i"(0)), NONE, "and else it is DR6");
  handlers[1] = 0;
}
