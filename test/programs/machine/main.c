/* A kernel that examines the machine in the manner of kvm-unit-tests: PASS, FAIL and SKIP lines by what the manuals say. */
#include "machine.h"

volatile typeof(last) last;
volatile u32 seen[256];
void (*handlers[256])(struct frame *);
u64 resume_at, resume_rsp;
int under_kvm, is_intel, in_tcg;
static u32 passed, failed;
static int quiet; /* no PASS lines: the command line ends so */
extern u32 *multiboot_information;
static struct { u16 low, selector; u8 ist, type; u16 middle; u32 high, zero; } idt[256] __attribute__((aligned(4096)));
static struct { u16 limit; u64 base; } __attribute__((packed)) idtr = {sizeof idt - 1, (u64)idt};
extern u8 user_start[], user_end[], interrupt_stack[], double_fault_stack[];
extern u8 leave_user[];

void say(const char *s) { for (; *s; s++) { while (!(inb(0x3FD) & 0x20)) ; outb(0x3F8, *s); } }
void number(u64 v) { char b[17]; int n = 16; b[16] = 0; do b[--n] = "0123456789abcdef"[v & 15]; while (v >>= 4); say("0x"); say(b + n); }
static const char *part;
void section(const char *name) { part = name; }
static void line(const char *verdict, const char *what) { say(verdict); say(part); say(": "); say(what); }
void check(int ok, const char *what) { if (ok) passed++; else failed++; if (!ok || !quiet) line(ok ? "PASS: " : "FAIL: ", what), say("\n"); }
void equal(u64 is, u64 wanted, const char *what)
{
  if (is == wanted) return check(1, what);
  failed++; line("FAIL: ", what); say(": "); number(is); say(" and not "); number(wanted); say("\n");
}
void skip(const char *why) { line("SKIP: ", why); say("\n"); }

void set_gate(int v, u64 a, u16 selector, u8 type, u8 ist)
{
  idt[v].low = a; idt[v].middle = a >> 16; idt[v].high = a >> 32; idt[v].selector = selector; idt[v].type = type; idt[v].ist = ist;
}
void idt_again(void)
{
  for (int i = 0; i < 256; i++) set_gate(i, (u64)entries + 16 * i, 8, i == 3 || i == 4 || i == 0x80 ? 0xEE : 0x8E, i == 8);
  ASM("lidt %0" ::"m"(idtr));
}

void interrupt(struct frame *f)
{
  __atomic_add_fetch(&seen[f->vector], 1, __ATOMIC_SEQ_CST);
  if (handlers[f->vector]) return handlers[f->vector](f);
  last.vector = f->vector; last.error = f->error; last.cr2 = rcr2(); last.dr6 = rdr6(); last.f = *f;
  if (f->cs & 3) { f->rip = (u64)leave_user; f->cs = 8; f->ss = 0x10; f->rsp = (u64)interrupt_stack; f->rflags = 2; }
  else if (resume_at) f->rip = resume_at;
  else { say("FAIL: vector "); number(f->vector); say(" at "); number(f->rip); say(" error "); number(f->error); say(" cr2 "); number(rcr2()); say("\n"); outb(0xF4, 1); for (;;) ASM("cli; hlt"); }
  f->rflags &= ~0x100ul;
}

#define LABELLED(text) "lea 1f(%%rip), %%r11\n mov %%r11, resume_at\n " text "\n 1: movq $0, resume_at"
u64 try_rdmsr(u32 index, u64 *value)
{
  u32 a = 0, d = 0;
  last.vector = NONE;
  ASM(LABELLED("rdmsr") : "+a"(a), "+d"(d) : "c"(index) : "r11", "memory");
  *value = a | (u64)d << 32;
  return last.vector;
}
u64 try_wrmsr(u32 index, u64 value)
{
  last.vector = NONE;
  ASM(LABELLED("wrmsr") ::"a"((u32)value), "d"((u32)(value >> 32)), "c"(index) : "r11", "memory");
  return last.vector;
}
u64 try_xsetbv(u32 index, u64 value)
{
  last.vector = NONE;
  ASM(LABELLED("xsetbv") ::"a"((u32)value), "d"((u32)(value >> 32)), "c"(index) : "r11", "memory");
  return last.vector;
}
u64 try_cr0(u64 v) { return TRY("mov %1, %%cr0", "r"(v)); }
u64 try_cr3(u64 v) { return TRY("mov %1, %%cr3", "r"(v)); }
u64 try_cr4(u64 v) { return TRY("mov %1, %%cr4", "r"(v)); }
u64 try_cr8(u64 v) { return TRY("mov %1, %%cr8", "r"(v)); }

/* The first 4 MiB in pages of 4 KiB, those of ring 3 for it. */
static void user_pages(void)
{
  for (u64 i = 0; i < 1024; i++) first_tables[i] = i << 12 | (i << 12 >= (u64)user_start && i << 12 < (u64)user_end ? 7 : 3);
  page_directories[0] = (u64)first_tables | 7;
  page_directories[1] = (u64)(first_tables + 512) | 7;
  wcr3(rcr3());
}
static void task_state(void)
{
  u64 base = (u64)tss;
  *(u64 *)((u8 *)tss + 4) = (u64)interrupt_stack;
  *(u64 *)((u8 *)tss + 36) = (u64)double_fault_stack;
  *(u16 *)((u8 *)tss + 102) = 104;
  gdt[7] |= (base & 0xFFFFFF) << 16 | (base >> 24 & 0xFF) << 56;
  ASM("ltr %w0" ::"r"(0x38));
}

static void spurious(struct frame *f) { (void)f; }

void kernel_main(void)
{
  u32 r[4];
  const char *words = multiboot_information[0] & 4 ? (const char *)(u64)multiboot_information[4] : "";
  while (*words) words++;
  quiet = *(const u32 *)(words - 4) == 0x74656975; /* "uiet" */
  idt_again();
  task_state();
  user_pages();
  cpuid(0x40000000, 0, r);
  under_kvm = r[1] == 0x4B4D564B;
  in_tcg = r[1] == 0x54474354;
  cpuid(0, 0, r);
  is_intel = r[1] == 0x756E6547;
  outb(0x21, 0xFF); outb(0xA1, 0xFF);
  handlers[0x0F] = spurious; /* what firmware left pending in the 8259, before it was masked */
  exceptions(); debugging(); user(); paging(); registers(); extended(); local_apic(); timers(); io_apic(); clocks(); processors();
  say("SUMMARY: "); number(passed); say(" passed, "); number(failed); say(" failed\n");
  outb(0xF4, failed != 0);
  for (;;) ASM("cli; hlt");
}
