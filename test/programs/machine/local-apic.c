/* The local APIC, in its page and as x2APIC: modes, registers, priorities, IPIs to itself, NMI (SDM, "Advanced Programmable Interrupt Controller"). */
#include "machine.h"

#define PAGE ((volatile u32 *)0xFEE00000)
int x2apic;
u32 apic_read(u32 offset) { return x2apic ? rdmsr(0x800 + (offset >> 4)) : PAGE[offset / 4]; }
void apic_write(u32 offset, u32 value) { if (x2apic) wrmsr(0x800 + (offset >> 4), value); else PAGE[offset / 4] = value; }
void eoi(void) { apic_write(0xB0, 0); }
void count_and_eoi(struct frame *f) { (void)f; eoi(); }
void ipi(u32 low, u32 destination)
{
  if (x2apic) return wrmsr(0x830, low | (u64)destination << 32);
  PAGE[0x310 / 4] = destination << 24;
  PAGE[0x300 / 4] = low;
}
static u32 own_id(void) { return x2apic ? apic_read(0x20) : apic_read(0x20) >> 24; }
static void settle(void) { for (int i = 0; i < 200; i++) pause(); }

static void identity(void)
{
  u32 r[4];
  cpuid(1, 0, r);
  section("local APIC");
  check(r[3] >> 9 & 1, "CPUID has it");
  u64 base = rdmsr(0x1B);
  check(base & 0x100, "IA32_APIC_BASE names the bootstrap processor");
  equal(base >> 12 << 12, 0xFEE00000, "and the page");
  equal(own_id(), r[1] >> 24, "its ID is CPUID's");
  u32 version = apic_read(0x30);
  check((version & 0xFF) >= 0x10 && (version & 0xFF) < 0x20 && (version >> 16 & 0xFF) >= 3, "version of an integrated APIC");
}

static void modes(void)
{
  u64 base = rdmsr(0x1B), v;
  section("APIC modes");
  if (in_tcg) { apic_write(0xF0, 0x1FF); return skip("QEMU cannot enable it again"); }
  equal(try_rdmsr(0x802, &v), 13, "x2APIC registers raise #GP in xAPIC mode");
  equal(try_wrmsr(0x1B, base | 1), 13, "reserved bits of IA32_APIC_BASE raise #GP");
  equal(try_wrmsr(0x1B, base | 1ul << 62), 13, "and so does a base beyond the physical address");
  equal(try_wrmsr(0x1B, (base & ~0x800ul) | 0x400), 13, "x2APIC without enable raises #GP");
  wrmsr(0x1B, base & ~0x800ul);
  equal(has(1, 0, 3, 9), 0, "disabled, CPUID does not report it");
  equal(try_wrmsr(0x1B, base | 0x400), 13, "from disabled there is no way straight to x2APIC");
  wrmsr(0x1B, base);
  equal(has(1, 0, 3, 9), 1, "enabled, CPUID reports it again");
  equal(apic_read(0xF0), 0xFF, "and its registers are those of a reset");
  equal(apic_read(0x360) & 0x10000, 0x10000, "LINT1 masked too");
  apic_write(0xF0, 0x1FF);
  if (!has(1, 0, 2, 21)) return skip("no x2APIC");
  section("x2APIC");
  u32 r[4];
  cpuid(1, 0, r);
  wrmsr(0x1B, base | 0x400);
  x2apic = 1;
  equal(own_id(), r[1] >> 24, "its ID");
  equal(apic_read(0xD0), (own_id() >> 4) << 16 | 1u << (own_id() & 15), "its logical ID follows from it");
  equal(try_rdmsr(0x80E, &v), 13, "there is no DFR");
  equal(try_rdmsr(0x831, &v), 13, "and no upper half of the ICR");
  equal(try_rdmsr(0x83F, &v), 13, "SELF IPI cannot be read");
  equal(try_rdmsr(0x80B, &v), 13, "nor can EOI");
  equal(try_wrmsr(0x802, 0), 13, "the ID cannot be written");
  equal(try_wrmsr(0x803, 0), 13, "nor the version");
  equal(try_wrmsr(0x80D, 1), 13, "nor the logical ID");
  equal(try_wrmsr(0x839, 0), 13, "nor the current count");
  equal(try_wrmsr(0x80B, 1), 13, "EOI takes 0 alone");
  equal(try_wrmsr(0x808, 0x100), 13, "reserved bits of the TPR raise #GP");
  equal(try_wrmsr(0x80F, 1ul << 32), 13, "and those of the spurious vector register");
  equal(try_wrmsr(0x1B, base), 13, "from x2APIC there is no way straight to xAPIC");
  handlers[0x50] = count_and_eoi;
  u32 before = seen[0x50];
  wrmsr(0x83F, 0x50);
  settle(); window();
  equal(seen[0x50], before + 1, "SELF IPI interrupts");
  ipi(0x50, own_id());
  settle(); window();
  equal(seen[0x50], before + 2, "and so does an IPI by its ID");
  ipi(0x850, (own_id() >> 4) << 16 | 1u << (own_id() & 15));
  settle(); window();
  equal(seen[0x50], before + 3, "and by its logical ID");
  wrmsr(0x1B, base & ~0x800ul);
  wrmsr(0x1B, base);
  x2apic = 0;
  equal(own_id(), r[1] >> 24, "through disabled it is an xAPIC again");
  apic_write(0xF0, 0x1FF);
}

