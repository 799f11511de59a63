/* Guests in other modes: at CPL 3 (SDM, "Relative Priority of Faults and VM Exits"), 32-bit, PAE, real; task switches; events that meet EPT. */
#include "vmx.h"

#define LOW 0x7000ul /* for code that needs an address of 16 bits */
#define CODE(name, bits, text) extern u8 name[], name##_end[]; __asm__(#name ": .code" #bits "\n" text "\n .code64\n" #name "_end:\n")

CODE(u_exits, 64, "cpuid; vmcall; rdtsc; pause; vmread %rax, %rbx; sgdt 0x800000; str %eax; in $0x61, %al; rdtscp; rdrand %eax; vmlaunch; invept 0x800000, %rax");
CODE(p32, 32, "mov $0x12345678, %eax; push %eax; pop %ebx; vmcall; cpuid; mov %cr3, %ecx; int3; ljmp $0x18, $0; int $0x21; lcall $0x18, $0");
CODE(pae, 32, "mov $0xC0000010, %ebx; mov (%ebx), %eax; vmcall");
CODE(r16, 16, "mov $0x1234, %ax; mov %cs, %bx; vmcall; int $0x21; vmcall; xor %cx, %cx; div %cx; ds mov 0xFFFF, %ax; mov %cr0, %eax; or $1, %al; mov %eax, %cr0; ljmp $8, $0x7060");
CODE(r16_handler, 16, "mov $0x77, %dx; iret");
CODE(r16_far, 16, "mov $16, %ax; mov %ax, %ds; vmcall");

static void faults(const char *what)
{
  equal(run(), 0, what); equal(rd(INFO), 0x80000B0D, what); equal(rd(INFO_ERR), 0, what);
}
static void user(void (*guest)(void))
{
  fresh(guest); wr(EXC, 1 << 13 | 1 << 6);
  wr(CS, 0x2B); wr(AR_CS, 0xA0FB);
  for (int i = 0; i < 6; i++) if (i != 1) { wr(ES + 2 * i, 0x33); wr(AR_ES + 2 * i, 0xC0F3); }
}
static void exits_here(void *at, u32 reason, const char *what) { wr(RIP, at); equal(run(), reason, what); equal(rd(RIP), (u64)at, what); }

/* Faults of the privilege level come before VM exits; what any level may execute, and VMX instructions, exit. */
#define FAULTING(x) x(hlt, "hlt") x(rdmsr, "rdmsr") x(invlpg, "invlpg (%rax)") x(cr0, "mov %rax, %cr0") x(cr3, "mov %cr3, %rax") x(dr7, "mov %dr7, %rax") x(wbinvd, "wbinvd") x(invd, "invd") \
  x(lidt, "lidt 0x800000") x(lldt, "lldt %ax") x(clts, "clts") x(in, "in $0x61, %al") x(cli, "cli") x(rdpmc, "rdpmc") x(xsetbv, "xsetbv") x(lmsw, "lmsw %ax") x(invpcid, "invpcid 0x800000, %rax") x(ltr, "ltr %ax")
#define DECLARE(n, text) G(u_##n, text);
FAULTING(DECLARE)
#define ROW(n, text) {u_##n, text},
static void privilege(void)
{
  static const struct { void (*code)(void); const char *text; } faulting[] = { FAULTING(ROW) };
  u32 second = 0, r[4];
  cpuid(1, 0, r);
  ((u16 *)tss)[51] = 104; /* no I/O permission bitmap */
  for (u32 i = 0; i < 17; i++) if (1u << i & (1 << 2 | 1 << 3 | 1 << 6 | 1 << 11 | 1 << 12 | 1 << 16) && can(CPU2, 1u << i)) second |= 1u << i;
  for (u32 i = 0; i < COUNT(faulting); i++) {
    if (faulting[i].code == u_xsetbv && !(r[2] >> 26 & 1)) continue;
    if (faulting[i].code == u_invpcid && !(second & 1 << 12)) continue;
    user(faulting[i].code); set(CPU, 1 << 7 | 1 << 9 | 1 << 11 | 1 << 15 | 1 << 16 | 1 << 23 | 1 << 24); set(CPU2, second);
    if (faulting[i].code == u_xsetbv) wr(G_CR4, rd(G_CR4) | 1 << 18);
    faults(faulting[i].text);
  }
  user((void *)u_exits); set(CPU, 1 << 12 | 1 << 24 | 1 << 30); set(CPU2, second);
  u8 *at = u_exits;
  exits_here(at, 10, "CPUID at CPL 3"); exits_here(at + 2, 18, "VMCALL at CPL 3"); exits_here(at + 5, 16, "RDTSC at CPL 3"); exits_here(at + 7, 40, "PAUSE at CPL 3"); exits_here(at + 9, 23, "VMREAD at CPL 3");
  if (second & 4) { exits_here(at + 12, 46, "SGDT at CPL 3"); exits_here(at + 20, 47, "STR at CPL 3"); }
  wr(RFLAGS, 0x3002); exits_here(at + 23, 30, "IN with IOPL 3"); wr(RFLAGS, 2);
  if (second & 8) exits_here(at + 25, 51, "RDTSCP at CPL 3");
  if (second & 1 << 11) exits_here(at + 28, 57, "RDRAND at CPL 3");
  exits_here(at + 31, 20, "VMLAUNCH at CPL 3"); exits_here(at + 34, 50, "INVEPT at CPL 3");
  wr(G_CR4, rd(G_CR4) | 4); wr(RIP, at + 5); faults("RDTSC with CR4.TSD");
  cpuid(7, 0, r);
  if (second & 4 && r[2] >> 2 & 1) { wr(G_CR4, rd(G_CR4) | 1 << 11); wr(RIP, at + 12); faults("SGDT with CR4.UMIP"); wr(RIP, at + 20); equal(run(), 0, "STR with CR4.UMIP"); }
  if (r[1] >> 7 & 1) {
    fresh((void *)u_exits); wr(EXC, 1 << 14); wr(G_CR4, rd(G_CR4) | 1 << 20); equal(run(), 0, "SMEP"); equal(rd(INFO), 0x80000B0E, "#PF"); equal(rd(INFO_ERR), 0x11, "a fetch from a user page"); equal(rd(QUAL), (u64)u_exits, "its address");
  }
}

