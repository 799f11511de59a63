/* APIC virtualization (SDM, "APIC Virtualization and Virtual Interrupts"), NMIs and INIT signals in a guest. */
#include "vmx.h"

#define PAGE_AT 0xC0001000ul /* where the guest finds its local APIC: the second page of the table at 0xC0000000 */
G(g_id, "mov $0xC0001020, %edi; mov (%rdi), %eax; vmcall");
G(g_icr, "mov $0xC0001300, %edi; movl $0x4055, (%rdi); nop; vmcall");
G(g_priority, "mov $0xC0001080, %edi; movl $0x40, (%rdi); mov (%rdi), %ebx; mov %cr8, %rdx; vmcall");
G(g_below, "mov $0xC0001080, %edi; movl $0x20, (%rdi); nop; vmcall");
G(g_jump, "mov $0xC0001300, %eax; call *%rax");
G(g_eoi, "mov $0x80B, %ecx; xor %eax, %eax; xor %edx, %edx; wrmsr; nop; vmcall");
G(g_eoi_page, "mov $0xC00010B0, %edi; movl $0, (%rdi); nop; vmcall");
G(g_nmi, "mov $0xFEE00310, %edi; movl $0, (%rdi); mov $0xFEE00300, %edi; movl $0x4400, (%rdi); nop; nop; vmcall; nop; vmcall");
G(g_wait, "nop; vmcall");
G(g_loop, "1: pause; jmp 1b");

static u32 *registers, *access;
static void guest(void (*code)(void), u32 second)
{
  with_ept(code, 0);
  u64 *p3 = (u64 *)((*(u64 *)(eptp & ~0xFFFul)) & ~0xFFFul), *p2 = (u64 *)(p3[3] & ~0xFFFul), *leaf = (u64 *)(p2[0] & ~0xFFFul);
  leaf[1] = (u64)access | 6 << 3 | 7; p2[0x1F7] = 0xFEE00087; invept(1, eptp, 0);
  for (int i = 0; i < 1024; i++) registers[i] = 0;
  set(CPU, 1 << 21); set(CPU2, second); wr(VAPIC, registers); wr(APIC_ACCESS, access);
}
static void access_exit(u64 qualification, const char *what) { equal(run(), 44, what); equal(rd(QUAL) & 0xFFFF, qualification, what); }

static void apic_page(void)
{
  registers = page(); access = page();
  if (!can(CPU, 1 << 21) || !can(CPU2, 3)) return;
  guest(g_id, 1); access_exit(0x20, "a read of the APIC-access page"); equal(rd(RIP), (u64)g_id + 5, "its RIP");
  guest(g_icr, 1); access_exit(0x1300, "a write"); equal(access[0xC0], 0, "nothing is written");
  guest(g_jump, 1); access_exit(0x2300, "a fetch"); equal(rd(RIP), PAGE_AT + 0x300, "its RIP");
  guest(g_priority, 1); equal(run(), 18, "TPR"); equal((u32)regs.rbx, 0x40, "its value"); equal(regs.rdx, 4, "CR8"); equal(registers[0x20], 0x40, "VTPR"); equal(access[0x20], 0, "the page itself");
  guest(g_below, 1); registers[0x20] = 0x50; wr(TPR_THRESHOLD, 3); equal(run(), 43, "below the threshold"); equal(rd(RIP), (u64)g_below + 11, "behind the write");
  guest(g_id, 1); wr(APIC_ACCESS, (u64)access + 8); equal(run(), 0xDEAD0007, "an APIC-access page not aligned");
  guest(g_icr, 1); wr(B_IDTR, PAGE_AT); wr(INJECT, 0x80000030); wr(RFLAGS, 0x202); equal(run(), 44, "a gate in the page"); equal(rd(QUAL) >> 12 & 15, 3, "during event delivery"); equal(rd(VECTORING), 0x80000030, "vectoring");
  if (can(CPU2, 1 << 4)) { guest(g_id, 1 | 1 << 4); equal(run(), 0xDEAD0007, "x2APIC mode and APIC accesses"); }
  if (!can(CPU2, 1 << 8)) return;
  guest(g_id, 1 | 1 << 8); registers[8] = 0x7000000; equal(run(), 18, "APIC-register virtualization"); equal((u32)regs.rax, 0x7000000, "the ID");
  guest(g_icr, 1 | 1 << 8); equal(run(), 56, "APIC write"); equal(rd(QUAL), 0x300, "the register"); equal(registers[0xC0], 0x4055, "its value"); equal(rd(RIP), (u64)g_icr + 11, "behind the write");
  guest(g_id, 1 << 8); clear(CPU, 1 << 21); equal(run(), 0xDEAD0007, "without TPR shadow");
  if (!can(CPU2, 1 << 9)) return;
  for (int exits = 0; exits < 2; exits++) {
    guest(g_eoi_page, 1 | 1 << 8 | 1 << 9); set(PIN, 1); wr(INT_STATUS, 0x7000); registers[0x40 + 3 * 4] = 1 << (0x70 - 0x60); registers[0x40 + 2 * 4] = 1 << 1;
    if (exits) wr(EOI_EXIT + 2, 1ul << (0x70 - 0x40));
    equal(run(), exits ? 45 : 18, "EOI"); if (exits) equal(rd(QUAL), 0x70, "the vector"); equal(rd(INT_STATUS) >> 8, 0x41, "SVI"); equal(registers[0x40 + 3 * 4], 0, "VISR"); equal(registers[0x28], 0x40, "VPPR");
    if (exits) equal(rd(RIP), (u64)g_eoi_page + 11, "behind the write");
  }
  guest(g_wait, 1 << 9); equal(run(), 0xDEAD0007, "virtual interrupts without external-interrupt exiting");
  guest(g_wait, 1 << 9); set(PIN, 1); wr(INT_STATUS, 0x55); registers[0x80 + 2 * 4] = 1 << (0x55 - 0x40); wr(RFLAGS, 0x202); u32 before = seen[0x55];
  equal(run(), 18, "a virtual interrupt at entry"); equal(seen[0x55], before + 1, "delivered"); equal(rd(INT_STATUS), 0x5500, "in service"); equal(registers[0x80 + 2 * 4], 0, "VIRR"); equal(registers[0x40 + 2 * 4], 1 << (0x55 - 0x40), "VISR");
  guest(g_wait, 1 << 9); set(PIN, 1); wr(INT_STATUS, 0x55); registers[0x80 + 2 * 4] = 1 << (0x55 - 0x40); registers[0x20] = 0x60; wr(RFLAGS, 0x202); before = seen[0x55];
  equal(run(), 18, "one below VTPR"); equal(seen[0x55], before, "it waits"); equal(rd(INT_STATUS), 0x55, "requested"); equal(registers[0x28], 0x60, "VPPR");
  guest(g_wait, 1 << 9); set(PIN, 1); set(CPU, 4); wr(INT_STATUS, 0x55); registers[0x80 + 2 * 4] = 1 << (0x55 - 0x40); wr(RFLAGS, 0x202);
  equal(run(), 7, "the interrupt window comes before it");
}

