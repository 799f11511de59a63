/**
 * The Linux boot protocols (Linux, Documentation/arch/x86/boot.rst), bare and under KVM: a bzImage made here tells on port 0xE9 what it finds by
 * the rules of "32-bit Boot Protocol" or "64-bit Boot Protocol" and of zero-page.rst, which its code checks itself.
 */

import { describe, expect, test } from 'vitest'
import { assemble } from '../../src/assembler/assemble.ts'
import { flatImage } from '../../src/assembler/image.ts'
import { resolveRunConfig } from '../../src/session/config.ts'
import { drive, startRun } from '../../src/session/guest-run.ts'

/** A boot sector with a setup header of 0x66 bytes behind the jump, one setup sector, then the kernel. */
const HEADER = `bits 16
org 0
times 0x1f1 db 0
db 1
times 0x1fe-($-$$) db 0
dw 0xaa55
jmp short setup_end
db "HdrS"
dw VERSION
times 0x211-($-$$) db 0
db LOADFLAGS
dw 0
dd CODE32
times 0x22c-($-$$) db 0
dd INITRD_MAX
times 0x236-($-$$) db 0
dw XLF
dd 255
times 0x258-($-$$) db 0
dq PREFERRED
dd 0x2000
times 0x268-($-$$) db 0
setup_end:
times 0x400-($-$$) db 0
`

/** EBP, EDI and EBX are zero and ESI is the zero page by the rule; a letter goes out for what each fails. */
const ENTRY_32 = `bits 32
start32:
  mov ecx, ebp
  or ecx, edi
  or ecx, ebx
  jnz .bad
  mov ecx, cr0
  test ecx, 0x80000000
  jnz .bad
  mov ecx, cs
  cmp ecx, 0x10
  jne .bad
  mov ecx, ds
  cmp ecx, 0x18
  jne .bad
  mov ecx, ss
  cmp ecx, 0x18
  jne .bad
  pushfd
  pop ecx
  test ecx, 0x200
  jnz .bad
  ; the GDT has these segments: they load again
  mov esp, 0x80000
  mov ecx, 0x18
  mov es, ecx
  push dword 0x10
  call .here
.here:
  pop ecx
  add ecx, .reloaded - .here
  push ecx
  retf
.reloaded:
  sub ecx, .reloaded - start32
  cmp ecx, [esi+0x214]
  jne .bad
  mov dx, 0xe9
  mov ebx, [esi+0x228]
.line:
  mov al, [ebx]
  test al, al
  jz .initrd
  out dx, al
  inc ebx
  jmp .line
.initrd:
  mov al, '|'
  out dx, al
  mov ebx, [esi+0x218]
  mov ecx, [esi+0x21c]
  mov edi, ebx
  add edi, ecx
  cmp edi, [esi+0x22c]
  ja .bad
  xchg esi, ebx
  rep outsb
  mov esi, ebx
  mov al, [esi+0x210]
  out 0xf4, al
.bad:
  mov al, 1
  out 0xf4, al
`

const ENTRY_64 = `times 0x600-($-$$) db 0
bits 64
start64:
  mov rcx, cr0
  bt rcx, 31
  jnc .bad
  mov ecx, cs
  cmp ecx, 0x10
  jne .bad
  mov edx, 0xe9
  mov ebx, [rsi+0x228]
.line:
  mov al, [rbx]
  test al, al
  jz .initrd
  out dx, al
  inc rbx
  jmp .line
.initrd:
  mov al, '|'
  out dx, al
  mov ecx, [rsi+0x21c]
  mov ebx, [rsi+0x218]
  xchg rsi, rbx
  rep outsb
  mov al, 64
  out 0xf4, al
.bad:
  mov al, 1
  out 0xf4, al
`

interface Header {
  readonly version: number
  readonly loadFlags?: number
  readonly code32?: number
  readonly preferred?: number
  readonly xlf?: number
  readonly initrdMax?: number
}