static u32 *directory; /* of 4-MByte pages */
static u64 *gdt32;
static void flat(void *code, u32 cr4)
{
  fresh(code); clear(ENTRYC, 1 << 9); wr(G_EFER, rdmsr(0xC0000080) & ~0x500ul);
  wr(G_CR4, (rcr4() & ~0x20ul) | cr4); wr(AR_CS, 0xC09B); wr(B_GDTR, gdt32); wr(L_GDTR, 0xFFFF); wr(TR, 0x20);
}

static void task_switch(u32 source, u32 length, const char *what)
{
  equal(run(), 9, what); equal(rd(QUAL), (u64)source << 30 | 0x18, what); equal(rd(LEN), length, what); skip();
}
static void protected_mode(void)
{
  u64 *idt = page();
  directory = page(); gdt32 = page();
  for (u32 i = 0; i < 1024; i++) directory[i] = i << 22 | 0x87;
  gdt32[1] = 0x00CF9B000000FFFF; gdt32[2] = 0x00CF93000000FFFF; gdt32[3] = 0x0000890000000067 | ((u64)page() & 0xFFFFFF) << 16; gdt32[4] = 0x00008B0000000067;
  idt[0x21] = (u64)0x18 << 16 | 0x85ul << 40; idt[3] = 0;
  flat(p32, 0x10); wr(G_CR3, directory); wr(EXC, 8); wr(B_IDTR, idt); wr(L_IDTR, 0x7FF);
  equal(run(), 18, "32-bit guest"); equal((u32)regs.rbx, 0x12345678, "its stack"); equal(rd(LEN), 3, "length"); skip();
  equal(run(), 10, "CPUID"); skip(); equal(run(), 0, "INT3"); equal(rd(INFO), 0x80000603, "information"); equal((u32)regs.rcx, (u64)directory, "CR3"); skip();
  task_switch(2, 7, "JMP to a TSS"); equal(rd(VECTORING), 0, "no vectoring");
  task_switch(3, 2, "a task gate"); equal(rd(VECTORING), 0x80000421, "INT 0x21");
  task_switch(0, 7, "CALL of a TSS");
  /* IA-32e mode belongs to the entry control, EFER and CR4.PAE */
  flat(p32, 0x10); wr(G_CR3, directory); set(ENTRYC, 1 << 9); wr(G_EFER, rdmsr(0xC0000080)); equal(run(), 0x80000021, "IA-32e mode without PAE");
  flat(p32, 0x10); wr(G_CR3, directory); wr(RIP, 1ul << 32 | (u64)p32); equal(run(), 0x80000021, "RIP of more than 32 bits");
}

static void pae_paging(void)
{
  u64 *p3 = page();
  for (u64 i = 0; i < 4; i++) p3[i] = ((u64)page_directories + i * 4096) | 1;
  flat(pae, 0x20); wr(G_CR3, p3); wr(EXC, 1 << 14); equal(run(), 18, "PAE paging");
  p3[1] |= 6; flat(pae, 0x20); wr(G_CR3, p3); equal(run(), 0x80000021, "a reserved bit of a PDPTE"); equal(rd(QUAL), 2, "qualification"); p3[1] &= ~6ul;
  if (!can(CPU2, 2)) return;
  with_ept((void *)pae, 0);
  flat(pae, 0x20); set(CPU2, 2); wr(EPTP, eptp); wr(G_CR3, p3); for (int i = 0; i < 4; i++) wr(0x280A + 2 * i, p3[i]);
  equal(run(), 48, "PAE paging with EPT"); equal(rd(GPA), 0xC0000010, "address"); equal(rd(QUAL) & 0x1FF, 0x181, "qualification");
  wr(0x2810, 0); wr(EXC, 1 << 14); equal(run(), 0, "the VMCS has the PDPTEs"); equal(rd(INFO_ERR), 0, "not present"); equal(rd(QUAL), 0xC0000010, "CR2");
  wr(0x280C, p3[1] | 0x20); equal(run(), 0x80000021, "a reserved bit of a PDPTE of the VMCS"); equal(rd(QUAL), 2, "qualification");
}

