/* The APIC timer: one-shot, periodic, change of mode while it counts, TSC deadline (SDM, "APIC Timer"; "TSC-Deadline Mode"). */
#include "machine.h"

#define LVTT 0x320
#define INITIAL 0x380
#define CURRENT 0x390
#define DIVIDE 0x3E0
#define PERIODIC 0x20000
#define DEADLINE 0x40000
#define MASKED 0x10000
#define MSR_DEADLINE 0x6E0
#define V 0x58
static volatile u64 fired_at;
static void on_timer(struct frame *f) { (void)f; fired_at = rdtsc(); eoi(); }
static int within(u64 ticks, u32 count) { u64 end = rdtsc() + ticks; while (seen[V] < count && rdtsc() < end) window(); return seen[V] >= count; }
static void wait_zero(void) { while (apic_read(CURRENT)) pause(); }
static void wait_half(u32 initial) { while (apic_read(CURRENT) > initial / 2) pause(); }
#define LONG_ENOUGH 4000000000ul

static void counting(u32 unit)
{
  section("APIC timer");
  handlers[V] = on_timer;
  apic_write(DIVIDE, 0xB);
  equal(apic_read(DIVIDE), 0xB, "the divide configuration reads back");
  apic_write(LVTT, V);
  u32 before = seen[V];
  apic_write(INITIAL, unit);
  check(apic_read(CURRENT) > 0 && apic_read(CURRENT) <= unit, "the current count runs down from the initial one");
  equal(apic_read(INITIAL), unit, "which reads back");
  check(within(LONG_ENOUGH, before + 1), "one shot fires");
  wait_zero();
  equal(apic_read(CURRENT), 0, "and leaves the count at 0");
  for (int i = 0; i < 300; i++) window();
  equal(seen[V], before + 1, "once");
  apic_write(LVTT, V | PERIODIC);
  apic_write(INITIAL, unit);
  check(within(LONG_ENOUGH, before + 4), "a periodic one fires again and again");
  apic_write(INITIAL, 0);
  window();
  before = seen[V];
  equal(apic_read(CURRENT), 0, "an initial count of 0 stops it");
  for (int i = 0; i < 300; i++) window();
  equal(seen[V], before, "for good");
  apic_write(LVTT, V | MASKED);
  apic_write(INITIAL, unit);
  wait_zero();
  window();
  equal(seen[V], before, "a masked one counts and does not interrupt");
  apic_write(LVTT, V);
  window();
  equal(seen[V], before, "also not when it is unmasked later");
}

static void modes(u32 initial)
{
  section("change of timer mode");
  apic_write(LVTT, MASKED | V);
  apic_write(INITIAL, initial);
  apic_write(LVTT, MASKED | V | PERIODIC);
  equal(apic_read(INITIAL), initial, "leaves the initial count");
  apic_write(LVTT, MASKED | V);
  apic_write(INITIAL, initial);
  check(apic_read(CURRENT) > 0, "one-shot counts");
  wait_zero();
  equal(apic_read(CURRENT), 0, "down to 0");
  apic_write(INITIAL, initial);
  wait_half(initial);
  apic_write(LVTT, MASKED | V | PERIODIC);
  u32 now = apic_read(CURRENT);
  check(now > 0, "to periodic keeps counting");
  check(now <= initial / 2, "from where it was");
  for (u32 before = apic_read(CURRENT); (now = apic_read(CURRENT)) <= before && now;) before = now;
  while (!apic_read(CURRENT)) pause();
  check(apic_read(CURRENT) > initial / 2, "and begins a period at 0");
  wait_half(initial);
  apic_write(LVTT, MASKED | V);
  check(apic_read(CURRENT) <= initial / 2, "to one-shot keeps counting too");
  wait_zero();
  equal(apic_read(CURRENT), 0, "down to 0");
  apic_write(LVTT, MASKED | V | PERIODIC);
  equal(apic_read(CURRENT), 0, "where it stays in periodic mode");
}

static void deadline(void)
{
  section("TSC deadline");
  if (!has(1, 0, 2, 24)) return skip("not supported");
  apic_write(LVTT, V);
  apic_write(INITIAL, 1000000);
  apic_write(LVTT, V | DEADLINE);
  equal(apic_read(CURRENT), 0, "the mode stops the count");
  equal(rdmsr(MSR_DEADLINE), 0, "and nothing is armed");
  apic_write(INITIAL, 1000);
  equal(apic_read(CURRENT), 0, "an initial count does nothing");
  u32 before = seen[V];
  u64 when = rdtsc() + 200000;
  wrmsr(MSR_DEADLINE, when);
  check(rdmsr(MSR_DEADLINE) == when || rdtsc() >= when, "the deadline reads back");
  check(within(LONG_ENOUGH, before + 1), "and fires");
  check(fired_at >= when, "not early");
  equal(rdmsr(MSR_DEADLINE), 0, "then it is 0");
  wrmsr(MSR_DEADLINE, 1);
  check(within(LONG_ENOUGH, before + 2), "one that is past fires at once");
  wrmsr(MSR_DEADLINE, rdtsc() + 300000);
  wrmsr(MSR_DEADLINE, 0);
  u64 end = rdtsc() + 600000;
  while (rdtsc() < end) window();
  equal(seen[V], before + 2, "writing 0 disarms");
  wrmsr(MSR_DEADLINE, rdtsc() + 300000);
  apic_write(LVTT, V);
  equal(rdmsr(MSR_DEADLINE), 0, "leaving the mode disarms");
  wrmsr(MSR_DEADLINE, 1);
  window();
  equal(seen[V], before + 2, "and outside it the MSR is ignored");
  apic_write(LVTT, V | DEADLINE);
  for (int i = 0; i < 5; i++) { wrmsr(MSR_DEADLINE, rdtsc() + 20000); nap(); }
  equal(seen[V], before + 7, "five that wake HLT");
  apic_write(LVTT, MASKED);
}

/* How far the timer counts in so many ticks of the TSC. */
static u32 counts_in(u64 ticks)
{
  apic_write(DIVIDE, 0xB);
  apic_write(LVTT, MASKED | V);
  apic_write(INITIAL, 0xFFFFFFFF);
  u64 start = rdtsc();
  while (rdtsc() < start + 100000) pause();
  u64 counted = 0xFFFFFFFF - apic_read(CURRENT), passed = rdtsc() - start;
  return counted * ticks / passed;
}

void timers(void)
{
  u32 scale = in_tcg ? 200 : 1; /* QEMU shares its processor with others */
  counting(counts_in(160000 * scale));
  modes(counts_in(400000 * scale));
  deadline();
}
