/**
 * Instructions that no user program can ask a processor about, by the SDM's page of each ("Operation", "Protected Mode Exceptions"):
 * what they do in ring 0 of 64-bit mode, and what they raise.
 */

import { describe, expect, test } from 'vitest'
import { type CpuFeature, DEFAULT_CPU_FEATURES } from '../../src/spec/cpu-models.ts'
import { runBare } from '../hw/bare.ts'

const [RCX, RBX, RSI, RDI, R8] = [1, 3, 6, 7, 8]
const FLAGS = { CF: 1n, AC: 0x4_0000n, others: 0x8d4n } as const

const withFeatures = (...added: CpuFeature[]) => ({ features: [...DEFAULT_CPU_FEATURES, ...added] })

/** The vector of the exception that a program raises; undefined for none. Nothing handles it: shutdown names the first vector. */
const firstFault = (body: string, options = {}): number | undefined =>
  runBare(body, options).events.flatMap(event => (event.kind === 'shutdown' ? [event.vector] : []))[0]

const SET_CR4 = (bits: string): string => `mov rax, cr4\nor rax, ${bits}\nmov cr4, rax\n`
const OSXSAVE = SET_CR4('1 << 18')
/** Ring 3 by IRETQ: the boot GDT is given two segments for it, and pages are opened to it. */
const TO_RING3 = `
        mov     rax, 0x00affb000000ffff
        mov     [0x1030], rax
        mov     rax, 0x00cff3000000ffff
        mov     [0x1028], rax
        sgdt    [0x300000]
        mov     word [0x300000], 0x37
        lgdt    [0x300000]
        or      byte [0x3000], 4
        or      byte [0x4000], 4
        mov     ecx, 8
        mov     edi, 0x5000
.open:  or      byte [rdi], 4
        add     edi, 8
        loop    .open
        mov     rax, cr3
        mov     cr3, rax
        push    0x2b
        push    0x70000
        push    2
        push    0x33
        lea     rax, [.user]
        push    rax
        iretq
.user:
`

describe('time and identity', () => {
  test('RDTSC gives the counter in EDX:EAX, and RDTSCP IA32_TSC_AUX besides', () => {
    const run = runBare('write_msr MSR_TSC_AUX, 0x55\nrdtsc\nshl rdx, 32\nlea rsi, [rax + rdx]\nrdtscp\nshl rdx, 32\nlea rdi, [rax + rdx]')
    expect(run.gpr(RDI)).toBeGreaterThan(run.gpr(RSI))
    expect(run.gpr(RCX)).toBe(0x55n)
  })
  test('RDPID reads IA32_TSC_AUX', () => {
    expect(runBare('write_msr MSR_TSC_AUX, 0x77\nrdpid rbx').gpr(RBX)).toBe(0x77n)
  })
  test('RDTSC in ring 3 is #GP where CR4.TSD is set', () => {
    expect(firstFault(`${SET_CR4('4')}${TO_RING3}rdtsc`)).toBe(13)
    expect(firstFault(`${TO_RING3}rdtsc\nhlt`)).toBe(13) // the HLT
  })
  test('SERIALIZE changes nothing', () => {
    expect(runBare('mov ebx, 5\nstc\nserialize\nadc ebx, 0').gpr(RBX)).toBe(6n)
  })
  test('RDPMC raises #GP: no counter exists', () => {
    expect(firstFault('xor ecx, ecx\nrdpmc')).toBe(13)
  })
})

describe('RDRAND and RDSEED', () => {
  const draw = (randomSeed: number): readonly bigint[] => {
    const run = runBare('rdrand rsi\nrdseed rdi\npushfq\npop rbx', { randomSeed })
    return [run.gpr(RSI), run.gpr(RDI), run.gpr(RBX)]
  }
  test('set CF, clear the other status flags and give different numbers', () => {
    const [first, second, flags] = draw(1) as [bigint, bigint, bigint]
    expect(first).not.toBe(second)
    expect(flags & (FLAGS.CF | FLAGS.others)).toBe(FLAGS.CF)
  })
  test('repeat themselves with the same seed, and only then', () => {
    expect(draw(7)).toEqual(draw(7))
    expect(draw(7)[0]).not.toBe(draw(8)[0])
  })
  test('write as wide as their operand', () => {
    expect(runBare('mov rsi, -1\nrdrand si\nshr rsi, 16').gpr(RSI)).toBe(0xffff_ffff_ffffn)
    expect(runBare('mov rsi, -1\nrdseed esi\nshr rsi, 32').gpr(RSI)).toBe(0n)
  })
})

