/* What the parts of the kernel share: types, privileged instructions, VMCS fields, and the harness. */
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
static inline u8 inb(u16 p) { u8 v; ASM("inb %1, %0" : "=a"(v) : "Nd"(p)); return v; }
static inline u64 rdtsc(void) { u32 a, d; ASM("rdtsc" : "=a"(a), "=d"(d)); return a | (u64)d << 32; }
#define CR(n) \
  static inline u64 rcr##n(void) { u64 v; ASM("mov %%cr" #n ", %0" : "=r"(v)::"memory"); return v; } \
  static inline void wcr##n(u64 v) { ASM("mov %0, %%cr" #n ::"r"(v) : "memory"); }
CR(0) CR(3) CR(4)
static inline u64 rcr2(void) { u64 v; ASM("mov %%cr2, %0" : "=r"(v)); return v; }
static inline void cpuid(u32 l, u32 s, u32 r[4]) { ASM("cpuid" : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]), "=d"(r[3]) : "a"(l), "c"(s)); }

/* The flags CF (1) and ZF (0x40) that a VMX instruction leaves. */
#define VMXI(name, text) \
  static inline u32 name(u64 at) { u64 f; ASM("stc; " text " %1; pushf; pop %0" : "=r"(f) : "m"(at) : "cc", "memory"); return f & 0x41; }
VMXI(vmxon, "vmxon") VMXI(vmclear, "vmclear") VMXI(vmptrld, "vmptrld")
static inline u32 vmptrst(u64 *at) { u64 f; ASM("stc; vmptrst %1; pushf; pop %0" : "=r"(f), "=m"(*at)::"cc"); return f & 0x41; }
static inline u32 vmxoff(void) { u64 f; ASM("stc; vmxoff; pushf; pop %0" : "=r"(f)::"cc"); return f & 0x41; }
static inline u32 vmr(u64 e, u64 *v) { u64 f; ASM("stc; vmread %2, %1; pushf; pop %0" : "=r"(f), "=r"(*v) : "r"(e) : "cc"); return f & 0x41; }
static inline u32 vmw(u64 e, u64 v) { u64 f; ASM("stc; vmwrite %2, %1; pushf; pop %0" : "=r"(f) : "r"(e), "r"(v) : "cc"); return f & 0x41; }
static inline u64 rd(u64 e) { u64 v = 0; vmr(e, &v); return v; }
#define wr(e, v) ((void)vmw(e, (u64)(v)))
struct desc { u64 a, b; };
static inline u32 invept(u64 t, u64 a, u64 b) { struct desc d = {a, b}; u64 f; ASM("stc; invept %1, %2; pushf; pop %0" : "=r"(f) : "m"(d), "r"(t) : "cc"); return f & 0x41; }
static inline u32 invvpid(u64 t, u64 a, u64 b) { struct desc d = {a, b}; u64 f; ASM("stc; invvpid %1, %2; pushf; pop %0" : "=r"(f) : "m"(d), "r"(t) : "cc"); return f & 0x41; }
static inline void vmcall(void) { ASM("vmcall" ::: "memory"); }

