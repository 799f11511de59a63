/* A hypervisor that examines VMX in the manner of kvm-unit-tests: prints FAIL lines, and the number of what held. */
#include "vmx.h"

struct regs regs;
volatile u32 seen[256];
volatile u64 last_rip, last_error, last_flags, stage;
u64 resume_at;
u32 revision;
static u32 passed, failed, launched;
static u64 free_page = 0x1000000;
static struct { u16 low, selector; u8 ist, type; u16 middle; u32 high, zero; } idt[256];
static struct { u16 limit; u64 base; } __attribute__((packed)) idtr = {sizeof idt - 1, (u64)idt}, gdtr;
extern u8 entries[], gdt[], vmx_return[];
u32 enter(struct regs *, int launched);

void say(const char *s) { while (*s) outb(0x3F8, *s++); }
void hex(u64 v) { char b[17]; int n = 16; b[16] = 0; do b[--n] = "0123456789abcdef"[v & 15]; while (v >>= 4); say("0x"); say(b + n); }
void check(int ok, const char *what) { if (ok) { passed++; return; } failed++; say("FAIL: "); say(what); say("\n"); }
void equal(u64 is, u64 wanted, const char *what)
{
  if (is == wanted) { passed++; return; }
  failed++; say("FAIL: "); say(what); say(": "); hex(is); say(" and not "); hex(wanted); say("\n");
}

void *page(void) { u64 *p = (u64 *)free_page; free_page += 4096; for (int i = 0; i < 512; i++) p[i] = 0; return p; }

void interrupt(struct frame *f)
{
  seen[f->vector]++;
  last_rip = f->rip; last_error = f->error; last_flags = f->rflags;
  if (f->vector >= 32) { *(volatile u32 *)0xFEE000B0 = 0; return; }
  if (f->vector == 1) { if (!resume_at) f->rflags &= ~0x100ul; }
  else if (f->vector == 2 || f->vector == 3) ;
  else if (!resume_at) { say("FAIL: exception "); hex(f->vector); say(" at "); hex(f->rip); say(" error "); hex(f->error); say("\n"); outb(0xF4, 1); for (;;) ASM("cli; hlt"); }
  if (resume_at) f->rip = resume_at;
}

int can(u32 field, u32 bit)
{
  u32 msr = field == PIN ? 0x48D : field == CPU ? 0x48E : field == EXITC ? 0x48F : field == ENTRYC ? 0x490 : 0x48B;
  return (rdmsr(msr) >> 32 & bit) == bit;
}
void set(u32 field, u32 bits) { if (field == CPU2) wr(CPU, rd(CPU) | 1u << 31); wr(field, rd(field) | bits); }
void clear(u32 field, u32 bits) { wr(field, rd(field) & ~(u64)bits); }

void fresh(void (*guest)(void))
{
  u32 *vmcs = page();
  u64 stack = (u64)page() + 4096 - 8;
  *vmcs = revision;
  vmclear((u64)vmcs); vmptrld((u64)vmcs);
  launched = 0; stage = 0;
  regs = (struct regs){0};
  wr(PIN, (u32)rdmsr(0x48D)); wr(CPU, (u32)rdmsr(0x48E)); wr(CPU2, 0);
  wr(EXITC, (u32)rdmsr(0x48F) | 1 << 9 | 1 << 21); wr(ENTRYC, (u32)rdmsr(0x490) | 1 << 9 | 1 << 15);
  wr(H_EFER, rdmsr(0xC0000080)); wr(G_EFER, rdmsr(0xC0000080));
  wr(H_CR0, rcr0()); wr(H_CR3, rcr3()); wr(H_CR4, rcr4()); wr(G_CR0, rcr0()); wr(G_CR3, rcr3()); wr(G_CR4, rcr4());
  for (int i = 0; i < 6; i++) {
    wr(ES + 2 * i, i == 1 ? 8 : 16); wr(H_ES + 2 * i, i == 1 ? 8 : 16);
    wr(L_ES + 2 * i, 0xFFFFFFFF); wr(AR_ES + 2 * i, i == 1 ? 0xA09B : 0xC093);
  }
  wr(H_TR, 24); wr(TR, 24); wr(L_TR, 103); wr(AR_TR, 0x8B); wr(AR_LDTR, 0x10000); wr(B_TR, tss); wr(H_B_TR, tss);
  ASM("sgdt %0" : "=m"(gdtr));
  wr(B_GDTR, gdtr.base); wr(H_B_GDTR, gdtr.base); wr(L_GDTR, gdtr.limit);
  wr(B_IDTR, idtr.base); wr(H_B_IDTR, idtr.base); wr(L_IDTR, idtr.limit);
  wr(LINK, ~0ul); wr(DR7, 0x400); wr(RFLAGS, 2); wr(RSP, stack); wr(RIP, guest); wr(H_RIP, vmx_return);
}

u32 run(void)
{
  u32 f = enter(&regs, launched);
  if (f) return f & 0x41 ? 0xDEAD0000 + (f & 0x40 ? rd(ERROR) : 0xFFFF) : 0xDEADDEAD;
  u32 reason = rd(REASON);
  if (!(reason >> 31)) launched = 1;
  return reason;
}
void skip(void) { wr(RIP, rd(RIP) + rd(LEN)); }

void kernel_main(void)
{
  for (int i = 0; i < 256; i++) {
    u64 at = (u64)entries + 16 * i;
    idt[i].low = at; idt[i].selector = 8; idt[i].type = 0x8E; idt[i].middle = at >> 16; idt[i].high = at >> 32;
  }
  ASM("lidt %0" ::"m"(idtr));
  outb(0x21, 0xFF); outb(0xA1, 0xFF);
  wrmsr(0x1B, rdmsr(0x1B) | 0x800);
  *(volatile u32 *)0xFEE000F0 = 0x1FF;
  revision = rdmsr(0x480);
  instructions(); capabilities(); guests(); memory(); events(); states(); modes(); apic(); controls();
  equal(vmxoff(), 0, "VMXOFF");
  say(failed ? "VMX: failures\n" : "VMX: all held\n");
  say("checks "); hex(passed); say("\n");
  outb(0xF4, failed != 0);
}
