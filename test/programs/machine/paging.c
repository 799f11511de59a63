/* Paging: rights, error codes, accessed and dirty flags, global pages, PCIDs (SDM, "Paging"). */
#include "machine.h"

/* One page at 1 TiB, whose tables are all ours. */
#define AT 0x10000000000ul
static u64 directory_pointers[512] __attribute__((aligned(4096))), directory[512] __attribute__((aligned(4096))), table[512] __attribute__((aligned(4096)));
static u8 page_a[4096] __attribute__((aligned(4096))), page_b[4096] __attribute__((aligned(4096)));
#define P 1ul
#define W 2ul
#define U 4ul
#define A 0x20ul
#define D 0x40ul
#define PS 0x80ul
#define G 0x100ul
#define NX (1ul << 63)
static void map(u64 entry) { table[0] = entry; invlpg(AT); }
static void again(void)
{
  directory_pointers[0] = (u64)directory | P | W | U;
  directory[0] = (u64)table | P | W | U;
  pml4[2] = (u64)directory_pointers | P | W | U;
  map((u64)page_a | P | W);
  wcr3(rcr3());
}
static u64 read_it(void) { return TRY("mov (%1), %%eax", "r"(AT)); }
static u64 write_it(void) { return TRY("movb $1, (%1)", "r"(AT)); }
static u64 fetch_it(void) { return TRY("call *%1", "r"(AT)); }
#define FAULTS(call, code, what) do { u64 v_ = call; if (v_ == 14) equal(last.error, code, what); else equal(v_, 14, what); } while (0)
USER(p_read, "mov (%rsi), %rax");
USER(p_write, "movb $1, (%rsi)");
USER(p_fetch, "call *%rsi");

static void rights(void)
{
  section("paging");
  page_a[0] = 0xC3; page_b[0] = 0xC3; /* RET */
  again();
  equal(read_it(), NONE, "a present page is read");
  map(0);
  FAULTS(read_it(), 0, "one that is not faults");
  equal(last.cr2, AT, "with its address in CR2");
  FAULTS(write_it(), 2, "a write to it sets W/R");
  map((u64)page_a | P);
  FAULTS(write_it(), 3, "a write to a read-only page faults with WP");
  wcr0(rcr0() & ~0x10000ul);
  equal(write_it(), NONE, "and goes through without WP");
  wcr0(rcr0() | 0x10000);
  page_a[0] = 0xC3;
  map((u64)page_a | P | W);
  equal(fetch_it(), NONE, "a page without NX executes");
  map((u64)page_a | P | W | NX);
  FAULTS(fetch_it(), 0x11, "one with NX does not");
  map((u64)page_a | P | W | U);
  equal(in_user(p_read, AT, 2), 0x80, "ring 3 reads a user page");
  directory[0] = (u64)table | P | W;
  invlpg(AT);
  FAULTS(in_user(p_read, AT, 2), 5, "and not when a directory entry is supervisor's");
  directory[0] = (u64)table | P | U;
  invlpg(AT);
  FAULTS(in_user(p_write, AT, 2), 7, "nor writes when one is read-only");
  directory[0] = (u64)table | P | U | W | NX;
  invlpg(AT);
  FAULTS(in_user(p_fetch, AT, 2), 0x15, "nor executes when one has NX");
  again();
  map((u64)page_a | P | W | 1ul << 51);
  FAULTS(read_it(), 9, "a reserved bit in an entry sets RSVD");
  directory_pointers[0] = (u64)directory | P | W | U;
  directory[0] = (1ul << 13) | PS | P | W;
  invlpg(AT);
  FAULTS(read_it(), 9, "so does one in the address of a large page");
  again();
}

static void flags(void)
{
  section("accessed and dirty");
  again();
  table[0] = (u64)page_a | P | W;
  invlpg(AT);
  (void)read_it();
  equal(table[0] & (A | D), A, "a read sets A");
  (void)write_it();
  equal(table[0] & (A | D), A | D, "a write sets D");
  check(directory[0] & A && directory_pointers[0] & A && pml4[2] & A, "A is set at every level");
  map((u64)page_a | P);
  (void)write_it();
  equal(table[0] & D, 0, "a write that faults leaves D clear");
  page_a[0] = 0xC3;
  directory[0] = PS | P | W;
  invlpg(AT);
  (void)write_it();
  equal(directory[0] & (A | D), A | D, "a large page has both in the directory entry");
  if (has(0x80000001, 0, 3, 26)) {
    directory_pointers[0] = PS | P | W;
    invlpg(AT);
    equal(read_it(), NONE, "a page of 1 GiB is read");
    equal(*(volatile u64 *)(AT + (u64)rights), *(u64 *)rights, "and is the memory it names");
  } else skip("no pages of 1 GiB");
  again();
}

