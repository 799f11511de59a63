/* Events: injection, vectoring, windows, interrupts, NMIs, debug exceptions, activity; and the guest states that an entry refuses. */
#include "vmx.h"

G(g_nop, "nop; nop; vmcall; nop");
G(g_sti, "sti; nop; nop; vmcall; 1: jmp 1b");
G(g_int3, "int3; vmcall; int $0x80; vmcall; ud2");
G(g_step, "nop; cpuid; nop; mov %ss, %eax; mov %eax, %ss; nop; nop; vmcall");
G(g_mov_ss, "mov %ss, %eax; mov %eax, %ss; vmcall; nop");
G(g_pop_ss_cpuid, "mov %ss, %eax; mov %eax, %ss; cpuid; nop; vmcall");
G(g_de, "xor %ecx, %ecx; div %ecx");
G(g_int, "int $0x55");
G(g_halted, "sti; hlt; nop; vmcall");
G(g_tpr, "mov $1, %eax; mov %rax, %cr8; mov %cr8, %rbx; vmcall");
G(g_mwrite, "mov $0xC0000, %eax; nop; vmcall");

G(g_fault, "mov $0x7F0000000000, %rax; mov (%rax), %rbx");
G(g_iret, "mov %rsp, %rax; push $16; push %rax; pushf; push $8; lea 1f(%rip), %rbx; push %rbx; iretq; 1: nop; nop");
G(g_watch, "mov $0x800100, %eax; mov %ecx, (%rax); nop; vmcall");
G(g_x2apic, "mov $0x808, %ecx; mov $0x20, %eax; xor %edx, %edx; wrmsr; rdmsr; mov %rax, %rbx; mov $0x83F, %ecx; mov $0x70, %eax; wrmsr; sti; nop; vmcall");

static void injection(void)
{
  fresh(g_nop); wr(RFLAGS, 0x202); wr(INJECT, 0x80000030); u32 before = seen[0x30]; equal(run(), 18, "external interrupt injected"); equal(seen[0x30], before + 1, "delivered"); equal(rd(INJECT) >> 31, 0, "valid bit cleared");
  fresh(g_nop); wr(INJECT, 0x80000B0D); wr(INJECT_ERR, 0x18); before = seen[13]; resume_at = (u64)g_nop; equal(run(), 18, "#GP injected"); resume_at = 0; equal(seen[13], before + 1, "delivered"); equal(last_error, 0x18, "error code"); equal(last_rip, (u64)g_nop, "RIP");
  fresh(g_nop); wr(INJECT, 0x80000603); wr(INJECT_LEN, 1); before = seen[3]; equal(run(), 18, "INT3 injected"); equal(seen[3], before + 1, "delivered"); equal(last_rip, (u64)g_nop + 1, "RIP behind it");
  fresh(g_nop); wr(INJECT, 0x80000480); wr(INJECT_LEN, 2); before = seen[0x80]; equal(run(), 18, "INT 0x80 injected"); equal(seen[0x80], before + 1, "delivered"); equal(last_rip, (u64)g_nop + 2, "RIP behind it");
  fresh(g_nop); wr(INJECT, 0x80000202); before = seen[2]; equal(run(), 18, "NMI injected"); equal(seen[2], before + 1, "delivered");
  if (can(CPU, 1 << 27)) { fresh(g_nop); wr(INJECT, 0x80000700); equal(run(), 37, "pending MTF injected"); equal(rd(RIP), (u64)g_nop, "no instruction"); set(CPU, 1 << 27); equal(run(), 37, "MTF"); equal(rd(RIP), (u64)g_nop + 1, "one instruction"); }
  static const u32 bad[] = {0x80000100, 0x80000203, 0x80000320, 0x80000308, 0x80000B06, 0x80000830, 0x80001030, 0x80000701};
  for (u32 i = 0; i < COUNT(bad); i++) { fresh(g_nop); wr(INJECT, bad[i]); equal(run(), 0xDEAD0007, "event information"); }
  fresh(g_nop); wr(INJECT, 0x80000B0D); wr(INJECT_ERR, 0x10000); equal(run(), 0xDEAD0007, "error code of 17 bits");
  fresh(g_nop); wr(INJECT, 0x80000603); wr(INJECT_LEN, 16); equal(run(), 0xDEAD0007, "length 16");
  fresh(g_nop); wr(INJECT, 0x80000030); wr(RFLAGS, 2); wr(ACTIVITY, 2); equal(run(), 0x80000021, "an interrupt into shutdown");
  fresh(g_nop); wr(INJECT, 0x80000030); wr(INTR_STATE, 1); wr(RFLAGS, 0x202); equal(run(), 0x80000021, "an interrupt into blocking by STI");
}

