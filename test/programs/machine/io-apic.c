/* The I/O APIC and its lines, which QEMU's pc-testdev (ports 2000H + line) raises (82093AA data sheet). */
#include "machine.h"

#define IO ((volatile u32 *)0xFEC00000)
static u32 io_read(u32 r) { IO[0] = r; return IO[4]; }
static void io_write(u32 r, u32 v) { IO[0] = r; IO[4] = v; }
#define LEVEL 0x8000
#define MASK 0x10000
#define REMOTE_IRR 0x4000
static void route(u32 line, u32 low) { io_write(0x11 + 2 * line, apic_read(0x20) & 0xFF000000); io_write(0x10 + 2 * line, low); }
static u32 entry(u32 line) { return io_read(0x10 + 2 * line); }
static void line(u32 n, int level) { outb(0x2000 + n, level); }
static void settle(void) { for (int i = 0; i < 200; i++) pause(); window(); window(); }
#define L1 0x0E
#define L2 0x0F
#define V1 0x76
#define V2 0x77

static volatile u32 still;
static void on_level(struct frame *f) { (void)f; line(L1, 0); eoi(); }
static void on_insistent(struct frame *f) { (void)f; if (still) still--; if (!still) line(L1, 0); eoi(); }
static void on_remote(struct frame *f) { (void)f; still = entry(L1) & REMOTE_IRR; line(L1, 0); eoi(); }

static void entries_(void)
{
  section("I/O APIC");
  io_write(0, 0x0F000000);
  equal(io_read(0), 0x0F000000, "its ID reads back");
  io_write(0, 0);
  u32 version = io_read(1);
  check((version & 0xFF) == 0x11 || (version & 0xFF) == 0x20, "version");
  equal(version >> 16 & 0xFF, 23, "24 entries");
  io_write(1, 0);
  equal(io_read(1), version, "which cannot be written");
  io_write(0x10 + 2 * L1, 0xFFFFFFFF);
  equal(entry(L1) & 0x1F000 & ~0x1000, 0x1A000 & ~0x1000, "delivery status and remote IRR are read-only");
  route(L1, MASK);
  io_write(0x3F, 0);
  check(1, "a register beyond the last one is nothing");
}

static void edges(void)
{
  section("edges");
  handlers[V1] = handlers[V2] = count_and_eoi;
  route(L1, V1);
  u32 n = seen[V1];
  line(L1, 1); settle();
  equal(seen[V1], n + 1, "a rising edge interrupts");
  line(L1, 1); settle();
  equal(seen[V1], n + 1, "a line that stays up does not again");
  line(L1, 0); settle();
  equal(seen[V1], n + 1, "nor does a falling edge");
  line(L1, 1); line(L1, 0); line(L1, 1); line(L1, 0); settle();
  equal(seen[V1], n + 2, "two edges while interrupts are off are one");
  route(L1, V1 | MASK);
  line(L1, 1); settle();
  equal(seen[V1], n + 2, "a masked entry does not interrupt");
  line(L1, 0);
  route(L1, V1); settle();
  equal(seen[V1], n + 2, "and has forgotten the edge");
  route(L2, V2);
  u32 m = seen[V2];
  line(L1, 1); line(L2, 1); line(L1, 0); line(L2, 0); settle();
  check(seen[V1] == n + 3 && seen[V2] == m + 1, "two lines at once");
  route(L2, V2 | MASK); route(L1, V1 | MASK);
}

static void levels(void)
{
  section("levels");
  handlers[V1] = on_level;
  route(L1, V1 | LEVEL);
  u32 n = seen[V1];
  line(L1, 1); settle();
  equal(seen[V1], n + 1, "a line that is up interrupts");
  equal(entry(L1) & REMOTE_IRR, 0, "after EOI the remote IRR is clear");
  handlers[V1] = on_remote;
  line(L1, 1); settle();
  equal(still, REMOTE_IRR, "in the handler it is set");
  handlers[V1] = on_insistent;
  still = 3;
  n = seen[V1];
  line(L1, 1);
  for (int i = 0; i < 4; i++) settle();
  equal(seen[V1], n + 3, "at EOI a line that is still up interrupts again");
  handlers[V1] = on_level;
  route(L1, V1 | LEVEL | MASK);
  n = seen[V1];
  line(L1, 1); settle();
  equal(seen[V1], n, "a masked entry does not interrupt");
  route(L1, V1 | LEVEL); settle();
  equal(seen[V1], n + 1, "and does when it is unmasked while the line is up");
  route(L1, V1 | LEVEL | MASK);
  line(L1, 1); line(L1, 0);
  route(L1, V1 | LEVEL); settle();
  equal(seen[V1], n + 1, "but not when the line has fallen");
  route(L1, MASK);
}

static void pit_count(u32 count, int mode) { outb(0x43, 0x30 | mode << 1); outb(0x40, count); outb(0x40, count >> 8); }
static void on_pic(struct frame *f) { (void)f; outb(0x20, 0x20); }
static volatile u32 isr;
static void on_pic_isr(struct frame *f) { (void)f; outb(0x20, 0x0B); isr = inb(0x20); outb(0x20, 0x20); }
static void pics(void)
{
  section("8259");
  outb(0x20, 0x11); outb(0x21, 0x30); outb(0x21, 4); outb(0x21, 1);
  outb(0xA0, 0x11); outb(0xA1, 0x38); outb(0xA1, 2); outb(0xA1, 1);
  outb(0x21, 0xA5);
  equal(inb(0x21), 0xA5, "its mask reads back");
  outb(0x21, 0xFF); outb(0xA1, 0xFF);
  handlers[0x30] = on_pic;
  apic_write(0x350, 0x700); /* LINT0: ExtINT */
  u32 n = seen[0x30];
  outb(0x21, 0xFE);
  pit_count(2000, 2);
  while (seen[0x30] < n + 3) nap();
  check(1, "three ticks of the 8254 through LINT0");
  handlers[0x30] = on_pic_isr;
  n = seen[0x30];
  while (seen[0x30] < n + 1) nap();
  equal(isr & 1, 1, "in the handler IRQ 0 is in service");
  outb(0x21, 0xFF);
  handlers[0x30] = 0;
  apic_write(0x350, 0x10700);
  section("8254 through the I/O APIC");
  handlers[V1] = count_and_eoi;
  route(2, V1);
  n = seen[V1];
  pit_count(2000, 2);
  while (seen[V1] < n + 3) nap();
  check(1, "three ticks at pin 2");
  pit_count(2000, 0);
  n = seen[V1];
  while (seen[V1] < n + 1) nap();
  for (int i = 0; i < 300; i++) window();
  equal(seen[V1], n + 1, "mode 0 gives one");
  route(2, MASK);
}

void io_apic(void) { entries_(); edges(); levels(); pics(); }
