/* TSC, 8254, HPET, ACPI PM timer, real-time clock. */
#include "machine.h"

void delay(u32 ticks)
{
  outb(0x61, (inb(0x61) & ~2) | 1);
  outb(0x43, 0xB0);
  outb(0x42, ticks);
  outb(0x42, ticks >> 8);
  while (!(inb(0x61) & 0x20)) pause();
}

static void tsc(void)
{
  section("TSC");
  u64 a = rdtsc(), b = rdtsc();
  check(b > a, "moves on");
  wrmsr(0x10, 0x1000000);
  b = rdtsc();
  check(b >= 0x1000000 && b < 0x1000000 + 1000000000, "takes a value");
  if (!has(7, 0, 1, 1)) return skip("no IA32_TSC_ADJUST");
  wrmsr(0x3B, 0);
  a = rdtsc();
  wrmsr(0x3B, 1ul << 40);
  b = rdtsc();
  check(b - a >= 1ul << 40 && b - a < (1ul << 40) + 1000000000, "IA32_TSC_ADJUST moves it");
  wrmsr(0x10, rdtsc() - (1ul << 39));
  u64 adjust = rdmsr(0x3B);
  check(adjust < 1ul << 40 && adjust > 1ul << 38, "and follows its writes");
  wrmsr(0x3B, 0);
  u64 start = rdtsc();
  delay(1193);
  u64 khz = (rdtsc() - start);
  u32 r[4];
  cpuid(0x15, 0, r);
  if (!r[0] || !r[2]) return skip("no CPUID leaf 15H");
  u64 told = (u64)r[2] * r[1] / r[0] / 1000;
  check(khz > told - told / 20 && khz < told + told / 20, "CPUID leaf 15H agrees with the 8254");
}

static void pit(void)
{
  section("8254");
  outb(0x43, 0x34); outb(0x40, 0x00); outb(0x40, 0x80);
  outb(0x43, 0xE2);
  equal(inb(0x40) & 0x3F, 0x34, "read-back tells the mode");
  outb(0x43, 0);
  u32 first = inb(0x40); first |= inb(0x40) << 8;
  for (int i = 0; i < 1000; i++) pause();
  outb(0x43, 0);
  u32 second = inb(0x40); second |= inb(0x40) << 8;
  check(first <= 0x8000 && second < first, "a latched count runs down");
  outb(0x61, inb(0x61) & ~1);
  outb(0x43, 0xB0); outb(0x42, 0x00); outb(0x42, 0x10);
  outb(0x43, 0x80);
  first = inb(0x42); first |= inb(0x42) << 8;
  for (int i = 0; i < 300; i++) pause();
  outb(0x43, 0x80);
  second = inb(0x42); second |= inb(0x42) << 8;
  equal(second, first, "counter 2 stands while its gate is closed");
  u64 start = rdtsc();
  delay(1193);
  check(rdtsc() > start, "its output tells the end");
}

#define HPET ((volatile u64 *)0xFED00000)
static void hpet(void)
{
  section("HPET");
  u64 id = HPET[0];
  check((id >> 16 & 0xFFFF) == 0x8086 && (id >> 32) && (id >> 32) <= 100000000, "vendor and period");
  HPET[2] &= ~3ul;
  HPET[0xF0 / 8] = 0x1000;
  equal(HPET[0xF0 / 8], 0x1000, "stopped, the counter takes a value");
  HPET[2] |= 1;
  for (int i = 0; i < 300; i++) pause();
  u64 a = HPET[0xF0 / 8];
  check(a > 0x1000, "and runs on from it");
  delay(1193);
  u64 passed = (HPET[0xF0 / 8] - a) * (id >> 32);
  check(passed > 900000000000ul, "at least as fast as the 8254");
  HPET[2] &= ~1ul;
  a = HPET[0xF0 / 8];
  for (int i = 0; i < 300; i++) pause();
  equal(HPET[0xF0 / 8], a, "and stands when it is stopped");
}

static u8 cmos(u8 r) { outb(0x70, r | 0x80); return inb(0x71); }
static void on_rtc(struct frame *f) { (void)f; (void)cmos(0x0C); eoi(); }
static void rtc(void)
{
  section("real-time clock");
  while (cmos(0x0A) & 0x80) pause();
  u32 month = cmos(8), day = cmos(7), hour = cmos(4);
  check(month >= 1 && month <= 0x12 && day >= 1 && day <= 0x31 && hour <= 0x23, "a date in BCD");
  equal(cmos(0x0D) & 0x80, 0x80, "its memory is valid");
  outb(0x70, 0x8F | 0); outb(0x71, 0);
  outb(0x70, 0xBF); outb(0x71, 0x5A);
  equal(cmos(0x3F), 0x5A, "a byte of its memory is kept");
  volatile u32 *io = (u32 *)0xFEC00000;
  handlers[0x78] = on_rtc;
  io[0] = 0x11 + 16; io[4] = apic_read(0x20) & 0xFF000000;
  io[0] = 0x10 + 16; io[4] = 0x78;
  outb(0x70, 0x8A); outb(0x71, 0x23); /* 8192 Hz */
  u8 b = cmos(0x0B);
  outb(0x70, 0x8B); outb(0x71, b | 0x40);
  (void)cmos(0x0C);
  u32 n = seen[0x78];
  u64 end = rdtsc() + 4000000000ul;
  while (seen[0x78] < n + 3 && rdtsc() < end) nap();
  check(seen[0x78] >= n + 3, "three periodic interrupts at IRQ 8");
  outb(0x70, 0x8B); outb(0x71, b);
  (void)cmos(0x0C);
  io[0] = 0x10 + 16; io[4] = 0x10000;
  window(); /* the last one may be pending */
  handlers[0x78] = 0;
}

/* The FADT names the port of the PM timer. */
static u8 *table(const char *name)
{
  for (u8 *p = (u8 *)0xE0000; p < (u8 *)0x100000; p += 16) {
    if (*(u64 *)p != 0x2052545020445352) continue;
    u32 *rsdt = (u32 *)(u64)*(u32 *)(p + 16);
    for (u32 i = 9; i < rsdt[1] / 4; i++)
      if (*(u32 *)(u64)rsdt[i] == *(u32 *)name) return (u8 *)(u64)rsdt[i];
  }
  return 0;
}
static void acpi(void)
{
  section("ACPI");
  u8 *fadt = table("FACP"), *madt = table("APIC");
  check(fadt && madt, "FADT and MADT");
  if (!fadt || !madt) return;
  u32 enabled = 0, io = 0;
  for (u8 *p = madt + 44; p < madt + *(u32 *)(madt + 4); p += p[1]) {
    if (p[0] == 0 && p[4] & 1) enabled++;
    if (p[0] == 1) io = *(u32 *)(p + 4);
  }
  check(enabled >= 1, "the MADT lists processors");
  equal(io, 0xFEC00000, "and the I/O APIC");
  u16 port = *(u32 *)(fadt + 76);
  u32 a = inl(port) & 0xFFFFFF;
  delay(1193);
  u32 passed = ((inl(port) & 0xFFFFFF) - a) & 0xFFFFFF;
  check(passed > 3400, "its PM timer runs at 3.58 MHz");
}

void clocks(void) { pit(); hpet(); rtc(); acpi(); tsc(); }
