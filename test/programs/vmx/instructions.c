/* VMX instructions and their errors; what the VMCS holds; the capability MSRs. */
#include "vmx.h"

static u64 region, one, two;
static const u16 fields[] = {
  0, 2, 0x800, 0x802, 0x804, 0x806, 0x808, 0x80A, 0x80C, 0x80E, 0x810, 0xC00, 0xC02, 0xC04, 0xC06, 0xC08, 0xC0A, 0xC0C,
  0x2000, 0x2002, 0x2004, 0x2006, 0x2008, 0x200A, 0x2010, 0x2012, 0x2014, 0x201A, 0x2400, 0x2800, 0x2802, 0x2804, 0x2806, 0x2808, 0x280A, 0x2C00, 0x2C02, 0x2C04,
  0x4000, 0x4002, 0x4004, 0x4006, 0x4008, 0x400A, 0x400C, 0x400E, 0x4010, 0x4012, 0x4014, 0x4016, 0x4018, 0x401A, 0x401C, 0x401E, 0x4402, 0x4404, 0x4406, 0x4408,
  0x440A, 0x440C, 0x440E, 0x4800, 0x4802, 0x4804, 0x4806, 0x4808, 0x480A, 0x480C, 0x480E, 0x4810, 0x4812, 0x4814, 0x4816, 0x4818, 0x481A, 0x481C, 0x481E, 0x4820,
  0x4822, 0x4824, 0x4826, 0x4828, 0x482A, 0x482E, 0x4C00, 0x6000, 0x6002, 0x6004, 0x6006, 0x6008, 0x600A, 0x600C, 0x600E, 0x6400, 0x6402, 0x6404, 0x6406, 0x6408,
  0x640A, 0x6800, 0x6802, 0x6804, 0x6806, 0x6808, 0x680A, 0x680C, 0x680E, 0x6810, 0x6812, 0x6814, 0x6816, 0x6818, 0x681A, 0x681C, 0x681E, 0x6820, 0x6822, 0x6824,
  0x6826, 0x6C00, 0x6C02, 0x6C04, 0x6C06, 0x6C08, 0x6C0A, 0x6C0C, 0x6C0E, 0x6C10, 0x6C12, 0x6C14, 0x6C16,
};
static u64 value(u16 f, u8 cookie)
{
  u64 v = cookie | f << 8 | 0xDEADBEEFul << 32;
  if ((f >> 13) == 0) return v & 0xFFFF;
  if (f >= 0x4814 && f <= 0x4822) return v & (f == 0x4816 ? 0x1F0FF : 0x1D0FF);
  return (f >> 13) == 2 ? (u32)v : v;
}
static int read_only(u16 f) { return (f >> 10 & 3) == 1 && !(rdmsr(0x485) >> 29 & 1); }
static void fill(u8 cookie) { for (u32 i = 0; i < COUNT(fields); i++) vmw(fields[i], value(fields[i], cookie)); }
static void hold(u8 cookie, const char *what)
{
  for (u32 i = 0; i < COUNT(fields); i++) {
    u64 v;
    if (vmr(fields[i], &v) || read_only(fields[i])) continue;
    if (fields[i] >= 0x4814 && fields[i] <= 0x4822) v &= fields[i] == 0x4816 ? 0x1F0FF : 0x1D0FF;
    if (v != value(fields[i], cookie)) { equal(v, value(fields[i], cookie), what); say("  field "); hex(fields[i]); say("\n"); return; }
  }
  check(1, what);
}
static u64 region_of(u32 id) { u32 *p = page(); *p = id; return (u64)p; }
static void copy(u64 to, u64 from) { for (int i = 0; i < 512; i++) ((u64 *)to)[i] = ((u64 *)from)[i]; }

static void feature_control(void)
{
  u64 at = region_of(revision), fc = rdmsr(0x3A);
  equal(FAULTS("vmxoff", 6), 1, "VMXOFF without CR4.VMXE is #UD");
  wcr4(rcr4() | 1 << 13);
  if (!(fc & 1)) {
    u64 t = at;
    wrmsr(0x3A, 0);
    equal(({ u32 b = seen[13]; ASM("lea 1f(%%rip), %%rax; mov %%rax, resume_at; vmxon %0; 1: movq $0, resume_at" ::"m"(t) : "rax", "memory", "cc"); seen[13] - b; }), 1, "VMXON with IA32_FEATURE_CONTROL 0 is #GP");
    wrmsr(0x3A, 4);
    equal(({ u32 b = seen[13]; ASM("lea 1f(%%rip), %%rax; mov %%rax, resume_at; vmxon %0; 1: movq $0, resume_at" ::"m"(t) : "rax", "memory", "cc"); seen[13] - b; }), 1, "VMXON with it not locked is #GP");
    wrmsr(0x3A, 5);
    equal(rdmsr(0x3A) & 5, 5, "IA32_FEATURE_CONTROL");
  }
  equal(FAULTS("mov $0x3A, %%ecx; xor %%eax, %%eax; xor %%edx, %%edx; wrmsr", 13), 1, "a locked IA32_FEATURE_CONTROL is #GP");
}