describe('descriptor tables', () => {
  test('SGDT and SIDT store limit and base', () => {
    const run = runBare('sgdt [0x300000]\nmovzx esi, word [0x300000]\nmov rdi, [0x300002]\nsidt [0x300010]\nmovzx ebx, word [0x300010]')
    expect([run.gpr(RSI), run.gpr(RDI), run.gpr(RBX)]).toEqual([39n, 0x1000n, 0n])
  })
  test('LGDT and LIDT load them', () => {
    const run = runBare('mov word [0x300000], 0x1ff\nmov qword [0x300002], 0x301000\nlidt [0x300000]\nsidt [0x300010]\nmov rdi, [0x300012]')
    expect(run.gpr(RDI)).toBe(0x30_1000n)
    expect(firstFault('mov rax, 1 << 60\nmov [0x300002], rax\nlgdt [0x300000]')).toBe(13)
  })
  test('SLDT and STR store the selectors; LLDT takes the null one', () => {
    const run = runBare('mov rbx, -1\nstr bx\nmov rsi, -1\nsldt esi\nxor eax, eax\nlldt ax\nstr edi')
    expect([run.gpr(RBX), run.gpr(RSI), run.gpr(RDI)]).toEqual([0xffff_ffff_ffff_0018n, 0n, 0x18n])
  })
  test('LTR of a TSS that is busy already, and LLDT of what is no LDT, are #GP', () => {
    expect(firstFault('mov eax, 0x18\nltr ax')).toBe(13)
    expect(firstFault('mov eax, 0x10\nlldt ax')).toBe(13)
  })
  test.each(['sgdt [rsp - 32]', 'sidt [rsp - 32]', 'sldt eax', 'str eax', 'smsw eax'])(
    '%s in ring 3 is #GP under CR4.UMIP',
    instruction => {
      expect(firstFault(`${SET_CR4('1 << 11')}${TO_RING3}${instruction}\nud2`)).toBe(13)
      expect(firstFault(`${TO_RING3}${instruction}\nud2`)).toBe(6)
    },
  )
})

describe('privileged instructions', () => {
  test.each(['wbinvd', 'invd', 'wbnoinvd', 'clts', 'swapgs', 'invlpg [rsp]', 'hlt', 'rdmsr', 'wrmsr', 'wrmsrns', 'invpcid rax, [rsp]'])(
    '%s in ring 3 is #GP',
    instruction => expect(firstFault(`${TO_RING3}xor eax, eax\n${instruction}`)).toBe(13),
  )
  test('WBINVD, INVD and WBNOINVD do nothing that software sees: there are no caches', () => {
    expect(runBare('mov ebx, 3\nwbinvd\ninvd\nwbnoinvd\ninc ebx').gpr(RBX)).toBe(4n)
  })
  test('SWAPGS exchanges the base of GS and IA32_KERNEL_GS_BASE', () => {
    const run = runBare(
      'write_msr MSR_GS_BASE, 0x1111\nwrite_msr MSR_KERNEL_GS_BASE, 0x2222\nswapgs\nread_msr MSR_GS_BASE\nmov rsi, rax\nread_msr MSR_KERNEL_GS_BASE\nmov rdi, rax',
    )
    expect([run.gpr(RSI), run.gpr(RDI)]).toEqual([0x2222n, 0x1111n])
  })
  test('STAC sets AC, CLAC clears it, and in ring 3 they are #UD', () => {
    const run = runBare('stac\npushfq\npop rsi\nclac\npushfq\npop rdi')
    expect([run.gpr(RSI) & FLAGS.AC, run.gpr(RDI) & FLAGS.AC]).toEqual([FLAGS.AC, 0n])
    expect(firstFault(`${TO_RING3}stac`)).toBe(6)
    expect(firstFault(`${TO_RING3}clac`)).toBe(6)
  })
  test.each(['monitor', 'mwait'])('%s is #UD in ring 3', instruction => {
    expect(firstFault(`xor ecx, ecx\nmov eax, 0x300000\n${instruction}`)).toBeUndefined()
    expect(firstFault(`${TO_RING3}xor ecx, ecx\n${instruction}`)).toBe(6)
  })
  test('INVPCID of a type beyond 3 is #GP', () => {
    expect(firstFault('mov eax, 4\ninvpcid rax, [0x300000]')).toBe(13)
    expect(firstFault('mov eax, 2\ninvpcid rax, [0x300000]')).toBeUndefined()
  })
  test('WRMSRNS writes as WRMSR does', () => {
    expect(runBare('mov ecx, MSR_TSC_AUX\nmov eax, 9\nxor edx, edx\nwrmsrns\nread_msr MSR_TSC_AUX\nmov rdi, rax').gpr(RDI)).toBe(9n)
  })
})