function bzImage({ version, loadFlags = 1, code32 = 0x10_0000, preferred = 0, xlf = 0, initrdMax = 0x37ff_ffff }: Header): Uint8Array {
  const values = { VERSION: version, LOADFLAGS: loadFlags, CODE32: code32, PREFERRED: preferred, XLF: xlf, INITRD_MAX: initrdMax }
  const defines = Object.entries(values).map(([name, value]) => `%define ${name} ${value}\n`)
  return bytesOf(`${defines.join('')}${HEADER}${ENTRY_32}${ENTRY_64}`)
}

const bytesOf = (source: string): Uint8Array => {
  const { image, diagnostics } = assemble(source, { file: 'bz.asm', include: () => undefined })
  if (image === undefined) throw new Error(JSON.stringify(diagnostics))
  return image.bytes
}

/** An ELF header and one segment's, then the segment (System V ABI, "ELF Header"; "Program Header"). */
const VMLINUX_32 = `org 0x200000
db 0x7f, "ELF", 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0
dw 2, 3
dd 1, start32, 52, 0, 0
dw 52, 32, 1, 0, 0, 0
dd 1, 0, 0xc0200000, 0x200000, end - 0x200000, end - 0x200000, 7, 0x1000
${ENTRY_32}
end:`

function run(bytes: Uint8Array, bare = true, cpus = 1) {
  const boot = { kind: 'linux', commandLine: 'tiny a=1', modules: [{ name: 'i', bytes: Buffer.from('[initrd]') }] } as const
  const guest = startRun(resolveRunConfig({ bare, boot, cpus, guestMemoryMiB: 64 }), flatImage(bytes, 0x10_0000, 32))
  const printed: number[] = []
  guest.machine.observe = event => {
    if (event.kind === 'console') printed.push(event.byte)
  }
  const end = drive(guest, 100_000)
  return { end, printed: Buffer.from(printed).toString('latin1') }
}

const LOADER_UNDEFINED = 0xff

describe.each([
  ['on the bare CPU', true],
  ['under KVM', false],
])('%s', (_, bare) => {
  test.each([
    ['2.02, at code32_start', { version: 0x202 }],
    ['2.12 without XLF_KERNEL_64, at its preferred address', { version: 0x20c, preferred: 0x20_0000 }],
    ['2.15, its initrd below the address that it gives', { version: 0x20f, preferred: 0x100_0000, initrdMax: 0x1ff_ffff }],
  ])('a kernel of protocol %s starts in 32-bit mode with paging off and finds its command line and initrd', (_, header) => {
    const { end, printed } = run(bzImage(header), bare)
    expect(printed).toBe('tiny a=1|[initrd]')
    expect(end).toMatchObject({ reason: 'exit-port', status: LOADER_UNDEFINED })
  })

  test('a vmlinux of 32 bits starts by the same protocol, where its segments lie physically', () => {
    const { end, printed } = run(bytesOf(VMLINUX_32), bare)
    expect(printed).toBe('tiny a=1|[initrd]')
    expect(end).toMatchObject({ reason: 'exit-port', status: LOADER_UNDEFINED })
  })

  test('a kernel with XLF_KERNEL_64 starts in 64-bit mode, 0x200 behind its start', () => {
    const { end, printed } = run(bzImage({ version: 0x20c, preferred: 0x100_0000, xlf: 1 }), bare, 2)
    expect(printed).toBe('tiny a=1|[initrd]')
    expect(end).toMatchObject({ reason: 'exit-port', status: 64 })
  })
})

test.each([
  ['a zImage', { version: 0x202, loadFlags: 0 }],
  ['a kernel older than protocol 2.02', { version: 0x201 }],
  ['a kernel without a protected-mode entry', { version: 0x207, code32: 0 }],
])('%s is refused', (_, header) => {
  expect(() => run(bzImage(header))).toThrow('this kernel starts in real mode only')
})