static void sweep(void)
{
  u32 highest = 0, present = 0, most = rdmsr(0x48A) >> 1 & 0x1FF;
  u64 v;
  fill(0x42); hold(0x42, "VMWRITE, VMREAD");
  for (u32 e = 0; e < 0x8000; e++) {
    if ((e >> 1 & 0x1FF) > 0x3F && (e >> 1 & 0x1FF) != 0x1FF) continue; /* no VMCS has as many */
    if (vmr(e, &v)) { if (rd(ERROR) != 12) { equal(rd(ERROR), 12, "VMREAD of no field"); return; } continue; }
    if (!(e & 1)) { present++; if ((e >> 1 & 0x1FF) > highest) highest = e >> 1 & 0x1FF; }
    else if (e >> 13 != 1) { equal(e, 0, "a high half of what has none"); return; }
  }
  check(present > 100, "fields");
  equal(highest, most, "IA32_VMX_VMCS_ENUM");
  check(vmr(1ul << 32 | 0x6800, &v) == 0x40 && rd(ERROR) == 12, "VMREAD of an encoding of more than 32 bits");
  equal(vmw(0x7000, 0), 0x40, "VMWRITE of no field"); equal(rd(ERROR), 12, "its error");
  equal(vmw(REASON, 5), rdmsr(0x485) >> 29 & 1 ? 0 : 0x40, "VMWRITE of a read-only field");
  if (!(rdmsr(0x485) >> 29 & 1)) equal(rd(ERROR), 13, "its error");
  wr(TSC_OFFSET, 0x0123456789ABCDEF); equal(rd(TSC_OFFSET + 1), 0x01234567, "the high half");
  wr(TSC_OFFSET + 1, 0x76543210); equal(rd(TSC_OFFSET), 0x7654321089ABCDEF, "written in halves");
  wr(0x4006, 0x1234567890); equal(rd(0x4006), 0x34567890, "a field of 32 bits takes 32");
  wr(0x800, 0x12345); equal(rd(0x800), 0x2345, "a field of 16 bits takes 16");
}

static void flags(void)
{
  u64 hole = 0x7F0000000000; /* not mapped */
  for (int i = 0; i < 2; i++) {
    u8 byte = i ? 0x45 : 0x91;
    u32 before = seen[14];
    ASM("lea 1f(%%rip), %%rax; mov %%rax, resume_at; mov %0, %%ah; sahf; vmread %1, (%2); 1: movq $0, resume_at" ::"b"(byte), "r"((u64)SS), "r"(hole) : "rax", "memory", "cc");
    equal(seen[14] - before, 1, "VMREAD to a page not mapped"); equal(last_error, 2, "its error code"); equal(last_flags & 0xFF, (byte | 2) & 0xD7, "its flags");
    ASM("lea 1f(%%rip), %%rax; mov %%rax, resume_at; mov %0, %%ah; sahf; vmwrite (%2), %1; 1: movq $0, resume_at" ::"b"(byte), "r"((u64)SS), "r"(hole) : "rax", "memory", "cc");
    equal(seen[14] - before, 2, "VMWRITE from a page not mapped"); equal(last_error, 0, "its error code"); equal(last_flags & 0xFF, (byte | 2) & 0xD7, "its flags");
  }
}