static void vectoring(void)
{
  fresh(g_int3); wr(EXC, 8); equal(run(), 0, "INT3"); equal(rd(INFO), 0x80000603, "information"); equal(rd(LEN), 1, "length"); equal(rd(VECTORING), 0, "no vectoring");
  fresh(g_int3); wr(L_IDTR, 0x2F); wr(EXC, 1 << 13); equal(run(), 0, "INT3 beyond the IDT"); equal(rd(INFO) & 0x80000FFF, 0x80000B0D, "information");
  fresh(g_int); wr(L_IDTR, 0x2FF); wr(EXC, 1 << 13); equal(run(), 0, "INT 0x55 beyond the IDT"); equal(rd(INFO) & 0x80000FFF, 0x80000B0D, "information"); equal(rd(INFO_ERR), 0x55 * 8 + 2, "error code"); equal(rd(VECTORING), 0x80000455, "vectoring"); equal(rd(LEN), 2, "length"); equal(rd(RIP), (u64)g_int, "RIP");
  fresh(g_de); wr(L_IDTR, 0); wr(EXC, 1 << 8); equal(run(), 0, "double fault"); equal(rd(INFO), 0x80000B08, "information"); equal(rd(VECTORING), 0, "no vectoring: the double fault itself exits"); equal(rd(INFO_ERR), 0, "error code");
  fresh(g_de); wr(L_IDTR, 0); equal(run(), 2, "triple fault"); equal(rd(ACTIVITY), 0, "activity");
  fresh(g_nop); wr(INJECT, 0x80000B0E); wr(INJECT_ERR, 2); wr(L_IDTR, 0x2F); wr(EXC, 1 << 13); equal(run(), 0, "an injected #PF that cannot be delivered"); equal(rd(INFO) & 0x80000FFF, 0x80000B0D, "information"); equal(rd(VECTORING), 0x80000B0E, "vectoring"); equal(rd(VECTORING_ERR), 2, "its error code");
}

static void page_fault_filter(void)
{
  
  for (int i = 0; i < 4; i++) {
    fresh(g_fault); wr(EXC, i & 1 ? 1 << 14 : 0); wr(PF_MASK, 1); wr(PF_MATCH, i & 2 ? 1 : 0);
    wr(L_IDTR, 0); /* what is not intercepted ends as a triple fault */
    equal(run(), (i & 1) == !(i & 2) ? 0 : 2, "filter of page faults");
    if ((i & 1) == !(i & 2)) { equal(rd(QUAL), 0x7F0000000000, "address"); equal(rd(INFO_ERR), 0, "error code"); equal(rd(INFO), 0x80000B0E, "information"); }
  }
}

