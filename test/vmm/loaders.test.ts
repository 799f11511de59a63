/** The ways to boot, bare and under KVM: what each program finds by its protocol, told by the program itself on port 0xE9. */

import { describe, expect, test } from 'vitest'
import { assemble } from '../../src/assembler/assemble.ts'
import { flatImage } from '../../src/assembler/image.ts'
import { resolveRunConfig } from '../../src/session/config.ts'
import { drive, startRun } from '../../src/session/guest-run.ts'
import { acpiTables } from '../../src/vmm/loaders/acpi.ts'
import type { BootConfig } from '../../src/vmm/loaders/program.ts'

function bytesOf(source: string): Uint8Array {
  const { image, diagnostics } = assemble(source, { file: 'loader.asm', include: () => undefined })
  if (image === undefined) throw new Error(JSON.stringify(diagnostics))
  return image.bytes
}

function run(bytes: Uint8Array, kind: BootConfig['kind'], bare: boolean, rest: Partial<BootConfig> = {}) {
  const boot: BootConfig = { kind, commandLine: '', modules: [], ...rest }
  const romBytes = kind === 'rom' ? bytes.length : 0
  const guest = startRun(resolveRunConfig({ bare, boot, romBytes, guestMemoryMiB: 16 }), flatImage(bytes, 0x10_0000, 32))
  const printed: number[] = []
  guest.machine.observe = event => {
    if (event.kind === 'console') printed.push(event.byte)
  }
  const end = drive(guest, 100_000)
  return { end, printed: Buffer.from(printed).toString('latin1') }
}

const SECTOR = `bits 16
org 0x7c00
  mov al, dl
  out 0xe9, al
  mov si, text
  mov cx, 4
  mov dx, 0xe9
  cld
  rep outsb
  mov ax, 0x0e21
  int 0x10
  mov al, 7
  out 0xf4, al
text: db "real"
times 510-($-$$) db 0
dw 0xaa55`

/** From 16 to 32 bits, as firmware begins; it may not write to itself. */
const ROM = `bits 16
org 0xfffff000
start16:
  o32 lgdt [cs:gdtr - 0xfffff000 + 0xf000]
  mov eax, cr0
  or al, 1
  mov cr0, eax
  jmp dword 8:start32
bits 32
start32:
  mov ax, 16
  mov ds, ax
  mov eax, [mark]
  mov dword [mark], 0
  cmp eax, [mark]
  mov al, 'R'
  je .out
  mov al, 'W'
.out:
  out 0xe9, al
  mov al, 0
  out 0xf4, al
mark: dd 0x12345678
align 8
gdt: dq 0, 0x00cf9b000000ffff, 0x00cf93000000ffff
gdtr: dw 23
  dd gdt
times 0xff0-($-$$) db 0xff
bits 16
reset: jmp start16
times 0x1000-($-$$) db 0`

/** Multiboot 1 with address fields. */
const FLAT = `bits 32
org 0x100000
header:
  dd 0x1badb002, 0x10003, -(0x1badb002 + 0x10003)
  dd header, header, 0, 0, start
start:
  mov esp, 0x90000
  cmp eax, 0x2badb002
  jne .end
  mov esi, [ebx+16]
.next:
  lodsb
  test al, al
  jz .modules
  out 0xe9, al
  jmp .next
.modules:
  mov al, '|'
  out 0xe9, al
  mov eax, [ebx+20]
  add al, '0'
  out 0xe9, al
  mov esi, [ebx+24]
  mov edx, [esi+4]
  mov esi, [esi]
  mov ecx, edx
  sub ecx, esi
  mov edx, 0xe9
  rep outsb
  mov eax, [ebx+8]
  add eax, 1024
  shr eax, 10
  out 0xf4, eax
.end:
  hlt`