void instructions(void)
{
  u32 r[4], r1[4], width;
  u64 v;
  cpuid(1, 0, r1); cpuid(1, 0, r); check(r[2] >> 5 & 1, "CPUID.1:ECX.VMX");
  cpuid(0x80000008, 0, r); width = r[0] & 0xFF;
  feature_control();
  region = region_of(revision);
  equal(vmxon(region + 1), 1, "VMXON not aligned"); equal(vmxon(region | 1ul << (width + 1)), 1, "VMXON beyond the width");
  *(u32 *)region = 0xBA9DA9; equal(vmxon(region), 1, "VMXON with another revision");
  *(u32 *)region = revision | 1u << 31; equal(vmxon(region), 1, "VMXON with bit 31");
  *(u32 *)region = revision; equal(vmxon(region), 0, "VMXON");
  equal(vmptrst(&v), 0, "VMPTRST"); equal(v, ~0ul, "no current VMCS");
  equal(vmxon(region), 1, "VMXON in root mode without a VMCS"); equal(vmr(SS, &v), 1, "VMREAD without a VMCS");
  { u64 f; ASM("stc; vmlaunch; pushf; pop %0" : "=r"(f)::"cc"); equal(f & 0x41, 1, "VMLAUNCH without a VMCS"); }
  equal(FAULTS("mov %%cr4, %%rax; btr $13, %%rax; mov %%rax, %%cr4", 13), 1, "clearing CR4.VMXE in VMX operation is #GP");
  equal(FAULTS("mov %%cr0, %%rax; btr $5, %%rax; mov %%rax, %%cr0", 13), 1, "clearing CR0.NE in VMX operation is #GP");
  one = region_of(revision); two = region_of(revision);
  equal(vmclear(one), 0, "VMCLEAR"); equal(vmptrld(one), 0, "VMPTRLD"); vmptrst(&v); equal(v, one, "VMPTRST");
  equal(vmxon(region), 0x40, "VMXON in root mode"); equal(rd(ERROR), 15, "its error");
  if (!(r1[2] >> 31)) { u64 f; ASM("stc; vmcall; pushf; pop %0" : "=r"(f)::"cc"); equal(f & 0x41, 0x40, "VMCALL in root mode"); equal(rd(ERROR), 1, "its error"); }
  equal(vmclear(one + 1), 0x40, "VMCLEAR not aligned"); equal(rd(ERROR), 2, "its error");
  equal(vmclear(one | 1ul << (width + 1)), 0x40, "VMCLEAR beyond the width"); equal(rd(ERROR), 2, "its error");
  equal(vmclear(region), 0x40, "VMCLEAR of the VMXON region"); equal(rd(ERROR), 3, "its error");
  equal(vmptrld(two + 1), 0x40, "VMPTRLD not aligned"); equal(rd(ERROR), 9, "its error");
  equal(vmptrld(two | 1ul << (width + 1)), 0x40, "VMPTRLD beyond the width"); equal(rd(ERROR), 9, "its error");
  equal(vmptrld(region), 0x40, "VMPTRLD of the VMXON region"); equal(rd(ERROR), 10, "its error");
  *(u32 *)two = revision + 1; equal(vmptrld(two), 0x40, "VMPTRLD of another revision"); equal(rd(ERROR), 11, "its error"); *(u32 *)two = revision;
  sweep(); flags();
  vmclear(one); vmptrld(one); fill(0); hold(0, "0"); vmclear(one); vmptrst(&v); equal(v, ~0ul, "VMCLEAR of the current VMCS leaves none");
  vmptrld(one); hold(0, "cleared and loaded"); vmclear(two); hold(0, "the other cleared"); vmptrld(two); fill(1); hold(1, "the other"); vmptrld(one); hold(0, "the first again");
  vmptrld(two); hold(1, "the other again"); vmclear(one); fill(2); vmptrld(two); hold(2, "loaded twice");
  { u64 three = region_of(revision); fill(0x86); vmclear(two); copy(three, two); vmptrld(three); hold(0x86, "a copy of a cleared region"); fill(0x87); vmptrld(two); vmclear(three); copy(one, three); vmptrld(one); hold(0x87, "a copy of one not current"); }
}

static void control_msr(u32 index, u32 true_index, u32 default1, const char *what)
{
  u64 m = rdmsr(index), t = rdmsr(true_index);
  check(((u32)m & default1) == default1 && !((u32)m & ~(u32)(m >> 32)), what);
  if (rdmsr(0x480) >> 55 & 1) { equal(m >> 32, t >> 32, what); equal((u32)m, (u32)t | default1, what); }
}

void capabilities(void)
{
  u64 b = rdmsr(0x480), m = rdmsr(0x485), e;
  check(!(b >> 31 & 1) && (b >> 32 & 0x1FFF) > 0 && (b >> 32 & 0x1FFF) <= 4096, "IA32_VMX_BASIC");
  check(((b >> 50 & 15) == 6 || !(b >> 50 & 15)) && !(b >> 45 & 7) && !(b >> 57), "its reserved bits");
  check(!can(CPU2, 1 << 7) || m & 1 << 5, "unrestricted guest wants IA32_VMX_MISC[5]"); check((m >> 16 & 0x1FF) <= 256 && !(m & 0x80007E00), "IA32_VMX_MISC");
  control_msr(0x481, 0x48D, 0x16, "pin"); control_msr(0x482, 0x48E, 0x401E172, "processor"); control_msr(0x483, 0x48F, 0x36DFF, "exit"); control_msr(0x484, 0x490, 0x11FF, "entry");
  check(!(u32)rdmsr(0x48B), "secondary");
  equal((rdmsr(0x486) ^ rdmsr(0x487)) & ~rdmsr(0x487), 0, "CR0 fixed"); equal((rdmsr(0x488) ^ rdmsr(0x489)) & ~rdmsr(0x489), 0, "CR4 fixed");
  check((rdmsr(0x48A) & 0x3FE) >= 0x2A && !(rdmsr(0x48A) & ~0x3FEul), "IA32_VMX_VMCS_ENUM");
  e = rdmsr(0x48C);
  equal(e & ~(1ul | 3 << 6 | 1 << 8 | 1 << 14 | 1 << 16 | 1 << 17 | 1 << 20 | 1 << 21 | 1 << 22 | 1 << 25 | 1 << 26 | 1ul << 32 | 15ul << 40), 0, "IA32_VMX_EPT_VPID_CAP");
  equal(FAULTS("mov $0x480, %%ecx; xor %%eax, %%eax; xor %%edx, %%edx; wrmsr", 13), 1, "WRMSR of a capability MSR is #GP");
}
