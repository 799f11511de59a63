/* Controls one by one: what the guest gets without them and with them; what an exit gives the host. */
#include "vmx.h"

G(g_cr3, "mov %cr3, %rax; mov %rax, %cr3; mov %rax, %cr3; vmcall");
G(g_rdtscp, "rdtscp; vmcall");
G(g_invpcid, "invpcid 0x800000, %rax; vmcall");
G(g_xsaves, "xsaves 0x800000; xrstors 0x800000; vmcall");
G(g_vmxe, "mov %cr4, %rax; btr $13, %rax; mov %rax, %cr4; vmcall");
G(g_ne, "mov %cr0, %rax; btr $5, %rax; mov %rax, %cr0; vmcall");
G(g_dr7, "mov $0x401, %eax; mov %rax, %dr7; vmcall");
G(g_efer, "mov $0xC0000080, %ecx; rdmsr; xor $1, %eax; wrmsr; vmcall");
G(g_tsc, "rdtsc; shl $32, %rdx; or %rdx, %rax; mov %rax, %rbx; mov $0x10, %ecx; rdmsr; shl $32, %rdx; or %rdx, %rax; mov %rax, %rcx; vmcall");
G(g_func, "mov $64, %eax; vmfunc; nop; vmcall");
G(g_end, "vmcall");
G(g_hlt, "hlt; vmcall");
G(g_umwait, "xor %eax, %eax; xor %edx, %edx; tpause %ecx; vmcall");
G(g_getsec, "getsec; vmcall");
G(g_rsm, "rsm; vmcall");

static void undefined(void (*guest)(void), const char *what)
{
  fresh(guest); wr(EXC, 1 << 6); equal(run(), 0, what); equal(rd(INFO), 0x80000306, what); equal(rd(RIP), (u64)guest, what);
}
static void enables(void)
{
  u32 r[4];
  cpuid(0x80000001, 0, r);
  if (r[3] >> 27 & 1) {
    undefined(g_rdtscp, "RDTSCP without its control is #UD");
    if (can(CPU2, 8)) { fresh(g_rdtscp); set(CPU2, 8); wrmsr(0xC0000103, 0x77); equal(run(), 18, "RDTSCP"); equal((u32)regs.rcx, 0x77, "IA32_TSC_AUX"); }
  }
  cpuid(7, 0, r);
  if (r[1] >> 10 & 1) {
    undefined(g_invpcid, "INVPCID without its control is #UD");
    if (can(CPU2, 1 << 12)) { fresh(g_invpcid); set(CPU2, 1 << 12); regs.rax = 2; *(u64 *)0x800000 = 0; *(u64 *)0x800008 = 0; equal(run(), 18, "INVPCID exits with INVLPG exiting only"); }
  }
  if (r[2] >> 5 & 1) undefined(g_umwait, "TPAUSE without its control is #UD");
  undefined(g_getsec, "GETSEC without CR4.SMXE is #UD"); undefined(g_rsm, "RSM outside SMM is #UD");
  cpuid(13, 1, r);
  u32 one[4]; cpuid(1, 0, one);
  if (r[0] >> 3 & 1 && one[2] >> 26 & 1) {
    fresh(g_xsaves); wr(EXC, 1 << 6); wr(G_CR4, rd(G_CR4) | 1 << 18); equal(run(), 0, "XSAVES without its control is #UD"); equal(rd(INFO), 0x80000306, "information");
    if (can(CPU2, 1 << 20)) {
      wcr4(rcr4() | 1 << 18); u64 xss = rdmsr(0xDA0); wcr4(rcr4() & ~(1ul << 18));
      fresh(g_xsaves); wr(G_CR4, rd(G_CR4) | 1 << 18); set(CPU2, 1 << 20); wr(XSS_BM, ~0ul); regs.rax = ~0u; regs.rdx = ~0u;
      equal(run(), xss ? 63 : 18, "XSAVES exits for what IA32_XSS and the bitmap name"); 
    }
  }
}

static void cr3_targets(void)
{
  u32 count = rdmsr(0x485) >> 16 & 0x1FF;
  fresh(g_cr3); set(CPU, 1 << 15); wr(CR3_COUNT, count + 1); equal(run(), 0xDEAD0007, "too many CR3-target values");
  if (!can(CPU, 1 << 15) || count == 0) return;
  fresh(g_cr3); set(CPU, 1 << 15); wr(CR3_COUNT, 1); wr(CR3_TARGET0, rcr3()); equal(run(), 18, "a CR3-target value");
  fresh(g_cr3); set(CPU, 1 << 15); wr(CR3_COUNT, 0); wr(CR3_TARGET0, rcr3()); equal(run(), 28, "one that does not count"); equal(rd(QUAL), 3, "qualification");
}