describe('instructions that this CPU does not have', () => {
  test.each(['rsm', 'rdpkru', 'wrpkru', 'emms', 'ud0 eax, eax', 'vmcall', 'vmfunc'])('%s is #UD', instruction => {
    expect(firstFault(instruction)).toBe(6)
  })
})

describe('extended state', () => {
  test('XGETBV and XSETBV are #UD until CR4.OSXSAVE, which CPUID shows', () => {
    expect(firstFault('xor ecx, ecx\nxgetbv')).toBe(6)
    expect(firstFault('xor ecx, ecx\nxsetbv')).toBe(6)
    const run = runBare(`${OSXSAVE}mov eax, 1\ncpuid\nmov esi, ecx\nxor ecx, ecx\nxgetbv\nmov rdi, rax\nmov r8, rdx`)
    expect([(run.gpr(RSI) >> BigInt(27)) & 1n, run.gpr(RDI), run.gpr(R8)]).toEqual([1n, 1n, 0n])
  })
  const set = (value: number): string => `${OSXSAVE}xor ecx, ecx\nxor edx, edx\nmov eax, ${value}\nxsetbv\nxgetbv\nmov rdi, rax`
  test('XSETBV wants x87 state always and AVX state with SSE state, and nothing that the CPU lacks', () => {
    expect(runBare(set(3)).gpr(RDI)).toBe(3n)
    expect(runBare(set(7), withFeatures('avx')).gpr(RDI)).toBe(7n)
    for (const value of [0, 2, 5, 7, 0x200]) expect(firstFault(set(value))).toBe(13)
    expect(firstFault(set(5), withFeatures('avx'))).toBe(13)
    expect(firstFault(`${set(3)}\nmov ecx, 1\nxsetbv`)).toBe(13)
  })
  test('XGETBV of 1 tells which components are in use', () => {
    const body = `${SET_CR4('1 << 9')}${set(3)}\nmov ecx, 1\nxgetbv\nmov esi, eax\nmov ebx, 5\nmovd xmm0, ebx\nxgetbv\nmov rdi, rax`
    const run = runBare(body)
    expect([run.gpr(RSI), run.gpr(RDI)]).toEqual([0n, 2n])
  })
  test('XSAVES writes the compacted format, and XRSTORS takes nothing else', () => {
    const save = 'mov edi, 0x300000\nmov eax, 3\nxor edx, edx'
    const body = `${SET_CR4('1 << 9')}${set(3)}\nmov ebx, 5\nmovd xmm0, ebx\n${save}\nxsaves [rdi]\nmov rsi, [rdi + 512]\nmov r8, [rdi + 520]\nxorps xmm0, xmm0\nxrstors [rdi]\nmovd ebx, xmm0`
    const run = runBare(body)
    expect([run.gpr(RSI), run.gpr(R8), run.gpr(RBX)]).toEqual([2n, (1n << 63n) | 3n, 5n])
    expect(firstFault(`${set(3)}\n${save}\nxsave [rdi]\nxrstors [rdi]`)).toBe(13)
    expect(firstFault(`${set(3)}\n${TO_RING3}\n${save}\nxsaves [rdi]`)).toBe(13)
  })
  test('AVX instructions are #UD until XCR0 has SSE and AVX state', () => {
    expect(firstFault(`${SET_CR4('1 << 9')}${set(3)}\nvzeroupper`, withFeatures('avx'))).toBe(6)
    expect(firstFault(`${SET_CR4('1 << 9')}${set(7)}\nvzeroupper`, withFeatures('avx'))).toBeUndefined()
  })
  test('XSAVE raises #NM with CR0.TS, and FXSAVE #UD with CR0.EM', () => {
    expect(firstFault(`${set(3)}\nmov rax, cr0\nor eax, 8\nmov cr0, rax\nxsave [0x300000]`)).toBe(7)
    expect(firstFault('mov rax, cr0\nor eax, 4\nmov cr0, rax\nfxsave [0x300000]')).toBe(6)
  })
})

describe('VMX instructions outside VMX operation', () => {
  test.each([
    'vmxoff',
    'vmclear [rsp]',
    'vmptrld [rsp]',
    'vmptrst [rsp]',
    'vmwrite rax, rcx',
    'vmlaunch',
    'vmresume',
    'invept rax, [rsp]',
    'invvpid rax, [rsp]',
  ])('%s is #UD', instruction => expect(firstFault(`${SET_CR4('1 << 13')}${instruction}`)).toBe(6))
})