static u8 value(void) { return *(volatile u8 *)AT; }
static void translations(void)
{
  section("translations");
  page_a[0] = 0xAA; page_b[0] = 0xBB;
  again();
  u64 cr4 = rcr4();
  wcr4(cr4 | 0x80);
  map((u64)page_a | P | W | G);
  (void)value();
  table[0] = (u64)page_b | P | W | G;
  invlpg(AT);
  equal(value(), 0xBB, "INVLPG drops a global translation");
  table[0] = (u64)page_a | P | W | G;
  wcr4(cr4);
  equal(value(), 0xAA, "a write of CR4.PGE drops all");
  table[0] = (u64)page_b | P | W;
  wcr3(rcr3());
  equal(value(), 0xBB, "a write of CR3 drops what is not global");
  if (has(1, 0, 2, 17)) {
    wcr4(cr4 | 1 << 17);
    u64 cr3 = rcr3();
    equal(try_cr3(cr3 | 1), NONE, "a PCID goes into CR3");
    (void)value();
    table[0] = (u64)page_a | P | W;
    wcr3(cr3 | 1);
    equal(value(), 0xAA, "without bit 63 the PCID's translations are dropped");
    equal(try_cr4(cr4), NONE, "PCIDE can be cleared");
    wcr3(rcr3() | 0x18);
    equal(try_cr4(cr4 | 1 << 17), 13, "and not be set while CR3[11:0] are not 0");
    wcr3(cr3);
    equal(try_cr3(cr3 | 1ul << 63), 13, "bit 63 of CR3 raises #GP without PCIDE");
    if (has(7, 0, 1, 10)) {
      wcr4(cr4 | 1 << 17);
      struct { u64 pcid, address; } d = {0, AT};
      equal(TRY("mov $0, %%eax; invpcid %1, %%rax", "m"(d)), NONE, "INVPCID of an address");
      equal(TRY("mov $4, %%eax; invpcid %1, %%rax", "m"(d)), 13, "of type 4 raises #GP");
      d.pcid = 0x1000;
      equal(TRY("mov $1, %%eax; invpcid %1, %%rax", "m"(d)), 13, "with bits 63:12 of the PCID raises #GP");
      d.pcid = 0; d.address = 1ul << 63;
      equal(TRY("mov $0, %%eax; invpcid %1, %%rax", "m"(d)), 13, "with an address that is not canonical raises #GP");
      table[0] = (u64)page_b | P | W | G;
      equal(TRY("mov $2, %%eax; invpcid %1, %%rax", "m"(d)), NONE, "INVPCID of everything");
      equal(value(), 0xBB, "drops everything");
      wcr4(cr4);
    } else skip("no INVPCID");
  } else skip("no PCID");
  again();
}

static void supervisor_modes(void)
{
  section("SMEP and SMAP");
  u64 cr4 = rcr4();
  page_a[0] = 0xC3;
  map((u64)page_a | P | W | U);
  if (has(7, 0, 1, 7)) {
    equal(fetch_it(), NONE, "ring 0 executes a user page");
    wcr4(cr4 | 1 << 20);
    FAULTS(fetch_it(), 0x11, "and not with SMEP");
    wcr4(cr4);
  } else skip("no SMEP");
  if (has(7, 0, 1, 20)) {
    wcr4(cr4 | 1 << 21);
    ASM("clac");
    FAULTS(read_it(), 1, "with SMAP ring 0 does not read a user page");
    FAULTS(write_it(), 3, "nor write it");
    ASM("stac");
    equal(read_it(), NONE, "unless AC is set");
    ASM("clac");
    wcr4(cr4);
  } else skip("no SMAP");
  map((u64)page_a | P | W);
}

void paging(void) { rights(); flags(); translations(); supervisor_modes(); }