static void real_mode(void)
{
  flat((void *)LOW, 0x10); wr(G_CR0, rd(G_CR0) & ~0x80000001ul); equal(run(), 0x80000021, "real mode of a guest that is not unrestricted");
  if (!can(CPU2, 1 << 7)) return;
  u16 *ivt = page();
  for (u8 *p = r16; p < r16_end; p++) ((u8 *)LOW)[p - r16] = *p;
  for (u8 *p = r16_far; p < r16_far_end; p++) ((u8 *)LOW)[0x60 + p - r16_far] = *p;
  for (u8 *p = r16_handler; p < r16_handler_end; p++) ((u8 *)LOW)[0x100 + p - r16_handler] = *p;
  ivt[2 * 0x21] = 0x0100; ivt[2 * 0x21 + 1] = LOW >> 4;
  flat(0, 0x10); set(CPU2, 2 | 1 << 7); wr(EPTP, eptp); wr(G_CR0, rd(G_CR0) & ~0x80000001ul); wr(RSP, 0x800); wr(B_IDTR, ivt); wr(L_IDTR, 0x3FF); wr(EXC, 1 | 1 << 13);
  for (int i = 0; i < 6; i++) { wr(ES + 2 * i, LOW >> 4); wr(0x6806 + 2 * i, LOW); wr(L_ES + 2 * i, 0xFFFF); wr(AR_ES + 2 * i, i == 1 ? 0x9B : 0x93); }
  gdt32[1] = 0x00009B000000FFFF; 
  equal(run(), 18, "real mode"); equal((u16)regs.rax, 0x1234, "AX"); equal((u16)regs.rbx, LOW >> 4, "CS"); equal(rd(RIP), 5, "IP"); skip();
  equal(run(), 18, "INT 0x21"); equal((u16)regs.rdx, 0x77, "its handler"); equal(rd(RSP), 0x800, "IRET"); skip();
  equal(run(), 0, "division by 0"); equal(rd(INFO), 0x80000300, "information"); wr(RIP, rd(RIP) + 2);
  equal(run(), 0, "a word at the end of the segment"); equal(rd(INFO), 0x8000030D, "no error code in real mode"); wr(RIP, rd(RIP) + 3);
  wr(L_ES + 6, 0xFFFF); equal(run(), 18, "protected mode"); equal(rd(G_CR0) & 1, 1, "PE"); equal(rd(CS), 8, "CS"); equal(rd(0x6808), 0, "its base"); equal(rd(AR_CS) & 0xF09F, 0x9B, "its rights"); equal(rd(DS), 16, "DS"); equal(rd(0x680C), 0, "its base");
}

G(g_nothing, "nop; vmcall");
static void delivery(void)
{
  with_ept(g_nothing, 0); wr(B_IDTR, 0xC0000000); wr(INJECT, 0x80000030); wr(RFLAGS, 0x202);
  equal(run(), 48, "an interrupt whose gate EPT does not map"); equal(rd(VECTORING), 0x80000030, "vectoring"); equal(rd(GPA), 0xC0000300, "the gate"); equal(rd(RIP), (u64)g_nothing, "RIP");
  with_ept(g_nothing, 0); wr(B_IDTR, 0xC0000000); wr(INJECT, 0x80000B0D); wr(INJECT_ERR, 0x18);
  equal(run(), 48, "an exception"); equal(rd(VECTORING), 0x80000B0D, "vectoring"); equal(rd(VECTORING_ERR), 0x18, "error code");
  with_ept(g_nothing, 0); wr(B_IDTR, 0xC0000000); wr(INJECT, 0x80000480); wr(INJECT_LEN, 2);
  equal(run(), 48, "INT n"); equal(rd(VECTORING), 0x80000480, "vectoring"); equal(rd(LEN), 2, "length");
  with_ept(g_nothing, 0); wr(B_IDTR, 0xC0000000); wr(EXC, 1 << 14); wr(INJECT, 0x80000202); if (can(PIN, 0x28)) set(PIN, 0x28);
  equal(run(), 48, "an NMI"); equal(rd(VECTORING), 0x80000202, "vectoring"); 
  with_ept(g_nothing, 0); wr(RSP, 0xC0000800); wr(INJECT, 0x80000030); wr(RFLAGS, 0x202);
  equal(run(), 48, "a stack that EPT does not map"); equal(rd(VECTORING), 0x80000030, "vectoring"); equal(rd(QUAL) & 0x3F, 2, "a write"); equal(rd(GPA) & ~0xFFFul, 0xC0000000, "the stack");
}

void modes(void) { privilege(); protected_mode(); if (can(CPU, 1u << 31) && can(CPU2, 2)) { tables(); pae_paging(); real_mode(); delivery(); } }