static volatile u32 order[8], orders, isr_bit, irr_bit, ppr;
static void on_order(struct frame *f)
{
  order[orders++ & 7] = f->vector;
  isr_bit = apic_read(0x100 + (f->vector >> 5 << 4)) >> (f->vector & 31) & 1;
  irr_bit = apic_read(0x200 + (f->vector >> 5 << 4)) >> (f->vector & 31) & 1;
  ppr = apic_read(0xA0);
  eoi();
}
static void on_nested(struct frame *f)
{
  order[orders++ & 7] = f->vector;
  if (f->vector == 0x61) { ipi(0x40071, 0); ipi(0x40062, 0); settle(); window(); order[orders++ & 7] = 0; }
  eoi();
}

static void priorities(void)
{
  section("priorities");
  handlers[0x61] = handlers[0x62] = handlers[0x71] = on_order;
  cli();
  orders = 0;
  ipi(0x40061, 0); ipi(0x40071, 0); ipi(0x40062, 0);
  settle();
  equal(apic_read(0x230) & 6, 6, "what is pending is in the IRR");
  ASM("sti; nop; nop; nop; nop; nop; nop; nop; nop; cli" ::: "memory");
  check(orders == 3 && order[0] == 0x71 && order[1] == 0x62 && order[2] == 0x61, "the highest vector comes first");
  check(isr_bit == 1 && irr_bit == 0, "in its handler a vector is in the ISR and no more in the IRR");
  equal(ppr, 0x60, "and its class is the processor priority");
  equal(apic_read(0xA0), 0, "which EOI brings down");
  handlers[0x61] = handlers[0x62] = handlers[0x71] = on_nested;
  orders = 0;
  ipi(0x40061, 0);
  settle(); window(); window();
  check(orders == 4 && order[0] == 0x61 && order[1] == 0x71 && order[2] == 0 && order[3] == 0x62, "a higher class interrupts a handler, the same class waits");
  handlers[0x61] = on_order;
  orders = 0;
  wcr8(6);
  equal(apic_read(0x80), 0x60, "CR8 is the class of the TPR");
  ipi(0x40061, 0);
  settle(); window();
  equal(orders, 0, "a vector of the task priority's class is held back");
  apic_write(0x80, 0x50);
  equal(rcr8(), 5, "the TPR is seen in CR8");
  settle(); window();
  equal(orders, 1, "and comes when it falls");
  wcr8(0);
  ipi(0x40061, 0); ipi(0x40061, 0);
  settle(); window(); window();
  equal(orders, 2, "the same vector twice is pending once");
}

static volatile u32 nmis, in_nmi, nested_nmi;
static void on_nmi(struct frame *f)
{
  (void)f;
  nmis++;
  if (in_nmi) nested_nmi = 1;
  in_nmi = 1;
  if (nmis == 2) { ipi(0x400, own_id()); settle(); }
  in_nmi = 0;
}

static void messages(void)
{
  section("IPIs to itself");
  handlers[0x50] = count_and_eoi;
  u32 before = seen[0x50];
  ipi(0x50, own_id());
  settle(); window();
  equal(seen[0x50], before + 1, "by its ID");
  apic_write(0xE0, 0xFFFFFFFF); apic_write(0xD0, 0x01000000);
  ipi(0x850, 1);
  settle(); window();
  equal(seen[0x50], before + 2, "by a logical destination, flat");
  ipi(0x850, 2);
  settle(); window();
  equal(seen[0x50], before + 2, "not by another one");
  apic_write(0xE0, 0x0FFFFFFF); apic_write(0xD0, 0x21000000);
  ipi(0x850, 0x23);
  settle(); window();
  equal(seen[0x50], before + 3, "by a logical destination, cluster");
  ipi(0x850, 0x11);
  settle(); window();
  equal(seen[0x50], before + 3, "not by another cluster's");
  apic_write(0xE0, 0xFFFFFFFF); apic_write(0xD0, 0x01000000);
  ipi(0x80050, 0);
  settle(); window();
  equal(seen[0x50], before + 4, "by the shorthand for all");
  ipi(0xC0050, 0);
  settle(); window();
  equal(seen[0x50], before + 4, "not by that for all others");
  equal(apic_read(0x300) & 0x1000, 0, "the ICR is idle");
  handlers[2] = on_nmi;
  ipi(0x400, own_id());
  settle();
  equal(nmis, 1, "an NMI comes with interrupts off");
  ipi(0x400, own_id());
  settle();
  equal(nmis, 3, "one that comes in its handler waits for the end");
  equal(nested_nmi, 0, "and is not nested");
  handlers[2] = 0;
  section("software disable");
  apic_write(0x320, 0x31);
  apic_write(0xF0, 0xFF);
  equal(apic_read(0x320) & 0x10000, 0x10000, "masks the local vector table");
  apic_write(0x320, 0x31);
  equal(apic_read(0x320) & 0x10000, 0x10000, "whose masks stay set");
  apic_write(0xF0, 0x1FF);
  apic_write(0x320, 0x31);
  equal(apic_read(0x320) & 0x100FF, 0x31, "until it is enabled");
  apic_write(0x320, 0x10000);
  if (under_kvm) return skip("KVM has no error status register");
  section("errors");
  apic_write(0x280, 0); apic_write(0x280, 0);
  equal(apic_read(0x280), 0, "none at first");
  ipi(0x4000F, 0);
  settle();
  apic_write(0x280, 0);
  check(apic_read(0x280) & 0x60, "an IPI with an illegal vector is one");
}

void local_apic(void) { identity(); modes(); priorities(); messages(); }