static void windows(void)
{
  fresh(g_sti); set(CPU, 4); equal(run(), 7, "interrupt window"); equal(rd(RIP), (u64)g_sti + 2, "behind the shadow of STI"); equal(rd(INTR_STATE), 0, "no blocking");
  fresh(g_nop); set(CPU, 4); wr(RFLAGS, 0x202); equal(run(), 7, "open at once"); equal(rd(RIP), (u64)g_nop, "no instruction"); wr(INTR_STATE, 1); equal(run(), 7, "blocked by STI"); equal(rd(RIP), (u64)g_nop + 1, "one instruction");
  wr(ACTIVITY, 1); wr(INTR_STATE, 0); equal(run(), 7, "in HLT");
  if (can(PIN, 0x28)) {
    fresh(g_nop); set(PIN, 0x28); set(CPU, 1 << 22); equal(run(), 8, "NMI window"); wr(INTR_STATE, 8); 
    fresh(g_iret); set(PIN, 0x28); set(CPU, 1 << 22); wr(INTR_STATE, 8); equal(run(), 8, "behind IRET"); check(rd(RIP) > (u64)g_iret, "not before"); equal(rd(INTR_STATE) & 8, 0, "no blocking");
    fresh(g_nop); set(PIN, 8); wr(INTR_STATE, 8); *(volatile u32 *)0xFEE00310 = 0; *(volatile u32 *)0xFEE00300 = 0x44400; equal(run(), 18, "a physical NMI in root mode is taken there");
    fresh(g_nop); set(PIN, 0x20); equal(run(), 0xDEAD0007, "virtual NMIs without NMI exiting");
    fresh(g_nop); set(CPU, 1 << 22); equal(run(), 0xDEAD0007, "NMI window without virtual NMIs");
  }
}

static void external(void)
{
  volatile u32 *icr = (volatile u32 *)0xFEE00300;
  fresh(g_sti); set(PIN, 1); *icr = 0x40060; u32 before = seen[0x60]; equal(run(), 1, "external interrupt"); equal(rd(INFO) >> 31, 0, "not acknowledged"); ASM("sti; nop; nop; cli"); equal(seen[0x60], before + 1, "taken behind the exit");
  if (can(EXITC, 1 << 15)) { fresh(g_sti); set(PIN, 1); set(EXITC, 1 << 15); *icr = 0x40061; before = seen[0x61]; equal(run(), 1, "acknowledged"); equal(rd(INFO), 0x80000061, "information"); ASM("sti; nop; nop; cli"); equal(seen[0x61], before, "not again"); *(volatile u32 *)0xFEE000B0 = 0; }
  fresh(g_sti); *icr = 0x40062; before = seen[0x62]; equal(run(), 18, "into the guest"); equal(seen[0x62], before + 1, "delivered there"); equal(*(volatile u32 *)0xFEE00130, 0, "the guest ended it at the local APIC");
  fresh(g_halted); set(PIN, 1); *(volatile u32 *)0xFEE003E0 = 0xB; *(volatile u32 *)0xFEE00320 = 0x63; *(volatile u32 *)0xFEE00380 = 400000; equal(run(), 1, "in HLT"); equal(rd(ACTIVITY), 1, "activity"); equal(rd(RIP), (u64)g_halted + 2, "behind HLT"); ASM("sti; nop; nop; cli");
  fresh(g_halted); *(volatile u32 *)0xFEE00380 = 400000; before = seen[0x63]; equal(run(), 18, "wakes the guest"); equal(seen[0x63], before + 1, "there"); equal(rd(ACTIVITY), 0, "active");
}