/** A multiboot kernel that recommends a video mode and tells of its memory map, its modules and its command line, then switches off as for QEMU. */
const TELLING = `bits 32
org 0x100000
header:
  dd 0x1badb002, 7, -(0x1badb002 + 7)
  dd 0, 0, 0, 0, 0, 1, 80, 25, 0
start:
  mov esp, 0x90000
  mov edx, 0xe9
  mov edi, [ebx+48]
  mov ebp, [ebx+44]
  add ebp, edi
.range:
  mov al, [edi+20] ; its type, and how many MiB lie above the first one
  add al, '0'
  out dx, al
  cmp dword [edi+4], 0x100000
  jb .below
  mov eax, [edi+12]
  shr eax, 20
  add al, 'a'
  out dx, al
.below:
  add edi, [edi]
  add edi, 4
  cmp edi, ebp
  jb .range
  mov edi, [ebx+24]
  mov ebp, [ebx+20]
.module:
  mov esi, [edi]
  mov ecx, [edi+4]
  sub ecx, esi
  test esi, 0xfff
  jnz .stop
  rep outsb
  mov esi, [edi+8]
  call text
  add edi, 16
  dec ebp
  jnz .module
  mov esi, [ebx+16]
  call text
  mov edx, 0x604
  mov ax, 0x2000
  out dx, ax
.stop: hlt
text:
  mov al, '|'
.next: out dx, al
  lodsb
  test al, al
  jnz .next
  ret`

/** An ELF file with one segment: linked for `virtual`, loaded at 1 MiB; its entry behind the 48 bytes of the header, as the linker has it. */
function elf(bits: 32 | 64, code: Uint8Array, virtual: bigint): Uint8Array {
  const view = new DataView(new ArrayBuffer(0x1000 + code.length))
  const word = (at: number, value: bigint): void =>
    bits === 32 ? view.setUint32(at, Number(value), true) : view.setBigUint64(at, value, true)
  view.setUint32(0, 0x464c_457f, true)
  for (const [at, value] of [
    [4, bits / 32],
    [5, 1],
    [6, 1],
    [16, 2],
    [18, bits === 32 ? 3 : 62],
    [20, 1],
  ] as const)
    view.setUint8(at, value)
  word(24, virtual + 48n)
  const [header, step] = bits === 32 ? [52, 4] : [64, 8]
  word(24 + step, BigInt(header))
  view.setUint16(bits === 32 ? 42 : 54, bits === 32 ? 32 : 56, true)
  view.setUint16(bits === 32 ? 44 : 56, 1, true)
  view.setUint32(header, 1, true) // PT_LOAD
  const values = [0x1000n, virtual, 0x10_0000n, BigInt(code.length), BigInt(code.length) + 0x3000n] // offset, vaddr, paddr, filesz, memsz
  for (const [index, value] of values.entries()) word(header + step * (index + 1), value)
  new Uint8Array(view.buffer).set(code, 0x1000)
  return new Uint8Array(view.buffer)
}

