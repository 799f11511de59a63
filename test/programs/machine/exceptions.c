/* Exceptions with their error codes, and how interrupts are delivered (SDM, "Exception and Interrupt Reference"). */
#include "machine.h"

static volatile u64 double_fault_ss_rsp, double_fault_error;
extern u8 double_fault_stack[];

static void on_double_fault(struct frame *f)
{
  double_fault_error = f->error;
  double_fault_ss_rsp = (u64)f + sizeof *f == (u64)double_fault_stack;
  f->rip = resume_at; /* RSP is still that of the interrupted code */
}

static void faults(void)
{
  section("exceptions");
  equal(TRY("xor %%eax, %%eax; cltd; div %%eax", "i"(0)), 0, "DIV by zero raises #DE");
  equal(TRY("mov $1, %%edx; xor %%eax, %%eax; mov $1, %%ecx; div %%ecx", "i"(0)), 0, "a quotient that does not fit raises #DE");
  u64 before = seen[3];
  equal(TRY("int3", "i"(0)), 3, "INT3 raises #BP");
  equal(seen[3], before + 1, "once");
  equal(TRY("ud2", "i"(0)), 6, "UD2 raises #UD");
  equal(TRY(".byte 0xF0, 0x89, 0xC0", "i"(0)), 6, "LOCK MOV raises #UD");
  equal(TRY(".byte 0x0F, 0xB9, 0xC0", "i"(0)), 6, "UD1 raises #UD");
  equal(TRY(".byte 0x06", "i"(0)), 6, "PUSH ES raises #UD in 64-bit mode");
  equal(TRY(".byte 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x90", "i"(0)), 13, "16 bytes of instruction raise #GP");
  equal(TRY("mov (%1), %%rax", "r"(1ul << 63)), 13, "an address that is not canonical raises #GP");
  equal(last.error, 0, "with error code 0");
  equal(TRY("mov (%%rsp, %1), %%rax", "r"(1ul << 63)), 12, "a stack address that is not canonical raises #SS");
}

static void selectors(void)
{
  section("selectors");
  equal(TRY("mov %w1, %%fs", "r"(0x1000)), 13, "a selector beyond the GDT raises #GP");
  equal(last.error, 0x1000, "whose error code is the selector");
  equal(TRY("mov %w1, %%fs", "r"(0x1004)), 13, "a selector of an LDT that is not there raises #GP");
  equal(last.error, 0x1004, "with TI in its error code");
  equal(TRY("mov %w1, %%fs", "r"(0x48)), 11, "a segment that is not present raises #NP");
  equal(last.error, 0x48, "whose error code is the selector");
  equal(TRY("mov %w1, %%ss", "r"(0x48)), 12, "and for SS #SS");
  equal(last.error, 0x48, "whose error code is the selector");
  equal(TRY("mov %w1, %%ss", "r"(0x2B)), 13, "SS takes no segment of another ring");
  equal(TRY("mov %w1, %%ds", "r"(0x38)), 13, "DS takes no TSS");
  equal(TRY("mov %w1, %%fs; mov %%fs, %%eax", "r"(3)), NONE, "FS takes a null selector with any RPL");
  equal(TRY("ltr %w1", "r"(0x38)), 13, "LTR of a busy TSS raises #GP");
  equal(last.error, 0x38, "whose error code is the selector");
  equal(TRY("lldt %w1", "r"(0x10)), 13, "LLDT of a data segment raises #GP");
  u32 zf, limit = 0;
  ASM("lsl %w2, %1; setz %b0; movzbl %b0, %0" : "=&q"(zf), "+r"(limit) : "r"(0x10) : "cc");
  check(zf == 1 && limit == 0xFFFFFFFF, "LSL gives the limit in bytes");
  ASM("lar %w2, %1; setz %b0; movzbl %b0, %0" : "=&q"(zf), "+r"(limit) : "r"(0x08) : "cc");
  check(zf == 1 && (limit & 0xF0FF00) == 0xA09B00, "LAR gives the access rights");
  ASM("verw %w1; setz %b0; movzbl %b0, %0" : "=&q"(zf) : "r"(0x08) : "cc");
  equal(zf, 0, "VERW of a code segment clears ZF");
  ASM("verr %w1; setz %b0; movzbl %b0, %0" : "=&q"(zf) : "r"(0x08) : "cc");
  equal(zf, 1, "VERR of a readable one sets it");
}