static void debug(void)
{
  fresh(g_step); wr(RFLAGS, 0x102); wr(EXC, 2);
  equal(run(), 0, "single step"); equal(rd(INFO), 0x80000301, "information"); equal(rd(QUAL), 0x4000, "BS"); equal(rd(RIP), (u64)g_step + 1, "behind NOP");
  equal(run(), 10, "CPUID exits first"); equal(rd(RIP), (u64)g_step + 1, "RIP"); skip(); wr(PENDING_DBG, 0x4000); equal(run(), 0, "the trap of CPUID"); equal(rd(QUAL), 0x4000, "BS"); equal(rd(RIP), (u64)g_step + 3, "RIP"); wr(PENDING_DBG, 0);
  equal(run(), 0, "NOP"); equal(rd(RIP), (u64)g_step + 4, "RIP"); equal(run(), 0, "MOV from SS"); equal(rd(RIP), (u64)g_step + 6, "RIP"); equal(run(), 0, "MOV SS and what follows"); equal(rd(RIP), (u64)g_step + 9, "RIP"); equal(rd(QUAL), 0x4000, "BS"); equal(run(), 0, "NOP"); equal(rd(RIP), (u64)g_step + 10, "RIP");
  fresh(g_mov_ss); wr(RFLAGS, 0x102); wr(EXC, 2); equal(run(), 0, "step"); equal(run(), 18, "VMCALL behind MOV SS"); equal(rd(INTR_STATE), 2, "blocking by MOV SS"); equal(rd(PENDING_DBG), 0x4000, "pending BS");
  skip(); wr(INTR_STATE, 0); equal(run(), 0, "the pending trap"); equal(rd(RIP), (u64)g_mov_ss + 7, "before the next instruction"); equal(rd(QUAL), 0x4000, "BS"); equal(rd(PENDING_DBG), 0, "nothing pending");
  fresh(g_nop); wr(RFLAGS, 0x102); wr(INTR_STATE, 1); equal(run(), 0x80000021, "STI blocking, IF clear"); wr(RFLAGS, 0x302); equal(run(), 0x80000021, "STI blocking with TF wants BS"); wr(PENDING_DBG, 0x4000); wr(EXC, 2); equal(run(), 0, "with it");
  fresh(g_nop); wr(INTR_STATE, 2); wr(PENDING_DBG, 0x4000); equal(run(), 0x80000021, "BS without TF");
  fresh(g_nop); wr(INTR_STATE, 3); wr(RFLAGS, 0x202); equal(run(), 0x80000021, "both"); wr(INTR_STATE, 0x20); equal(run(), 0x80000021, "reserved");
  /* breakpoints of data and code */
  
  fresh(g_watch); u64 d0 = 0x800100; ASM("mov %0, %%dr0" ::"r"(d0)); set(ENTRYC, 4); wr(DR7, 0x400 | 1 | 13 << 16); wr(EXC, 2); equal(run(), 0, "data breakpoint"); equal(rd(QUAL), 1, "B0"); equal(rd(RIP), (u64)g_watch + 7, "behind it");
  { u64 d7; ASM("mov %%dr7, %0" : "=r"(d7)); equal(d7, 0x400, "DR7 of the host"); }
  d0 = (u64)g_watch + 7; ASM("mov %0, %%dr0" ::"r"(d0)); fresh(g_watch); set(ENTRYC, 4); wr(DR7, 0x400 | 1); wr(EXC, 2); equal(run(), 0, "code breakpoint"); equal(rd(QUAL), 1, "B0"); equal(rd(RIP), d0, "before it"); wr(RFLAGS, rd(RFLAGS) | 0x10000); equal(run(), 18, "RF");
}

