/* Several processors: their start, IPIs of each kind, atomicity, TLB shoot-down (SDM, "Multiple-Processor Management"). */
#include "machine.h"

extern u8 trampoline[], trampoline_end[];
extern volatile u32 ap_number;
static volatile u32 awake, sum, atomic, lock, ids, went, nmis, go, stopped, shot, tsc_adjusts;
static volatile u64 stored[16] __attribute__((aligned(64)));
static volatile u32 waits_by_mwait, woken;
static volatile u8 *const page = (u8 *)0x10000000000ul;

static void on_call(struct frame *f) { (void)f; __atomic_add_fetch(&went, 1, __ATOMIC_SEQ_CST); eoi(); }
static void on_nmi(struct frame *f) { (void)f; __atomic_add_fetch(&nmis, 1, __ATOMIC_SEQ_CST); }
static void on_shoot(struct frame *f) { (void)f; invlpg((u64)page); if (*page == 2) __atomic_add_fetch(&shot, 1, __ATOMIC_SEQ_CST); eoi(); }

void ap_main(void)
{
  idt_again();
  apic_write(0xF0, 0x1FF);
  apic_write(0x80, 0);
  u32 id = apic_read(0x20) >> 24, r[4];
  cpuid(1, 0, r);
  if (r[1] >> 24 == id && !(rdmsr(0x1B) & 0x100)) __atomic_or_fetch(&ids, 1 << id, __ATOMIC_SEQ_CST);
  for (int i = 0; i < 200; i++) {
    while (__atomic_exchange_n(&lock, 1, __ATOMIC_ACQUIRE)) pause();
    sum = sum + 1;
    __atomic_store_n(&lock, 0, __ATOMIC_RELEASE);
    __atomic_add_fetch(&atomic, 1, __ATOMIC_SEQ_CST);
  }
  (void)*page;
  __atomic_add_fetch(&awake, 1, __ATOMIC_SEQ_CST);
  for (;;) {
    if (waits_by_mwait) {
      ASM("mov %0, %%rax; xor %%ecx, %%ecx; xor %%edx, %%edx; monitor" ::"r"(&stored) : "rax", "rcx", "rdx", "memory");
      if (!stored[0]) ASM("xor %%eax, %%eax; xor %%ecx, %%ecx; mwait" ::: "rax", "rcx", "memory"); /* interrupts are off */
      if (stored[0]) { __atomic_add_fetch(&woken, 1, __ATOMIC_SEQ_CST); while (waits_by_mwait) pause(); }
    } else nap();
  }
}

static u32 cpus(void)
{
  ASM("outw %0, %1" ::"a"((u16)5), "d"((u16)0x510));
  u32 low = inb(0x511);
  return low | inb(0x511) << 8;
}
static int until(volatile u32 *counter, u32 wanted) { u64 end = rdtsc() + 20000000000ul; while (*counter < wanted && rdtsc() < end) pause(); return *counter == wanted; }

void processors(void)
{
  u32 others = cpus() - 1;
  section("processors");
  if (!others) return skip("one alone");
  u8 *to = (u8 *)0x8000;
  for (u8 *from = trampoline; from < trampoline_end;) *to++ = *from++;
  handlers[0x90] = on_call; handlers[0x91] = on_shoot; handlers[2] = on_nmi;
  *page = 1;
  ipi(0xC4500, 0);
  delay(11932);
  ipi(0xC4608, 0);
  delay(239);
  ipi(0xC4608, 0);
  check(until(&awake, others), "INIT and SIPI wake the others, a second SIPI does nothing");
  delay(1193);
  equal(awake, others, "each of them once");
  equal(ids, ((1u << others) - 1) << 1, "each with its own ID, and none is the bootstrap processor");
  equal(sum, 200 * others, "a lock excludes");
  equal(atomic, 200 * others, "LOCK XADD is atomic");
  ipi(0xC0090, 0);
  check(until(&went, others), "an IPI to all others");
  went = 0;
  for (u32 id = 1; id <= others; id++) ipi(0x90, id);
  check(until(&went, others), "to each by its ID");
  went = 0;
  ipi(0x90, 0xFF);
  window();
  window();
  check(until(&went, others + 1), "to the broadcast ID");
  ipi(0xC0400, 0);
  check(until(&nmis, others), "an NMI to all others");
  extern u64 pml4[];
  u64 *directory_pointers = (u64 *)(pml4[2] & ~0xFFFul), *directory = (u64 *)(directory_pointers[0] & ~0xFFFul), *table = (u64 *)(directory[0] & ~0xFFFul);
  static u8 another[4096] __attribute__((aligned(4096)));
  another[0] = 2;
  table[0] = (u64)another | 3;
  ipi(0xC0091, 0);
  check(until(&shot, others), "a TLB shoot-down reaches all");
  if (has(1, 0, 2, 3)) {
    went = 0;
    waits_by_mwait = 1;
    ipi(0xC0090, 0); /* out of HLT */
    (void)until(&went, others);
    delay(239);
    stored[0] = 1;
    check(until(&woken, others), "a store ends the MWAIT of all");
    waits_by_mwait = 0;
  }
  awake = 0; sum = 0;
  ipi(0x4500, 1);
  delay(2386);
  ap_number = 0;
  went = 0;
  ipi(0xC0090, 0);
  check(until(&went, others - 1), "after INIT one of them no longer answers");
  ipi(0x4608, 1);
  check(until(&awake, 1), "and SIPI starts it again");
}