describe.each([
  ['on the bare CPU', true],
  ['under KVM', false],
])('%s', (_, bare) => {
  test('a boot sector starts at 0000:7C00 with the disk in DL, and INT 10h prints', () => {
    const { end, printed } = run(bytesOf(SECTOR), 'real', bare)
    expect(printed).toBe('\x80real!')
    expect(end).toMatchObject({ reason: 'exit-port', status: 7 })
  })

  test('a ROM starts at the reset vector, and writes to it are lost', () => {
    const { end, printed } = run(bytesOf(ROM), 'rom', bare)
    expect(printed).toBe('R')
    expect(end).toMatchObject({ reason: 'exit-port', status: 0 })
  })

  test('LTR of a descriptor in ROM loads TR, and its busy bit is lost', () => {
    const source = ROM.replace('  mov al, 0\n  out 0xf4, al\n', '  mov ax, 24\n  ltr ax\n  str ax\n  or al, [gdt+29]\n  out 0xf4, al\n')
      .replace('0x00cf93000000ffff\n', '0x00cf93000000ffff, 0x0000890000000067\n')
      .replace('dw 23', 'dw 31')
    const { end } = run(bytesOf(source), 'rom', bare)
    expect(end).toMatchObject({ reason: 'exit-port', status: 24 | 0x89 })
  })

  // SDM, "Segment Descriptors": "The processor sets this bit whenever the segment is loaded", and memory does not take it here.
  test('segments whose descriptors in ROM are not marked as accessed are loaded, by MOV, far JMP and far RET', () => {
    const loads = `  mov ax, 16
  mov ss, ax
  mov esp, 0x8000
  push dword 8
  push dword .returned
  retf
.returned:
  push dword 8
  push dword .jumped
  jmp far [esp]
.jumped:
  mov eax, ss
  mov ebx, cs
  shl eax, 8
  mov al, bl
  out 0xf4, eax
`
    const source = ROM.replace('  mov al, 0\n  out 0xf4, al\n', loads).replace('cf9b', 'cf9a').replace('cf93', 'cf92')
    expect(run(bytesOf(source), 'rom', bare)).toMatchObject({ printed: 'R', end: { reason: 'exit-port', status: 0x1008 } })
  })

  test('a multiboot kernel with address fields finds its command line, its module and the memory above 1 MiB', () => {
    const rest = { commandLine: 'k a=1', modules: [{ name: 'm', bytes: Buffer.from('[module]') }] }
    const { end, printed } = run(bytesOf(FLAT), 'protected', bare, rest)
    expect(printed).toBe('k a=1|1[module]')
    expect(end).toMatchObject({ reason: 'exit-port', status: 16 })
  })

  test('a multiboot kernel below 1 MiB is whole, and finds all of it behind itself', () => {
    const rest = { commandLine: 'k a=1', modules: [{ name: 'm', bytes: Buffer.from('[module]') }] }
    const { end, printed } = run(bytesOf(FLAT.replace('org 0x100000', 'org 0x8fc0')), 'protected', bare, rest)
    expect(printed).toBe('k a=1|1[module]')
    expect(end).toMatchObject({ reason: 'exit-port', status: 16 })
  })

  test.each([
    ['32 bits', 32, 0x10_0000n],
    ['32 bits for the higher half', 32, 0xc010_0000n],
    ['64 bits for the higher half', 64, 0xffff_ffff_8010_0000n],
  ] as const)(
    'a multiboot kernel in an ELF file of %s finds its memory map, two modules and their strings, and switches off',
    (_, bits, virtual) => {
      const modules = ['one', 'two'].map(name => ({ name, bytes: Buffer.from(`[${name}]`) }))
      const { end, printed } = run(elf(bits, bytesOf(TELLING), virtual), 'protected', bare, { commandLine: 'k a b', modules })
      // 640 KiB, its end, firmware, 15 MiB, the devices' addresses below 4 GiB.
      expect(printed).toBe('1221p2u[one]|one[two]|two|k a b')
      expect(end).toMatchObject({ reason: 'power-off' })
    },
  )

  test('a multiboot kernel finds a BIOS data area that agrees with its memory sizes, and an interrupt table that answers', () => {
    const body = `start:
  mov edx, 0xe9
  movzx eax, word [0x413]
  sub eax, [ebx+4]
  add al, '0'
  out dx, al
  movzx eax, word [0x40e]
  shr eax, 6
  sub eax, [ebx+4]
  add al, '0'
  out dx, al
  movzx eax, word [0x15*4+2]
  shl eax, 4
  movzx ecx, word [0x15*4]
  mov ax, [eax+ecx]
  out 0xf4, al
  hlt`
    const { end, printed } = run(bytesOf(`${FLAT.slice(0, FLAT.indexOf('start:\n'))}${body}`), 'protected', bare, { modules: [] })
    expect(printed).toBe('00')
    expect(end).toMatchObject({ reason: 'exit-port', status: 0xb4 }) // mov ah, ...: "not supported"
  })

  test('a guest that halts while only a masked timer runs ends', () => {
    const source = FLAT.replace(
      '  cmp eax, 0x2badb002',
      '  mov al, 0x34\n  out 0x43, al\n  mov al, 0\n  out 0x40, al\n  out 0x40, al\n  hlt\n  cmp eax, 0x2badb002',
    )
    expect(run(bytesOf(source), 'protected', bare, { modules: [] }).end).toMatchObject({ reason: 'halted' })
  })
})

test.each([1, 4])('ACPI tables for %s CPUs: each sums to 0 over its length, the RSDP also over its first 20 bytes', cpus => {
  const sum = (bytes: Uint8Array): number => bytes.reduce((total, byte) => (total + byte) & 0xff, 0)
  const memory = new Uint8Array(0x10_0000)
  for (const { address, bytes } of acpiTables(cpus)) memory.set(bytes, address)
  const view = new DataView(memory.buffer)
  const rsdp = Buffer.from(memory).indexOf('RSD PTR ')
  expect(rsdp % 16).toBe(0)
  expect([sum(memory.subarray(rsdp, rsdp + 20)), sum(memory.subarray(rsdp, rsdp + view.getUint32(rsdp + 20, true)))]).toEqual([0, 0])
  const tables = [view.getUint32(rsdp + 16, true), Number(view.getBigUint64(rsdp + 24, true))]
  const rsdt = tables[0]!
  for (let at = 36; at < view.getUint32(rsdt + 4, true); at += 4) tables.push(view.getUint32(rsdt + at, true))
  expect(tables.length).toBeGreaterThan(3)
  for (const table of tables) expect(sum(memory.subarray(table, table + view.getUint32(table + 4, true)))).toBe(0)
})