static void gates(void)
{
  section("gates");
  equal(TRY("int $0x41", "i"(0)), 0x41, "INT n through an interrupt gate");
  set_gate(0x41, (u64)entries + 16 * 0x41, 8, 0x0E, 0);
  equal(TRY("int $0x41", "i"(0)), 11, "a gate that is not present raises #NP");
  equal(last.error, 0x41 << 3 | 2, "with IDT and the vector in its error code");
  set_gate(0x41, (u64)entries + 16 * 0x41, 0x10, 0x8E, 0);
  equal(TRY("int $0x41", "i"(0)), 13, "a gate to a data segment raises #GP");
  equal(last.error, 0x10, "whose error code is the selector");
  set_gate(0x41, 1ul << 63, 8, 0x8E, 0);
  equal(TRY("int $0x41", "i"(0)), 13, "a gate to an address that is not canonical raises #GP");
  set_gate(0x41, (u64)entries + 16 * 0x41, 8, 0x85, 0);
  equal(TRY("int $0x41", "i"(0)), 13, "a task gate raises #GP in 64-bit mode");
  equal(last.error, 0x41 << 3 | 2, "with IDT and the vector in its error code");
  struct { u16 limit; u64 base; } __attribute__((packed)) r;
  ASM("sidt %0" : "=m"(r));
  r.limit = 0x40 * 16 - 1;
  ASM("lidt %0" ::"m"(r));
  equal(TRY("int $0x41", "i"(0)), 13, "a vector beyond the IDT raises #GP");
  equal(last.error, 0x41 << 3 | 2, "with IDT and the vector in its error code");
  idt_again();
  handlers[8] = on_double_fault;
  set_gate(14, (u64)entries + 16 * 14, 8, 0x0E, 0);
  u64 count = seen[8];
  (void)TRY("mov (%1), %%rax", "r"(1ul << 40));
  equal(seen[8], count + 1, "a page fault whose gate is not present becomes a double fault");
  equal(double_fault_error, 0, "with error code 0");
  equal(double_fault_ss_rsp, 1, "on the stack of its IST");
  handlers[8] = 0;
  idt_again();
}

/* The stack pointer of an interrupt is aligned to 16 bytes, and SS:RSP are always pushed. */
static volatile u64 frame_at, pushed_rsp;
static void on_aligned(struct frame *f) { frame_at = (u64)f + sizeof *f; pushed_rsp = f->rsp; }
static void frames(void)
{
  section("frames");
  handlers[0x42] = on_aligned;
  u64 rsp;
  ASM("mov %%rsp, %%rbx; and $-16, %%rsp; sub $8, %%rsp; mov %%rsp, %0; int $0x42; mov %%rbx, %%rsp" : "=&r"(rsp)::"rbx", "memory");
  equal(frame_at % 16, 0, "an interrupt aligns the stack to 16 bytes");
  equal(pushed_rsp, rsp, "and pushes the old RSP");
  handlers[0x42] = 0;
  set_gate(0x43, (u64)entries + 16 * 0x43, 8, 0x8F, 0);
  ASM("sti");
  (void)TRY("int $0x43", "i"(0));
  check(last.f.rflags & 0x200, "the pushed RFLAGS has IF as it was");
  cli();
  equal(TRY("pushq $0x10; push %1; pushfq; orq $0x4000, (%%rsp); popfq; pushq $8; pushq $0; iretq; nop", "r"((u64)&frame_at)), 13, "IRET with NT set raises #GP in 64-bit mode");
  u64 flags; ASM("pushfq; andq $~0x4000, (%%rsp); popfq; pushfq; pop %0" : "=r"(flags)::"cc");
  equal(flags & 0x4000, 0, "NT is clear again");
}

/* Blocking by STI and MOV SS: a pending interrupt waits for one instruction. */
static void shadows(void)
{
  section("blocking");
  handlers[0x44] = count_and_eoi;
  apic_write(0xF0, 0x1FF);
  cli();
  ipi(0x40044, 0);
  for (int i = 0; i < 100; i++) pause();
  u32 before = seen[0x44];
  ASM("sti; cli");
  equal(seen[0x44], before, "STI holds an interrupt back for one instruction");
  ASM("sti; nop; cli");
  equal(seen[0x44], before + 1, "and no longer");
  ipi(0x40044, 0);
  for (int i = 0; i < 100; i++) pause();
  ASM("sti; nop; nop; cli");
  equal(seen[0x44], before + 2, "the next one comes too");
  ipi(0x40044, 0);
  nap();
  equal(seen[0x44], before + 3, "HLT behind STI is woken by what was pending");
  handlers[0x44] = 0;
}

void exceptions(void) { faults(); selectors(); gates(); frames(); shadows(); }
