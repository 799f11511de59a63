/* A small kernel as people write them: UART, paging, IDT, 8259s, PIT, local APIC in its page, I/O APIC, several CPUs. Every line that it prints is
 * the same on any PC. */

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;

struct frame { u32 edi, esi, ebp, esp, ebx, edx, ecx, eax, vector, code, eip, cs, eflags; };

static inline void outb(u16 port, u8 v) { __asm__ volatile("outb %0, %1" ::"a"(v), "Nd"(port)); }
static inline void outl(u16 port, u32 v) { __asm__ volatile("outl %0, %1" ::"a"(v), "Nd"(port)); }
static inline u8 inb(u16 port) { u8 v; __asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port)); return v; }
static inline u32 inl(u16 port) { u32 v; __asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"(port)); return v; }

#define COM1 0x3f8
static void putc(char c) {
  while (!(inb(COM1 + 5) & 0x20)) {}
  outb(COM1, c);
}
static void puts(const char *s) { while (*s) putc(*s++); }
static void hex(u32 v) {
  puts("0x");
  int started = 0;
  for (int shift = 28; shift >= 0; shift -= 4) {
    u32 digit = v >> shift & 15;
    if (digit || started || !shift) { putc("0123456789abcdef"[digit]); started = 1; }
  }
}
static void line(const char *what, u32 v) { puts(what); putc(' '); hex(v); putc('\n'); }

/* ---- interrupts */

struct gate { u16 low, selector; u8 zero, type; u16 high; } __attribute__((packed));
static struct gate idt[256];
static volatile u32 seen[256];
static volatile u32 last_code, last_cr2;
static volatile u32 *const apic = (u32 *)0xfee00000;
static volatile u32 *const ioapic = (u32 *)0xfec00000;

extern void entry0(), entry3(), entry6(), entry13(), entry14(), entry32(), entry48(), entry49(), entry50(), entry51(), entry255();

static void gate(int vector, void (*f)(void)) {
  u32 a = (u32)f;
  idt[vector] = (struct gate){a, 8, 0, 0x8e, a >> 16};
}

void interrupt(struct frame *f) {
  __atomic_add_fetch(&seen[f->vector], 1, __ATOMIC_SEQ_CST);
  last_code = f->code;
  switch (f->vector) {
  case 0: f->eip += 2; break;   /* div %cl */
  case 6: f->eip += 2; break;   /* ud2 */
  case 13: f->eip += 2; break;  /* mov %ax, %fs; int $n */
  case 14:
    __asm__("mov %%cr2, %0" : "=r"(last_cr2));
    f->eip = f->ecx; /* where the test says */
    break;
  case 32: outb(0x20, 0x20); break;
  case 51: (void)inb(COM1 + 2); /* takes the reason away; fall through */
  case 48: case 49: case 50: apic[0xb0 / 4] = 0; break;
  }
}

/* ---- memory */

static u32 directory[1024] __attribute__((aligned(4096)));
static u32 table[1024] __attribute__((aligned(4096)));

static void paging(void) {
  for (u32 i = 0; i < 1024; i++) directory[i] = i << 22 | 0x83; /* pages of 4 MiB, supervisor, writable */
  for (u32 i = 0; i < 1024; i++) table[i] = i << 12 | 3;
  table[16] = 0; /* 0x10000 is absent */
  directory[0] = (u32)table | 3;
}

static void load_paging(void) {
  __asm__ volatile("mov %0, %%cr3; mov %%cr4, %%eax; or $0x10, %%eax; mov %%eax, %%cr4; mov %%cr0, %%eax; or $0x80010000, %%eax; mov %%eax, %%cr0"
                   ::"r"(directory) : "eax", "memory");
}

static void load_tables(void) {
  static const u32 gdt[6] __attribute__((aligned(8))) = {0, 0, 0xffff, 0xcf9b00, 0xffff, 0xcf9300};
  struct { u16 limit; u32 base; } __attribute__((packed)) r = {sizeof gdt - 1, (u32)gdt};
  __asm__ volatile("lgdt %0; ljmp $8, $1f; 1: mov $16, %%eax; mov %%eax, %%ds; mov %%eax, %%es; mov %%eax, %%ss; mov %%eax, %%fs; mov %%eax, %%gs"
                   ::"m"(r) : "eax", "memory");
  r.limit = sizeof idt - 1;
  r.base = (u32)idt;
  __asm__ volatile("lidt %0" ::"m"(r));
}

static void wait_for(int vector, u32 count) {
  while (seen[vector] < count) __asm__ volatile("sti; hlt; cli");
}

/* ---- what is tried */

static void exceptions(void) {
  __asm__ volatile("xor %%ecx, %%ecx; mov $5, %%eax; div %%cl" ::: "eax", "ecx", "cc");
  line("divide errors", seen[0]);
  __asm__ volatile("ud2");
  line("undefined opcodes", seen[6]);
  __asm__ volatile("int3");
  line("breakpoints", seen[3]);
  __asm__ volatile("mov $0x18, %%eax; mov %%ax, %%fs" ::: "eax");
  line("general protection, code", last_code);
  __asm__ volatile("mov $1f, %%ecx; mov 0x10004, %%eax; 1:" ::: "eax", "ecx");
  line("page fault at", last_cr2);
  line("  code", last_code);
}

static void pit(u32 count, u8 mode) {
  outb(0x43, 0x30 | mode << 1);
  outb(0x40, count);
  outb(0x40, count >> 8);
}

static void pics(void) {
  outb(0x20, 0x11); outb(0x21, 32); outb(0x21, 4); outb(0x21, 1);
  outb(0xa0, 0x11); outb(0xa1, 40); outb(0xa1, 2); outb(0xa1, 1);
  outb(0x21, 0xfe); outb(0xa1, 0xff);
  pit(1193, 2);
  wait_for(32, 3);
  outb(0x21, 0xff);
  puts("three ticks of the PIT through the 8259\n");
  outb(0x43, 0xe2); /* read back: status of counter 0 */
  line("  its status", inb(0x40) & 0x3f);
}

static void local_apic(void) {
  line("APIC version", apic[0x30 / 4] & 0xff);
  line("  ID", apic[0x20 / 4] >> 24);
  apic[0xf0 / 4] = 0x1ff;
  apic[0x80 / 4] = 0x20;
  line("  task priority", apic[0x80 / 4]);
  apic[0x80 / 4] = 0;
  apic[0x300 / 4] = 0x40000 | 49; /* to self */
  __asm__ volatile("sti; nop; nop; cli");
  line("  self-IPIs", seen[49]);
  apic[0x3e0 / 4] = 0xb;
  apic[0x320 / 4] = 50;
  apic[0x380 / 4] = 100000;
  wait_for(50, 1);
  apic[0x320 / 4] = 50 | 1 << 17;
  apic[0x380 / 4] = 20000;
  wait_for(50, 4);
  apic[0x380 / 4] = 0;
  puts("  one shot and three periods of its timer\n");
  u32 before = apic[0x390 / 4];
  line("  count when stopped", before);
}

static u32 io_read(u32 r) { ioapic[0] = r; return ioapic[4]; }
static void io_write(u32 r, u32 v) { ioapic[0] = r; ioapic[4] = v; }

static void io_apic(void) {
  line("I/O APIC entries", (io_read(1) >> 16 & 0xff) + 1);
  io_write(0x10 + 2 * 2 + 1, (apic[0x20 / 4] >> 24) << 24);
  io_write(0x10 + 2 * 2, 48);
  pit(1193, 2);
  wait_for(48, 3);
  io_write(0x10 + 2 * 2, 48 | 1 << 16);
  puts("  three ticks through pin 2\n");
  io_write(0x10 + 4 * 2, 51 | 1 << 15); /* the UART, level-triggered */
  io_write(0x10 + 4 * 2 + 1, (apic[0x20 / 4] >> 24) << 24);
  outb(COM1 + 1, 2);
  wait_for(51, 1);
  outb(COM1 + 1, 0);
  io_write(0x10 + 4 * 2, 51 | 1 << 16);
  line("  UART interrupts", seen[51]);
}

static void ports(void) {
  static const char text[] = "rep outsb\n";
  const char *p = text;
  u32 n = sizeof text - 1;
  __asm__ volatile("cld; rep outsb" : "+S"(p), "+c"(n) : "d"(COM1) : "memory");
  line("  left", n);
  outb(0x70, 0x8f);
  line("CMOS shutdown status", inb(0x71));
  outl(0xcf8, 0x80000000);
  line("PCI address reads back", inl(0xcf8));
  outb(0x92, inb(0x92) | 2);
  line("A20 is open", inb(0x92) >> 1 & 1);
  outb(0x510, 0); outb(0x511, 0);
  __asm__ volatile("outw %0, %1" ::"a"((u16)0), "d"((u16)0x510));
  char s[5] = {0};
  for (int i = 0; i < 4; i++) s[i] = inb(0x511);
  puts("fw_cfg says ");
  puts(s);
  putc('\n');
}

/* ---- several CPUs */

extern char trampoline[], trampoline_end[];
extern volatile u32 ap_number;
static volatile u32 awake, sum, lock;

static void acquire(void) { while (__atomic_exchange_n(&lock, 1, __ATOMIC_ACQUIRE)) __asm__ volatile("pause"); }
static void release(void) { __atomic_store_n(&lock, 0, __ATOMIC_RELEASE); }

void ap_main(void) {
  load_tables();
  load_paging();
  apic[0xf0 / 4] = 0x1ff;
  for (int i = 0; i < 100; i++) {
    acquire();
    sum = sum + 1;
    release();
  }
  __atomic_add_fetch(&awake, 1, __ATOMIC_SEQ_CST);
  for (;;) __asm__ volatile("sti; hlt");
}

static void delay(u32 ticks) { /* of the PIT's counter 2 */
  outb(0x61, (inb(0x61) & ~2) | 1);
  outb(0x43, 0xb0);
  outb(0x42, ticks);
  outb(0x42, ticks >> 8);
  while (!(inb(0x61) & 0x20)) {}
}

static u32 cpus(void) { /* by fw_cfg, as QEMU tells */
  __asm__ volatile("outw %0, %1" ::"a"((u16)5), "d"((u16)0x510));
  u32 low = inb(0x511);
  return low | inb(0x511) << 8;
}

static void processors(void) {
  u32 others = cpus() - 1;
  line("other CPUs", others);
  if (!others) return;
  char *to = (char *)0x8000;
  for (char *from = trampoline; from < trampoline_end;) *to++ = *from++;
  apic[0x310 / 4] = 0;
  apic[0x300 / 4] = 0xc4500; /* INIT to all others */
  delay(11932);
  apic[0x300 / 4] = 0xc4608;
  delay(239);
  apic[0x300 / 4] = 0xc4608;
  while (awake < others) __asm__ volatile("pause");
  line("  awake", awake);
  line("  sum under a lock", sum);
  delay(2390);
  apic[0x300 / 4] = 0xc0000 | 49; /* a fixed interrupt to all others */
  while (seen[49] < 1 + others) __asm__ volatile("pause");
  line("  interrupted", seen[49] - 1);
  apic[0x310 / 4] = 1 << 24;
  apic[0x300 / 4] = 49;
  while (seen[49] < 2 + others) __asm__ volatile("pause");
  puts("  and one of them alone\n");
}

struct multiboot { u32 flags, mem_lower, mem_upper, boot_device, cmdline, mods_count, mods_addr; };

void kernel_main(u32 magic, struct multiboot *info) {
  puts("kernel\n");
  line("multiboot", magic);
  if (info->flags & 4) {
    const char *word = (const char *)info->cmdline;
    while (*word && *word != ' ') word++;
    puts("arguments:");
    puts(word);
    putc('\n');
  }
  line("modules", info->flags & 8 ? info->mods_count : 0);
  for (u32 i = 0; i < info->mods_count; i++) {
    u32 *m = (u32 *)info->mods_addr + 4 * i;
    for (char *p = (char *)m[0]; p < (char *)m[1]; p++) putc(*p);
  }
  load_tables();
  gate(0, entry0); gate(3, entry3); gate(6, entry6); gate(13, entry13); gate(14, entry14); gate(32, entry32);
  gate(48, entry48); gate(49, entry49); gate(50, entry50); gate(51, entry51); gate(255, entry255);
  paging();
  load_paging();
  puts("paging is on\n");
  exceptions();
  pics();
  local_apic();
  io_apic();
  ports();
  processors();
  puts("done\n");
  outb(0xf4, 0);
  outl(0x604, 0x2000);
}
