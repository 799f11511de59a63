/* What the parts of the kernel share: types, privileged instructions, and the harness. */
#pragma once
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long u64;
#define ASM __asm__ volatile
#define COUNT(a) (sizeof(a) / sizeof(*(a)))

static inline u64 rdmsr(u32 i) { u32 a, d; ASM("rdmsr" : "=a"(a), "=d"(d) : "c"(i)); return a | (u64)d << 32; }
static inline void wrmsr(u32 i, u64 v) { ASM("wrmsr" ::"c"(i), "a"((u32)v), "d"((u32)(v >> 32)) : "memory"); }
static inline void outb(u16 p, u8 v) { ASM("outb %0, %1" ::"a"(v), "Nd"(p)); }
static inline void outl(u16 p, u32 v) { ASM("outl %0, %1" ::"a"(v), "Nd"(p)); }
static inline u8 inb(u16 p) { u8 v; ASM("inb %1, %0" : "=a"(v) : "Nd"(p)); return v; }
static inline u32 inl(u16 p) { u32 v; ASM("inl %1, %0" : "=a"(v) : "Nd"(p)); return v; }
static inline u64 rdtsc(void) { u32 a, d; ASM("lfence; rdtsc" : "=a"(a), "=d"(d)); return a | (u64)d << 32; }
#define CR(n) \
  static inline u64 rcr##n(void) { u64 v; ASM("mov %%cr" #n ", %0" : "=r"(v)::"memory"); return v; } \
  static inline void wcr##n(u64 v) { ASM("mov %0, %%cr" #n ::"r"(v) : "memory"); }
CR(0) CR(3) CR(4) CR(8)
#define DR(n) \
  static inline u64 rdr##n(void) { u64 v; ASM("mov %%dr" #n ", %0" : "=r"(v)::"memory"); return v; } \
  static inline void wdr##n(u64 v) { ASM("mov %0, %%dr" #n ::"r"(v) : "memory"); }
DR(0) DR(1) DR(6) DR(7)
static inline u64 rcr2(void) { u64 v; ASM("mov %%cr2, %0" : "=r"(v)); return v; }
static inline void cpuid(u32 l, u32 s, u32 r[4]) { ASM("cpuid" : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]), "=d"(r[3]) : "a"(l), "c"(s)); }
static inline void invlpg(u64 a) { ASM("invlpg (%0)" ::"r"(a) : "memory"); }
static inline void sti(void) { ASM("sti" ::: "memory"); }
static inline void cli(void) { ASM("cli" ::: "memory"); }
static inline void pause(void) { ASM("pause" ::: "memory"); }
static inline void window(void) { ASM("sti; nop; nop; nop; cli" ::: "memory"); } /* interrupts are on for a moment */
static inline void nap(void) { ASM("sti; hlt; cli" ::: "memory"); }

/* CPUID: leaf, subleaf, register (0 EAX .. 3 EDX), bit */
static inline int has(u32 leaf, u32 sub, int reg, int bit) { u32 r[4]; cpuid(leaf & 0x80000000, 0, r); if (r[0] < leaf) return 0; cpuid(leaf, sub, r); return r[reg] >> bit & 1; }

struct frame { u64 r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx, rcx, rax, vector, error, rip, cs, rflags, rsp, ss; };
/* The vector of the last exception or INT 80h, first: assembly code reads it. */
extern volatile struct { u64 vector, error, cr2, dr6; struct frame f; } last;
extern volatile u32 seen[256];
extern void (*handlers[256])(struct frame *); /* in the place of what is done otherwise */
extern u64 resume_at, resume_rsp;
extern int under_kvm, is_intel, in_tcg;
#define NONE 999

void say(const char *);
void number(u64);
void section(const char *);
void check(int ok, const char *what);
void equal(u64 is, u64 wanted, const char *what);
void skip(const char *why);
void set_gate(int vector, u64 address, u16 selector, u8 type, u8 ist);
extern u8 entries[];

/* Runs one instruction: the vector of its exception, or NONE. The inputs may not be in RAX, RCX, RDX or R11. */
#define TRY(text, ...) ({ last.vector = NONE; u64 t_; \
  ASM("lea 1f(%%rip), %0\n mov %0, resume_at\n mov %%rsp, resume_rsp\n " text "\n 1: mov resume_rsp, %%rsp\n movq $0, resume_at" : "=&r"(t_) : __VA_ARGS__ : "memory", "cc", "rax", "rcx", "rdx", "r11"); last.vector; })
u64 try_rdmsr(u32 index, u64 *value);
u64 try_wrmsr(u32 index, u64 value);
u64 try_cr0(u64), try_cr3(u64), try_cr4(u64), try_cr8(u64), try_xsetbv(u32 index, u64 value);

u64 in_user(const void *code, u64 rsi, u64 rflags);
#define USER(name, text) extern u8 name[]; __asm__(".pushsection .user, \"awx\"; " #name ": " text "; int $0x80; .popsection")

/* The local APIC by either way; registers by their offsets in the page. */
u32 apic_read(u32 offset);
void apic_write(u32 offset, u32 value);
void ipi(u32 low, u32 destination);
void eoi(void);
extern int x2apic;
void count_and_eoi(struct frame *);
void delay(u32 pit_ticks); /* of 1.193182 MHz, at most 65535 */

extern u64 pml4[512], pdpt[512], page_directories[2048], first_tables[1024];
extern u64 gdt[], tss[];

void local_apic(void), timers(void), io_apic(void), clocks(void), exceptions(void), debugging(void), user(void), paging(void), registers(void), extended(void), processors(void);
void idt_again(void);