static void fixed_bits(void)
{
  fresh(g_vmxe); wr(EXC, 1 << 13); equal(run(), 0, "clearing CR4.VMXE"); equal(rd(INFO), 0x80000B0D, "#GP"); equal(rd(INFO_ERR), 0, "error code");
  fresh(g_vmxe); wr(CR4_MASK, 1 << 13); equal(run(), 18, "where the host owns it, shown as clear"); equal(rd(G_CR4) >> 13 & 1, 1, "it stays");
  fresh(g_vmxe); wr(CR4_MASK, 1 << 13); wr(CR4_SHADOW, 1 << 13); equal(run(), 28, "where it is shown as set"); equal(rd(QUAL), 4, "qualification");
  fresh(g_ne); wr(EXC, 1 << 13); equal(run(), 0, "clearing CR0.NE"); equal(rd(INFO), 0x80000B0D, "#GP");
}

static void saved_state(void)
{
  u64 efer = rdmsr(0xC0000080), d7;
  for (int saves = 0; saves < 2; saves++) {
    if (!saves && !(rdmsr(0x480) >> 55 & 1)) continue;
    fresh(g_dr7); set(ENTRYC, 4); if (saves) set(EXITC, 4); else { if ((u32)rdmsr(0x48F) & 4) continue; clear(EXITC, 4); }
    equal(run(), 18, "MOV to DR7"); equal(rd(DR7), saves ? 0x401 : 0x400, saves ? "saved" : "not saved"); ASM("mov %%dr7, %0" : "=r"(d7)); equal(d7, 0x400, "the host's");
    if (!can(EXITC, 1 << 20)) continue;
    fresh(g_efer); set(CPU, 1 << 28); wr(MSR_BITMAP, page()); if (saves) set(EXITC, 1 << 20);
    equal(run(), 18, "WRMSR to IA32_EFER"); equal(rd(G_EFER), saves ? efer ^ 1 : efer, saves ? "saved" : "not saved"); equal(rdmsr(0xC0000080), efer, "the host's");
  }
  struct { u16 limit; u64 base; } __attribute__((packed)) table;
  u16 selector; u64 flags;
  fresh(g_end); wr(RFLAGS, 0xCD7); run();
  ASM("sgdt %0" : "=m"(table)); equal(table.limit, 0xFFFF, "limit of GDTR behind an exit"); ASM("sidt %0" : "=m"(table)); equal(table.limit, 0xFFFF, "of IDTR");
  ASM("sldt %0" : "=m"(selector)); equal(selector, 0, "LDTR"); ASM("str %0" : "=m"(selector)); equal(selector, 24, "TR");
  ASM("pushf; pop %0" : "=r"(flags)); equal(flags & 0x700, 0, "TF, IF and DF are clear"); equal(rd(RFLAGS), 0xCD7, "the guest's are saved");
  fresh(g_end); wr(0x6C06, 0x123456789000); wr(0x6C08, 0x23456789A000); run(); equal(rdmsr(0xC0000100), 0x123456789000, "base of FS"); equal(rdmsr(0xC0000101), 0x23456789A000, "of GS");
  fresh(g_end); wr(H_SYSENTER_CS, 0x55); wr(0x6C10, 0x1111); wr(0x6C12, 0x2222); run(); equal(rdmsr(0x174), 0x55, "IA32_SYSENTER_CS"); equal(rdmsr(0x175), 0x1111, "IA32_SYSENTER_ESP"); equal(rdmsr(0x176), 0x2222, "IA32_SYSENTER_EIP");
}

static void tsc_scaling(void)
{
  if (!can(CPU2, 1 << 25)) return;
  fresh(g_tsc); set(CPU, 1 << 3 | 1 << 28); wr(MSR_BITMAP, page()); set(CPU2, 1 << 25); wr(0x2032, 0); equal(run(), 0xDEAD0007, "TSC multiplier 0");
  for (int shift = 46; shift <= 50; shift += 2) { /* a quarter, one, four */
    wr(0x2032, 1ul << shift); wr(TSC_OFFSET, 1ul << 50); wr(RIP, g_tsc);
    u64 before = rdtsc(); equal(run(), 18, "TSC scaling"); u64 after = rdtsc();
#define SCALED(t) (((t) >> 8) * (1ul << (shift - 40)) + (1ul << 50)) /* t * 2^shift / 2^48 */
    check(regs.rbx + 0x400 >= SCALED(before) && regs.rbx <= SCALED(after) + 0x400, "RDTSC: scaled, then offset"); check(regs.rcx >= regs.rbx && regs.rcx <= SCALED(after) + 0x400, "IA32_TIME_STAMP_COUNTER");
  }
  fresh(g_tsc); set(CPU, 1 << 28); wr(MSR_BITMAP, page()); set(CPU2, 1 << 25); wr(0x2032, 1ul << 50); u64 before = rdtsc(); equal(run(), 18, "without offsetting"); check(regs.rbx >= before && regs.rbx <= rdtsc(), "no scaling");
}

