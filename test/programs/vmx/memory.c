/* EPT: violations, misconfigurations, accessed and dirty flags; INVEPT and INVVPID; page-modification log, EPTP switching, VMCS shadowing. */
#include "vmx.h"

#define AT 0xC0000000ul /* a page that the kernel's tables map and no memory lies behind */
G(g_touch, "mov $0xC0000010, %ebx; mov (%rbx), %eax; mov %eax, (%rbx); call *%rbx");
G(g_read, "mov $0xC0000010, %ebx; mov (%rbx), %rax; vmcall; mov %rax, (%rbx)");
G(g_walk, "mov $0x8000000010, %rbx; mov (%rbx), %rax");
G(g_func, "xor %eax, %eax; mov $1, %ecx; vmfunc; mov $0xC0000010, %ebx; mov (%rbx), %rax; vmcall; mov $2, %eax; vmfunc");
G(g_shadow, "mov $0x6800, %eax; vmread %rax, %rbx; vmcall; mov $0x6C16, %eax; mov $0x55, %ecx; vmwrite %rcx, %rax; vmcall; vmread %rdx, %rbx");

static u64 *ept, *leaf; /* the tables; the one for 2 MiB from AT */
static u64 target;
u64 eptp;
static int ad;

void tables(void)
{
  u64 *p3 = page(), *p2 = page(), *low = page();
  ept = page(); leaf = page(); target = (u64)page(); *(u64 *)(target + 0x10) = 0xC3;
  ept[0] = (u64)p3 | 7;
  p3[0] = (u64)low | 7; p3[3] = (u64)p2 | 7;
  for (u64 i = 0; i < 512; i++) low[i] = i << 21 | 6 << 3 | 0x80 | 7;
  p2[0] = (u64)leaf | 7; leaf[0] = target | 6 << 3 | 7;
  eptp = (u64)ept | 3 << 3 | 6;
}
void with_ept(void (*guest)(void), u64 entry)
{
  fresh(guest); leaf[0] = entry; set(CPU2, 2); wr(EPTP, eptp); invept(1, eptp, 0);
}
static void violation(u64 bits, u64 address, const char *what)
{
  equal(run(), 48, what); equal(rd(QUAL) & 0x1FF, bits, what); equal(rd(GPA), address, what);
  if (bits & 0x80) equal(rd(LINEAR), address, what);
}

static void violations(void)
{
  u64 rw = target | 6 << 3;
  with_ept(g_touch, 0); violation(0x181, AT + 0x10, "read of nothing");
  with_ept(g_touch, rw | 4); if (rdmsr(0x48C) & 1) violation(0x1A1, AT + 0x10, "read of execute-only"); else equal(run(), 49, "execute-only");
  with_ept(g_touch, rw | 1); violation(0x18A, AT + 0x10, "write to read-only"); equal(rd(LEN) <= 15, 1, "length");
  leaf[0] = rw | 3; invept(1, eptp, 0); violation(0x19C, AT + 0x10, "fetch from a page without X"); equal(rd(RIP), AT + 0x10, "RIP");
  leaf[0] = rw | 7; invept(1, eptp, 0); equal(run(), 18, "all rights");
  with_ept(g_touch, rw | 2); equal(run(), 49, "write-only"); equal(rd(GPA), AT + 0x10, "its address"); equal(rd(QUAL), 0, "its qualification");
  with_ept(g_touch, rw | 6); equal(run(), 49, "write and execute");
  with_ept(g_touch, target | 7 | 2 << 3); equal(run(), 49, "memory type 2");
  with_ept(g_touch, target | 7 | 7 << 3); equal(run(), 49, "memory type 7");
  with_ept(g_touch, rw | 7 | 1ul << 51); equal(run(), 49, "a reserved address bit");
  with_ept(g_touch, rw | 7); u64 *p3 = (u64 *)(ept[0] & ~0xFFFul), *p2 = (u64 *)(p3[3] & ~0xFFFul), was = p2[0];
  p2[0] = was | 8; invept(1, eptp, 0); equal(run(), 49, "a reserved bit of a directory"); p2[0] = was;
  ept[0] |= 0x80; invept(1, eptp, 0); equal(run(), 49, "a large page of level 4"); ept[0] &= ~0x80ul;
  p2[0] = 0x200000 | 0x80 | 6 << 3 | 7 | 1 << 12; invept(1, eptp, 0); equal(run(), 49, "a large page not aligned");
  p2[0] = (target & ~0x1FFFFFul) | 0x80 | 6 << 3 | 1; invept(1, eptp, 0); violation(0x18A, AT + 0x10, "write to a read-only large page"); p2[0] = was;
  /* on the walk of the guest's own tables: bit 8 is clear */
  u64 *table = page(); table[0] = AT | 3; pml4[1] = (u64)table | 3;
  with_ept(g_walk, 0); equal(run(), 48, "a guest's table not mapped"); equal(rd(QUAL) & 0x183, ad ? 0x83 : 0x81, "qualification"); equal(rd(GPA), AT, "address"); equal(rd(LINEAR), 0x8000000010, "linear"); pml4[1] = 0;
}

