/*
 * Runs instructions on the processor under it, one case after another: standard input has the cases, standard output what became of
 * them (the records are described in records.ts). Each case has a page of its own code, filled up with INT3 so that a branch that
 * lands there is seen, two pages of data between pages that are not mapped, and all registers set. A fault is a signal, and its
 * frame tells the rest. Compatibility mode is entered by a far jump: the kernel's 32-bit segment, or 16-bit ones of the LDT.
 *
 * gcc -O1 -static -no-pie -fno-stack-protector harness.c
 */
#define _GNU_SOURCE
#include <asm/ldt.h>
#include <asm/prctl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <ucontext.h>
#include <unistd.h>

#define CODE 0x10000000UL
#define START 0x100
#define DATA 0x10100000UL
#define DATA_BYTES 8192
#define GS_BASE 0x40UL

enum { FELL_THROUGH, BRANCHED, FAULTED, HUNG };

struct state { uint64_t gpr[16], flags; };
struct state state;
uint64_t saved_rsp, saved_fs, entry;
struct __attribute__((packed)) { uint32_t offset; uint16_t selector; } far_entry;
uint8_t area[1024] __attribute__((aligned(64)));
uint8_t uses_vectors;
uint32_t mxcsr = 0x1f80;

void enter(void);
void leave(void);
void resume(void);

#define EACH(op) \
  op("rax", "0") op("rcx", "8") op("rdx", "16") op("rbx", "24") op("rbp", "40") op("rsi", "48") op("rdi", "56") op("r8", "64") \
  op("r9", "72") op("r10", "80") op("r11", "88") op("r12", "96") op("r13", "104") op("r14", "112") op("r15", "120")
#define LOAD(r, o) " mov state+" o "(%rip),%" r "\n"
#define STORE(r, o) " mov %" r ",state+" o "(%rip)\n"

__asm__(
  ".globl enter\nenter:\n push %rbx\n push %rbp\n push %r12\n push %r13\n push %r14\n push %r15\n mov %rsp,saved_rsp(%rip)\n"
  " cmpb $0,uses_vectors(%rip)\n je 1f\n mov $7,%eax\n xor %edx,%edx\n xrstor64 area(%rip)\n1:\n"
  " pushq state+128(%rip)\n popfq\n jmp *dispatch(%rip)\n"
  ".globl enter_near\nenter_near:\n" EACH(LOAD) " mov state+32(%rip),%rsp\n jmp *entry(%rip)\n"
  ".globl enter_far\nenter_far:\n" EACH(LOAD) " mov state+32(%rip),%rsp\n ljmp *far_entry(%rip)\n"
  ".globl leave\nleave:\n" EACH(STORE) " mov %rsp,state+32(%rip)\n mov saved_rsp(%rip),%rsp\n pushfq\n popq state+128(%rip)\n pushq $0x202\n popfq\n"
  " cmpb $0,uses_vectors(%rip)\n je resume\n mov $7,%eax\n xor %edx,%edx\n xsave64 area(%rip)\n"
  ".globl resume\nresume:\n cld\n fninit\n ldmxcsr mxcsr(%rip)\n mov saved_fs(%rip),%rax\n mov $0x2b,%edx\n mov %edx,%ss\n mov %edx,%ds\n mov %edx,%es\n"
  " xor %edx,%edx\n mov %edx,%fs\n wrfsbase %rax\n"
  " pop %r15\n pop %r14\n pop %r13\n pop %r12\n pop %rbp\n pop %rbx\n ret\n");
uint64_t dispatch;
void enter_near(void);
void enter_far(void);

static volatile uint8_t kind, vector;
static volatile uint32_t error;
static volatile uint64_t fault_address, rip;