static void functions(void)
{
  if (!can(CPU2, 1 << 13)) return;
  fresh(g_func); set(CPU2, 1 << 13); wr(VMFUNCS, 0); wr(EXC, 1 << 6); equal(run(), 0, "VMFUNC 64"); equal(rd(INFO), 0x80000306, "#UD"); 
  fresh(g_func); set(CPU2, 1 << 13); wr(VMFUNCS, 0); wr(RIP, (u64)g_func + 5); regs.rax = 0; equal(run(), 59, "VMFUNC 0 that is not enabled"); equal(rd(LEN), 3, "length");
  fresh(g_func); set(CPU2, 1 << 13); wr(VMFUNCS, 2); equal(run(), 0xDEAD0007, "a function that there is not");
  if (can(CPU2, 2)) { fresh(g_func); set(CPU2, 1 << 13); wr(VMFUNCS, 1); equal(run(), 0xDEAD0007, "EPTP switching without EPT"); }
}

static void activity(void)
{
  u64 misc = rdmsr(0x485);
  for (u32 state = 1; state < 4; state++) if (!(misc >> (5 + state) & 1)) { fresh(g_end); wr(ACTIVITY, state); equal(run(), 0x80000021, "an activity state that there is not"); }
  if (misc >> 6 & 1) {
    fresh(g_hlt); wr(ACTIVITY, 1); wr(INJECT, 0x80000030); wr(RFLAGS, 0x202); wr(RIP, (u64)g_hlt + 1); u32 before = seen[0x30]; equal(run(), 18, "an interrupt injected into HLT"); equal(seen[0x30], before + 1, "delivered"); equal(rd(ACTIVITY), 0, "active");
    fresh(g_hlt); wr(ACTIVITY, 1); wr(INTR_STATE, 1); wr(RFLAGS, 0x202); equal(run(), 0x80000021, "HLT with blocking by STI");
    fresh(g_hlt); wr(ACTIVITY, 1); wr(AR_SS, 0xC0F3); wr(AR_CS, 0xA0FB); wr(CS, 0x2B); wr(SS, 0x33); equal(run(), 0x80000021, "HLT with SS.DPL 3");
    fresh(g_hlt); wr(ACTIVITY, 1); wr(INJECT, 0x80000B0D); wr(INJECT_ERR, 0); equal(run(), 0x80000021, "#GP injected into HLT");
  }
  if (misc >> 8 & 1) {
    fresh(g_end); wr(ACTIVITY, 3); wr(INJECT, 0x80000030); wr(RFLAGS, 0x202); equal(run(), 0x80000021, "an interrupt injected into wait-for-SIPI");
    fresh(g_end); wr(ACTIVITY, 3); *(volatile u32 *)0xFEE00310 = 0; *(volatile u32 *)0xFEE00300 = 0x4500; wr(ACTIVITY, 0); equal(run(), 3, "INIT before the guest runs");
  }
  fresh(g_end); wr(LINK, rd(LINK) & ~0xFFFul); wr(ENTRYC, rd(ENTRYC) | 1 << 10); equal(run(), 0xDEAD0007, "entry to SMM outside SMM");
  fresh(g_end); wr(ENTRYC, rd(ENTRYC) | 1 << 11); equal(run(), 0xDEAD0007, "deactivation of the dual monitor outside SMM");
}

/* Each bit that a capability MSR says must be 0 or 1 is one that an entry refuses otherwise, with error 7. */
static void allowed_settings(void)
{
  static const struct { u32 field, msr; } words[] = {{PIN, 0x48D}, {CPU, 0x48E}, {EXITC, 0x48F}, {ENTRYC, 0x490}, {CPU2, 0x48B}};
  for (u32 i = 0; i < COUNT(words); i++) for (u32 n = 0; n < 32; n++) {
    u64 m = rdmsr(words[i].msr); u32 one = 1u << n;
    if (!((u32)m & one) && m >> 32 & one) continue;
    fresh(g_end); if (words[i].field == CPU2) set(CPU, 1u << 31);
    wr(words[i].field, rd(words[i].field) ^ one);
    u32 is = run(); if (is != 0xDEAD0007) { equal(is, 0xDEAD0007, "a control that may not be so"); say("  field "); hex(words[i].field); say(" bit "); hex(n); say("\n"); } else check(1, "");
  }
}

void controls(void) { allowed_settings(); enables(); cr3_targets(); fixed_bits(); saved_state(); tsc_scaling(); functions(); activity(); }