static void x2apic(void)
{
  if (!can(CPU2, 1 << 4 | 1 << 8 | 1 << 9)) return;
  for (int exits = 0; exits < 2; exits++) {
    guest(g_eoi, 1 << 4 | 1 << 8 | 1 << 9); set(PIN, 1); set(CPU, 1 << 28); wr(MSR_BITMAP, page()); wr(INT_STATUS, 0x7000); registers[0x40 + 3 * 4] = 1 << (0x70 - 0x60);
    if (exits) wr(EOI_EXIT + 2, 1ul << (0x70 - 0x40));
    equal(run(), exits ? 45 : 18, "EOI by MSR"); if (exits) { equal(rd(QUAL), 0x70, "the vector"); equal(rd(RIP), (u64)g_eoi + 11, "behind WRMSR"); } equal(rd(INT_STATUS), 0, "nothing in service");
  }
  guest(g_eoi, 1 << 4 | 1 << 8 | 1 << 9); set(PIN, 1); equal(run(), 32, "without bitmaps every MSR exits");
}

static void nmis(void)
{
  u32 before = seen[2], r[4];
  cpuid(1, 0, r); int under_kvm = r[2] >> 31; /* which takes blocking of NMIs from L1's own VMCS */
  if (can(PIN, 8)) {
    fresh(g_nmi); set(PIN, 8); equal(run(), 0, "NMI exiting"); equal(rd(INFO) & ~0x1000ul, 0x80000202, "information"); equal(rd(RIP), (u64)g_nmi + 22, "RIP"); equal(seen[2], before, "no handler ran");
    { u64 sp; ASM("mov %%rsp, %0; push $16; push %0; pushf; push $8; lea 1f(%%rip), %0; push %0; iretq; 1:" : "=&r"(sp)::"memory"); }
    *(volatile u32 *)0xFEE00310 = 0; *(volatile u32 *)0xFEE00300 = 0x4400; equal(seen[2], before + 1, "IRET ends the blocking that the exit began");
  }
  fresh(g_nmi); before = seen[2]; equal(run(), 18, "an NMI that the guest takes"); equal(seen[2], before + 1, "its handler"); equal(rd(INTR_STATE) & 8, 0, "IRET has ended the blocking");
  fresh(g_nmi); wr(INTR_STATE, 8); equal(run(), 18, "NMIs are blocked"); equal(rd(INTR_STATE) & 8, 8, "still"); if (!under_kvm) equal(seen[2], before + 1, "also behind the exit");
  { u64 sp; ASM("mov %%rsp, %0; push $16; push %0; pushf; push $8; lea 1f(%%rip), %0; push %0; iretq; 1:" : "=&r"(sp)::"memory"); }
  ASM("nop"); equal(seen[2], before + 2, "it is taken when they are not");
  if (!can(PIN, 0x28)) return;
  fresh(g_wait); set(PIN, 0x28); wr(INJECT, 0x80000202); wr(RIP, g_wait); before = seen[2]; equal(run(), 18, "a virtual NMI"); equal(seen[2], before + 1, "its handler"); equal(rd(INTR_STATE) & 8, 0, "its IRET");
}

static void init_signal(void)
{
  u32 r[4]; cpuid(1, 0, r);
  *(volatile u32 *)0xFEE00310 = r[1] & 0xFF000000; *(volatile u32 *)0xFEE00300 = 0x4500;
  fresh(g_wait); equal(run(), 3, "INIT, blocked until the guest runs"); equal(rd(RIP), (u64)g_wait, "before its first instruction"); equal(rd(QUAL), 0, "qualification"); equal(run(), 18, "it came once");
}

static void pause_loops(void)
{
  if (!can(CPU2, 1 << 10)) return;
  fresh(g_loop); set(CPU2, 1 << 10); wr(0x4020, 1000); wr(0x4022, 5000);
  u64 start = rdtsc(); equal(run(), 40, "a loop of PAUSE"); check(rdtsc() - start >= 5000, "not before the window ends"); equal(rd(RIP), (u64)g_loop, "at a PAUSE");
}

void apic(void) { if (can(CPU, 1u << 31) && can(CPU2, 2)) { tables(); apic_page(); x2apic(); } nmis(); init_signal(); pause_loops(); }