static u64 flags_of(u64 address)
{
  u64 *p3 = (u64 *)(ept[0] & ~0xFFFul), *p2 = (u64 *)(p3[address >> 30] & ~0xFFFul);
  if (p2[address >> 21 & 511] & 0x80) return p2[address >> 21 & 511] >> 8 & 3;
  return leaf[address >> 12 & 511] >> 8 & 3;
}
static void accessed_dirty(void)
{
  if (!(rdmsr(0x48C) >> 21 & 1)) { with_ept(g_read, target | 6 << 3 | 7); wr(EPTP, eptp | 1 << 6); equal(run(), 0xDEAD0007, "A/D flags not offered"); return; }
  with_ept(g_read, target | 6 << 3 | 7); equal(run(), 18, "off"); equal(flags_of(AT), 0, "no flags");
  eptp |= 1 << 6; ad = 1;
  with_ept(g_read, target | 6 << 3 | 7); equal(run(), 18, "read"); equal(flags_of(AT), 1, "accessed"); equal(flags_of((u64)pml4), 3, "the guest's tables are dirty"); equal(ept[0] >> 8 & 1, 1, "level 4 accessed");
  skip(); equal(run(), 18, "write"); equal(flags_of(AT), 3, "dirty");
  violations();
  if (can(CPU2, 1 << 17)) {
    u64 *log = page();
    with_ept(g_read, target | 6 << 3 | 7); set(CPU2, 1 << 17); wr(PML, log); wr(PML_INDEX, 511);
    u64 *low = (u64 *)(*(u64 *)(ept[0] & ~0xFFFul) & ~0xFFFul); for (int i = 0; i < 512; i++) low[i] |= 0x300;
    equal(run(), 18, "logging, read"); equal(rd(PML_INDEX), 511, "a read is not logged"); skip(); equal(run(), 18, "logging, write"); equal(rd(PML_INDEX), 510, "the index"); equal(log[511], AT, "the address");
    with_ept(g_read, target | 6 << 3 | 7); set(CPU2, 1 << 17); wr(PML, log); wr(PML_INDEX, 0xFFFF); run(); skip(); equal(run(), 62, "full"); equal(flags_of(AT) & 2, 0, "not dirty"); equal(rd(PML_INDEX), 0xFFFF, "the index");
    with_ept(g_read, target | 6 << 3 | 7); set(CPU2, 1 << 17); wr(PML, (u64)log + 8); equal(run(), 0xDEAD0007, "a log not aligned");
  }
  eptp &= ~(1ul << 6); ad = 0;
}