static void on_signal(int number, siginfo_t *info, void *context) {
  __asm__ volatile("wrfsbase %0" ::"r"(saved_fs));
  greg_t *g = ((ucontext_t *)context)->uc_mcontext.gregs;
  static const int order[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                                REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
  kind = number == SIGVTALRM ? HUNG : FAULTED;
  vector = g[REG_TRAPNO];
  error = g[REG_ERR];
  fault_address = g[REG_CR2];
  rip = g[REG_RIP];
  for (int i = 0; i < 16; i++) state.gpr[i] = g[order[i]];
  state.flags = g[REG_EFL];
  /* All but RSP, RIP and the segments is thrown away: the case is over. */
  g[REG_RIP] = (greg_t)resume;
  g[REG_RSP] = saved_rsp;
  g[REG_EFL] = 0x202;
  g[REG_CSGSFS] = (g[REG_CSGSFS] & 0x0000ffffffff0000L) | 0x33 | (0x2bL << 48);
  (void)info;
}

static void make_segment(int entry_number, unsigned long base, int contents) {
  struct user_desc d;
  memset(&d, 0, sizeof d);
  d.entry_number = entry_number;
  d.base_addr = base;
  d.limit = 0xffff;
  d.contents = contents;
  d.useable = 1;
  if (syscall(SYS_modify_ldt, 0x11, &d, sizeof d) != 0) exit(4);
}

static void must_read(void *to, size_t bytes) {
  if (fread(to, 1, bytes, stdin) != bytes) exit(5);
}

int main(int count, char **arguments) {
  /* The heap must not lie where the cases do. */
  (void)count;
  if (!(personality(0xffffffff) & ADDR_NO_RANDOMIZE)) {
    personality(ADDR_NO_RANDOMIZE);
    execv("/proc/self/exe", arguments);
  }
  static const int signals[] = {SIGSEGV, SIGFPE, SIGILL, SIGBUS, SIGTRAP, SIGVTALRM};
  stack_t alternate = {.ss_sp = malloc(1 << 16), .ss_size = 1 << 16};
  struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
  sigaltstack(&alternate, 0);
  for (unsigned i = 0; i < sizeof signals / sizeof *signals; i++) sigaction(signals[i], &action, 0);
  syscall(SYS_arch_prctl, ARCH_GET_FS, &saved_fs);
  uint8_t *code = mmap((void *)CODE, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_FIXED_NOREPLACE | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  uint8_t *data = mmap((void *)DATA, DATA_BYTES, PROT_READ | PROT_WRITE, MAP_FIXED_NOREPLACE | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (code != (void *)CODE || data != (void *)DATA) return 3;
  make_segment(0, CODE, MODIFY_LDT_CONTENTS_CODE);
  make_segment(1, DATA, MODIFY_LDT_CONTENTS_DATA);
  static uint8_t before[DATA_BYTES];
  struct __attribute__((packed)) { uint8_t mode, vectors, length, windows; } head;
  while (fread(&head, sizeof head, 1, stdin) == 1) {
    memset(code, 0xcc, 4096);
    must_read(code + START, 16);
    memset(code + START + head.length, 0xcc, 16 - head.length);
    must_read(&state, sizeof state);
    uses_vectors = head.vectors;
    memset(area, 0, sizeof area);
    if (head.vectors) {
      must_read(area + 24, 4);
      must_read(area, 4);
      must_read(area + 160, 256);
      must_read(area + 576, 256);
      area[512] = 7;
    }
    memset(before, 0, DATA_BYTES);
    for (int i = 0; i < head.windows; i++) {
      uint16_t place[2];
      must_read(place, 4);
      must_read(before + place[0], place[1]);
    }
    memcpy(data, before, DATA_BYTES);
    uint8_t *p = code + START + head.length;
    uint32_t target = (uint32_t)(uintptr_t)leave;
    if (head.mode == 0) {
      uint64_t wide = target;
      memcpy(p, (uint8_t[]){0xff, 0x25, 0, 0, 0, 0}, 6);
      memcpy(p + 6, &wide, 8);
    } else {
      if (head.mode == 2) *p++ = 0x66;
      *p = 0xea;
      memcpy(p + 1, &target, 4);
      memcpy(p + 5, (uint8_t[]){0x33, 0}, 2);
    }
    entry = CODE + START;
    far_entry.offset = head.mode == 2 ? START : CODE + START;
    far_entry.selector = head.mode == 2 ? 0x07 : 0x23;
    dispatch = head.mode == 0 ? (uint64_t)enter_near : (uint64_t)enter_far;
    kind = FELL_THROUGH;
    vector = 0;
    error = 0;
    fault_address = rip = 0;
    struct itimerval limit = {.it_value = {.tv_sec = 1}};
    static unsigned cases;
    if ((cases++ & 1023) == 0) setitimer(ITIMER_VIRTUAL, &limit, 0);
    __asm__ volatile("mov %0,%%ds\n mov %0,%%es\n mov %1,%%gs\n wrgsbase %2\n wrfsbase %3" ::"r"(head.mode == 2 ? 0x0f : 0x2b), "r"(0), "r"(GS_BASE), "r"(0L));
    if (head.mode == 2) {
      /* The stack segment changes with the mode. */
      extern void enter16(void);
      enter16();
    } else
      enter();
    /* A branch shows itself by where the next fetch traps: in the filling, or in a page that is not there. */
    uint64_t base = head.mode == 2 ? CODE : 0;
    uint64_t start = CODE + START - base;
    if (kind == FAULTED) {
      uint64_t landed = vector == 3 ? rip - 1 : rip;
      int own = vector == 3 ? (rip == start + head.length) : rip == start;
      if (!own && (vector == 3 || (vector == 14 && (error & 16)))) kind = BRANCHED, rip = landed, vector = 0, error = 0, fault_address = 0;
    }
    struct __attribute__((packed)) { uint8_t kind, vector; uint16_t runs; uint32_t error; uint64_t address, rip; struct state state; } out;
    out.kind = kind;
    out.vector = vector;
    out.error = error;
    out.address = vector == 14 ? fault_address : 0;
    out.rip = rip;
    out.state = state;
    static uint8_t runs[3 * DATA_BYTES];
    size_t used = 0;
    out.runs = 0;
    for (unsigned i = 0; i < DATA_BYTES; i++) {
      if (data[i] == before[i]) continue;
      unsigned end = i + 1;
      while (end < DATA_BYTES && data[end] != before[end]) end++;
      uint16_t place[2] = {i, end - i};
      memcpy(runs + used, place, 4);
      memcpy(runs + used + 4, data + i, end - i);
      used += 4 + end - i;
      out.runs++;
      i = end;
    }
    fwrite(&out, sizeof out, 1, stdout);
    if (head.vectors) {
      fwrite(area + 24, 4, 1, stdout);
      fwrite(area, 8, 1, stdout);
      fwrite(area + 160, 256, 1, stdout);
      fwrite(area + 576, 256, 1, stdout);
    }
    fwrite(runs, 1, used, stdout);
  }
  return 0;
}

__asm__(
  ".globl enter16\nenter16:\n push %rbx\n push %rbp\n push %r12\n push %r13\n push %r14\n push %r15\n mov %rsp,saved_rsp(%rip)\n"
  " cmpb $0,uses_vectors(%rip)\n je 1f\n mov $7,%eax\n xor %edx,%edx\n xrstor64 area(%rip)\n1:\n"
  " pushq state+128(%rip)\n popfq\n" EACH(LOAD)
  /* MOV SS holds back interrupts until the next instruction is done; RSP is loaded by it. */
  " mov stack16(%rip),%ss\n mov state+32(%rip),%rsp\n ljmp *far_entry(%rip)\n");
uint16_t stack16 = 0x0f;