static void task_priority(void)
{
  if (!can(CPU, 1 << 21)) return;
  u32 *apic = page();
  fresh(g_tpr); set(CPU, 1 << 21); wr(VAPIC, apic); wr(TPR_THRESHOLD, 0); equal(run(), 18, "above the threshold"); equal(regs.rbx, 1, "CR8"); equal(apic[0x20], 0x10, "VTPR");
  fresh(g_tpr); set(CPU, 1 << 21); apic[0x20] = 0x50; wr(VAPIC, apic); wr(TPR_THRESHOLD, 3); equal(run(), 43, "below the threshold"); equal(rd(RIP), (u64)g_tpr + 9, "behind it");
  fresh(g_tpr); set(CPU, 1 << 21); wr(VAPIC, apic); wr(TPR_THRESHOLD, 0x10); equal(run(), 0xDEAD0007, "bits 31:4"); wr(TPR_THRESHOLD, 5); equal(run(), 0xDEAD0007, "above VTPR"); wr(VAPIC, (u64)apic + 4); wr(TPR_THRESHOLD, 0); equal(run(), 0xDEAD0007, "not aligned");
  if (!can(CPU2, 1 << 4 | 1 << 8 | 1 << 9)) return;
  
  fresh(g_x2apic); for (int i = 0; i < 1024; i++) apic[i] = 0; set(CPU, 1 << 21 | 1 << 28); set(PIN, 1); set(CPU2, 1 << 4 | 1 << 8 | 1 << 9); wr(MSR_BITMAP, page()); wr(VAPIC, apic);
  u32 before = seen[0x70]; equal(run(), 18, "virtualized x2APIC"); equal(regs.rbx, 0x20, "TPR"); equal(seen[0x70], before + 1, "self IPI"); equal(rd(INT_STATUS), 0x7000, "in service");
  if (!can(PIN, 1 << 7)) return;
  u64 *posted = page(); posted[0x71 / 64] |= 1ul << (0x71 % 64); posted[4] = 1;
  fresh(g_sti); for (int i = 0; i < 1024; i++) apic[i] = 0; set(CPU, 1 << 21); set(PIN, 1 | 1 << 7); set(EXITC, 1 << 15); set(CPU2, 1 << 8 | 1 << 9); wr(VAPIC, apic); wr(PI_DESC, posted); wr(PI_VECTOR, 0xF2);
  before = seen[0x71]; *(volatile u32 *)0xFEE00300 = 0x400F2; equal(run(), 18, "posted interrupt"); equal(seen[0x71], before + 1, "delivered"); equal(posted[0x71 / 64], 0, "taken from the descriptor"); equal(posted[4] & 1, 0, "ON cleared");
}

void events(void) { injection(); vectoring(); page_fault_filter(); windows(); external(); debug(); task_priority(); }

void states(void)
{
  static const struct { u32 field; u64 value; } bad[] = {
    {G_CR0, 0x80000001}, {G_CR0, 0x80000020}, {G_CR4, 0x20}, {G_CR4, 1ul << 31 | 0x2020}, {G_CR3, 1ul << 60}, {DR7, 1ul << 32}, {ES, 0x13 | 4}, {TR, 4}, {TR, 24 | 4}, {AR_CS, 0xA093}, {AR_CS, 0xE09B}, {AR_CS, 0xA01B}, 
    {AR_SS, 0xC09B}, {AR_SS, 0xC0F3}, {AR_TR, 0x89}, {AR_TR, 0x10089}, {B_TR, 1ul << 63}, {B_GDTR, 1ul << 63}, {L_GDTR, 0x10000}, {L_IDTR, 0x10000}, {RIP, 1ul << 63}, {RFLAGS, 0x20002}, {RFLAGS, 0x8002}, {ACTIVITY, 4}, {INTR_STATE, 4},
    {PENDING_DBG, 0x10}, {G_EFER, 0}, {G_DEBUGCTL, 4 << 1},
  };
  for (u32 i = 0; i < COUNT(bad); i++) {
    fresh(g_nop); if (bad[i].field == G_DEBUGCTL || bad[i].field == DR7) set(ENTRYC, 4);
    wr(bad[i].field, bad[i].value); u32 r = run(); equal(r, 0x80000021, "guest state"); if (r != 0x80000021) { say("  field "); hex(bad[i].field); say(" "); hex(bad[i].value); say("\n"); } else equal(rd(QUAL), 0, "qualification");
  }
  static const struct { u32 field; u64 value; } host[] = {
    {H_CR0, 0}, {H_CR4, 0x20}, {H_CR3, 1ul << 60}, {H_CS, 9}, {H_TR, 0}, {H_SS, 0x14}, {H_B_TR, 1ul << 63}, {H_B_GDTR, 1ul << 63}, {H_B_IDTR, 1ul << 63}, {H_RIP, 1ul << 63}, {H_EFER, 0}, {0x6C06, 1ul << 63}, {0x6C10, 1ul << 63},
  };
  for (u32 i = 0; i < COUNT(host); i++) { fresh(g_nop); wr(host[i].field, host[i].value); u32 r = run(); equal(r, 0xDEAD0008, "host state"); if (r != 0xDEAD0008) { say("  field "); hex(host[i].field); say("\n"); } }
}