enum {
  VPID = 0, PI_VECTOR = 2, ES = 0x800, CS = 0x802, SS = 0x804, DS = 0x806, FS = 0x808, GS = 0x80A, LDTR = 0x80C, TR = 0x80E, INT_STATUS = 0x810, PML_INDEX = 0x812,
  H_ES = 0xC00, H_CS = 0xC02, H_SS = 0xC04, H_DS = 0xC06, H_FS = 0xC08, H_GS = 0xC0A, H_TR = 0xC0C,
  IO_A = 0x2000, IO_B = 0x2002, MSR_BITMAP = 0x2004, EXIT_STORE = 0x2006, EXIT_LOAD = 0x2008, ENTRY_LOAD = 0x200A, PML = 0x200E, TSC_OFFSET = 0x2010,
  VAPIC = 0x2012, APIC_ACCESS = 0x2014, PI_DESC = 0x2016, VMFUNCS = 0x2018, EPTP = 0x201A, EOI_EXIT = 0x201C, EPTP_LIST = 0x2024, VMREAD_BM = 0x2026, VMWRITE_BM = 0x2028, XSS_BM = 0x202C,
  GPA = 0x2400, LINK = 0x2800, G_DEBUGCTL = 0x2802, G_PAT = 0x2804, G_EFER = 0x2806, H_PAT = 0x2C00, H_EFER = 0x2C02,
  PIN = 0x4000, CPU = 0x4002, EXC = 0x4004, PF_MASK = 0x4006, PF_MATCH = 0x4008, CR3_COUNT = 0x400A, EXITC = 0x400C, EXIT_STORE_N = 0x400E, EXIT_LOAD_N = 0x4010, ENTRYC = 0x4012,
  ENTRY_LOAD_N = 0x4014, INJECT = 0x4016, INJECT_ERR = 0x4018, INJECT_LEN = 0x401A, TPR_THRESHOLD = 0x401C, CPU2 = 0x401E,
  ERROR = 0x4400, REASON = 0x4402, INFO = 0x4404, INFO_ERR = 0x4406, VECTORING = 0x4408, VECTORING_ERR = 0x440A, LEN = 0x440C, INSN = 0x440E,
  L_ES = 0x4800, L_LDTR = 0x480C, L_TR = 0x480E, L_GDTR = 0x4810, L_IDTR = 0x4812, AR_ES = 0x4814, AR_CS = 0x4816, AR_SS = 0x4818, AR_LDTR = 0x4820, AR_TR = 0x4822,
  INTR_STATE = 0x4824, ACTIVITY = 0x4826, TIMER = 0x482E, G_SYSENTER_CS = 0x482A, H_SYSENTER_CS = 0x4C00,
  CR0_MASK = 0x6000, CR4_MASK = 0x6002, CR0_SHADOW = 0x6004, CR4_SHADOW = 0x6006, CR3_TARGET0 = 0x6008, QUAL = 0x6400, IO_RCX = 0x6402, LINEAR = 0x640A,
  G_CR0 = 0x6800, G_CR3 = 0x6802, G_CR4 = 0x6804, B_TR = 0x6814, B_GDTR = 0x6816, B_IDTR = 0x6818, DR7 = 0x681A, RSP = 0x681C, RIP = 0x681E, RFLAGS = 0x6820, PENDING_DBG = 0x6822,
  H_CR0 = 0x6C00, H_CR3 = 0x6C02, H_CR4 = 0x6C04, H_B_TR = 0x6C0A, H_B_GDTR = 0x6C0C, H_B_IDTR = 0x6C0E, H_RSP = 0x6C14, H_RIP = 0x6C16,
};

struct regs { u64 rax, rcx, rdx, rbx, rbp, rsi, rdi; };
struct frame { u64 r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx, rcx, rax, vector, error, rip, cs, rflags, rsp, ss; };

extern struct regs regs;
extern u64 pml4[], page_directories[];
extern u8 tss[];
extern volatile u32 seen[256];
extern volatile u64 last_rip, last_error, last_flags, stage;
extern u64 resume_at; /* where an exception continues; 0: behind what raised it is not known, the test ends */
extern u32 revision;
extern u64 allowed_cpu2;

void say(const char *);
void hex(u64);
void check(int ok, const char *what);
void equal(u64 is, u64 wanted, const char *what);
void *page(void);
void fresh(void (*guest)(void)); /* a new VMCS for a guest that begins there */
u32 run(void);                   /* enters; the exit reason, or 0xDEAD0000 + error */
void skip(void);                 /* over the instruction that exited */
int can(u32 field, u32 bit);     /* may the control be 1? */
void set(u32 field, u32 bits);
void clear(u32 field, u32 bits);
#define G(name, text) void name(void); __asm__(#name ": " text "\n vmcall\n hlt\n")
#define FAULTS(text, vector) ({ u32 before = seen[vector]; u64 t_; ASM("lea 1f(%%rip), %0; mov %0, resume_at; " text "; 1: movq $0, resume_at" : "=&r"(t_) :: "memory", "cc", "rax", "rcx", "rdx"); seen[vector] - before; })

void instructions(void);
void capabilities(void);
void guests(void);
void memory(void);
void events(void);
void states(void);
void modes(void);
void apic(void);
void controls(void);

extern u64 eptp;
void tables(void); /* of EPT: one to one, but for one page at 0xC0000000 */
void with_ept(void (*guest)(void), u64 entry);