static void pointer_checks(void)
{
  u64 cap = rdmsr(0x48C);
  with_ept(g_read, target | 6 << 3 | 7);
  static const u64 bad[] = {5 << 3 | 6, 3 << 3 | 1, 3 << 3 | 7, 2 << 3 | 6, 3 << 3 | 6 | 1 << 8, 3 << 3 | 6 | 1 << 11, 3 << 3 | 6 | 1ul << 50};
  for (u32 i = 0; i < COUNT(bad); i++) { wr(EPTP, (u64)ept | bad[i]); equal(run(), 0xDEAD0007, "EPTP"); }
  wr(EPTP, eptp); clear(CPU2, 2); if (can(CPU2, 1 << 7)) { set(CPU2, 1 << 7); equal(run(), 0xDEAD0007, "unrestricted without EPT"); clear(CPU2, 1 << 7); }
  set(CPU2, 2);
  equal(invept(1, eptp, 0), cap >> 25 & 1 ? 0 : 0x40, "INVEPT 1"); equal(invept(2, 0, 0), cap >> 26 & 1 ? 0 : 0x40, "INVEPT 2");
  for (u64 t = 0; t < 8; t++) if (t != 1 && t != 2) { equal(invept(t, eptp, 0), 0x40, "INVEPT of another type"); equal(rd(ERROR), 28, "its error"); }
  equal(invept(1, (u64)ept | 3 << 3 | 5, 0), 0x40, "INVEPT with memory type 5"); equal(rd(ERROR), 28, "its error");
  equal(invept(1, (u64)ept | 6, 0), 0x40, "INVEPT with a walk of 1"); equal(rd(ERROR), 28, "its error");
  equal(invept(1, eptp | 1ul << 50, 0), 0x40, "INVEPT beyond the width");
  if (cap >> 32 & 1) {
    for (u64 t = 0; t < 6; t++) {
      int has = t < 4 && cap >> (40 + t) & 1;
      equal(invvpid(t, 1, 0), has ? 0 : 0x40, "INVVPID"); if (!has) equal(rd(ERROR), 28, "its error");
      if (!has) continue;
      equal(invvpid(t, 0, 0), t == 2 ? 0 : 0x40, "INVVPID of VPID 0"); equal(invvpid(t, 0x10001, 0), 0x40, "INVVPID with reserved bits"); equal(rd(ERROR), 28, "its error");
      equal(invvpid(t, 1, 1ul << 63), t == 0 ? 0x40 : 0, "INVVPID with an address not canonical");
    }
    wr(VPID, 0); set(CPU2, 32); equal(run(), 0xDEAD0007, "VPID 0"); wr(VPID, 1); equal(run(), 18, "VPID 1");
  }
}

static void functions(void)
{
  with_ept(g_func, target | 6 << 3 | 7); wr(EXC, 1 << 6);
  equal(run(), 0, "VMFUNC without its control is #UD"); equal(rd(INFO), 0x80000306, "information");
  if (!can(CPU2, 1 << 13) || !(rdmsr(0x491) & 1)) return;
  u64 *list = page(), *first = ept, first_pointer = eptp, mine = target;
  tables(); leaf[0] = target | 6 << 3 | 7; *(u64 *)(target + 0x10) = 0x2222; list[1] = eptp;
  ept = first; target = mine; eptp = first_pointer;
  fresh(g_func); set(CPU2, 2 | 1 << 13); wr(EPTP, eptp); wr(VMFUNCS, 1); wr(EPTP_LIST, list); regs.rcx = 0;
  equal(run(), 18, "EPTP switching"); equal(regs.rax, 0x2222, "the other tables"); equal(rd(EPTP), list[1], "EPTP"); skip();
  equal(run(), 59, "VMFUNC 2"); equal(rd(LEN), 3, "length");
}

static void shadowing(void)
{
  fresh(g_shadow); equal(run(), 23, "VMREAD of a guest"); equal(rd(INSN) >> 3 & 15, 3, "destination"); equal(rd(INSN) >> 28 & 15, 0, "source");
  if (!can(CPU2, 1 << 14)) return;
  u32 *shadow = page(); u8 *reads = page(), *writes = page();
  *shadow = revision; vmclear((u64)shadow); u64 mine; vmptrst(&mine);
  vmptrld((u64)shadow); wr(0x6800, 0x1234); vmclear((u64)shadow); *shadow |= 1u << 31; vmptrld(mine);
  set(CPU2, 1 << 14); wr(VMREAD_BM, reads); wr(VMWRITE_BM, writes); wr(LINK, shadow);
  equal(run(), 18, "VMREAD of the shadow"); equal(regs.rbx, 0x1234, "its value"); skip();
  equal(run(), 18, "VMWRITE of the shadow"); skip(); reads[0x6800 / 8] = 1; regs.rdx = 0x6800; equal(run(), 23, "VMREAD that the bitmap stops");
  equal(vmclear((u64)shadow), 0, "VMCLEAR of a shadow"); equal(vmptrld((u64)shadow), 0, "VMPTRLD of a shadow"); equal(rd(0x6C16), 0x55, "what the guest wrote");
  { u64 f; ASM("stc; vmlaunch; pushf; pop %0" : "=r"(f)::"cc"); equal(f & 0x41, 1, "VMLAUNCH of a shadow"); }
  vmptrld(mine); wr(LINK, mine); *(u32 *)shadow = revision; 
}

void memory(void)
{
  if (!can(CPU, 1u << 31) || !can(CPU2, 2)) return;
  tables(); violations(); accessed_dirty(); pointer_checks(); functions(); shadowing();
}
