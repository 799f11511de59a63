/**
 * Code that tries things: attacks, one behind another, each entered whatever became of the one before. An exception, to whose handler
 * every vector leads, goes on with the next.
 *
 *     address    0x30_0000  IDT      0x30_1000  handler, IDTR, where to go on      0x30_2000  attacks, 64 bytes each      0x30_8000  stack
 */

const IDT = 0x30_0000
const HANDLER = 0x30_1000
const IDTR = 0x30_1040
const NEXT = 0x30_1080
const ATTACKS = 0x30_2000
const STACK = 0x30_8000
/** Where attacks that copy put what they got. */
const LOOT = 0x30_9000
const SLOT = 64

export const bytesOf = (value: bigint, count: number): number[] =>
  Array.from({ length: count }, (_, index) => Number((value >> BigInt(8 * index)) & 0xffn))

const dword = (value: number): number[] => bytesOf(BigInt(value), 4)

/** What is to be put into memory, by address. */
export type Bytes = readonly (readonly [address: number, bytes: Uint8Array])[]

/** The 64-bit code segment of whoever runs the code. */
export const CODE_SELECTOR = 8

const GATE = [...bytesOf(BigInt(HANDLER), 2), CODE_SELECTOR, 0, 0, 0x8e, ...bytesOf(BigInt(HANDLER >> 16), 10)]

const SURROUNDINGS: Bytes = [
  [IDT, Uint8Array.from(Array.from({ length: 256 }, () => GATE).flat())],
  [HANDLER, Uint8Array.from([0xbc, ...dword(STACK), 0xff, 0x24, 0x25, ...dword(NEXT)])], // mov esp, STACK; jmp [NEXT]
  [IDTR, Uint8Array.from([0xff, 0x0f, ...bytesOf(BigInt(IDT), 8)])],
]

const START = Uint8Array.from([0x0f, 0x01, 0x1c, 0x25, ...dword(IDTR), 0xbc, ...dword(STACK), 0xb8, ...dword(ATTACKS), 0xff, 0xe0])

/** It is entered at `entry`. */
export function hostileCode(entry: number, attacks: readonly (readonly number[])[]): Bytes {
  const code = new Uint8Array(SLOT * attacks.length + 2).fill(0x90)
  for (const [number, attack] of attacks.entries()) {
    const next = ATTACKS + SLOT * (number + 1)
    code.set([0x48, 0xc7, 0x04, 0x25, ...dword(NEXT), ...dword(next), ...attack], SLOT * number) // mov qword [NEXT], next
  }
  code.set([0xeb, 0xfe], SLOT * attacks.length)
  return [...SURROUNDINGS, [ATTACKS, code], [entry, START]]
}

const pick = <T>(random: () => number, items: readonly T[]): T => items[random() % items.length]!

const MSRS = [0x6e0, 0xc000_0080, 0x1b, 0x83f, 0x480, 0x830, 0x80b, 0x277, 0x10, 0xc000_0100, 0x3a, 0x1d9, 0x808]

/** One attack: an instruction, or a few that go together. `address` gives addresses that are worth a try. */
export function attack(random: () => number, address: () => number): number[] {
  const where = bytesOf(BigInt(address()), 8)
  const number = dword(random())
  const inRax = [0x48, 0xb8, ...where] // mov rax, address
  const msr = [0xb9, ...(random() % 2 === 0 ? number : dword(pick(random, MSRS)))] // mov ecx, number
  return pick<() => number[]>(random, [
    () => [...inRax, 0x48, 0x89, 0x08], // mov [rax], rcx
    () => [...inRax, 0x48, 0x8b, 0x18], // mov rbx, [rax]
    () => [...inRax, 0xff, 0xd0], // call rax
    () => [...inRax, 0x0f, 0x22, pick(random, [0xc0, 0xd8, 0xe0])], // mov cr0, cr3, cr4 from rax
    () => [...inRax, 0x0f, 0x01, pick(random, [0x00, 0x08, 0x10, 0x18])], // sgdt, sidt, lgdt, lidt [rax]
    () => [...inRax, 0x0f, 0xae, pick(random, [0x00, 0x08, 0x20, 0x28])], // fxsave, fxrstor, xsave, xrstor [rax]
    () => [...inRax, 0x0f, 0xc7, pick(random, [0x08, 0x30, 0x38])], // cmpxchg8b, vmptrld, vmptrst [rax]
    () => [...inRax, 0xf3, 0x0f, 0xc7, 0x30], // vmxon [rax]
    () => [...inRax, 0x66, 0x0f, 0xc7, 0x30], // vmclear [rax]
    () => [...inRax, 0x48, 0x89, 0xc4, 0x50], // mov rsp, rax; push rax
    () => [0x48, 0xbe, ...where, 0xbf, ...dword(LOOT), 0xb9, 64, 0, 0, 0, 0xf3, 0xa4], // rep movsb out of the address
    () => [0x48, 0xbf, ...where, 0x31, 0xc0, 0xb9, 64, 0, 0, 0, 0xf3, 0xaa], // rep stosb into it
    () => [0x48, 0xbf, ...where, 0x66, 0xba, ...number.slice(0, 2), 0x6c], // insb into it
    () => [0x48, 0xbe, ...where, 0x66, 0xba, ...number.slice(0, 2), 0x6e], // outsb out of it
    () => [...msr, 0x0f, 0x32],
    () => [...msr, 0x31, 0xd2, 0x0f, 0x30],
    () => [0x66, 0xba, number[0]!, random() % 4 === 0 ? number[1]! : 0, pick(random, [0xec, 0xed, 0xee, 0xef])], // in, out
    () => [...vmwrite(random, address), ...vmwrite(random, address), 0x0f, 0x01, pick(random, [0xc2, 0xc3])], // vmlaunch, vmresume
    () => [...vmwrite(random, address), 0x0f, 0x01, pick(random, [0xc2, 0xc3])],
    () => [0xb8, ...number, 0x0f, 0x78, 0xc3], // vmread ebx, eax
    () => [0x0f, 0x01, pick(random, [0xc1, 0xc2, 0xc3, 0xc4, 0xd4])], // vmcall, vmlaunch, vmresume, vmxoff, vmfunc
    () => [...inRax, 0xb9, 1 + (random() % 2), 0, 0, 0, 0x66, 0x0f, 0x38, pick(random, [0x80, 0x81]), 0x08], // invept, invvpid
    () => [0x0f, 0xa2],
    () => [0xfb, 0xf4],
    () => number,
  ])()
}

/** Of any encoding of some width and kind. */
function vmwrite(random: () => number, address: () => number): number[] {
  const encoding = ((random() % 4) << 13) | ((random() % 4) << 10) | ((random() % 28) << 1)
  return [0xb8, ...dword(encoding), 0x48, 0xbb, ...bytesOf(BigInt(address()), 8), 0x0f, 0x79, 0xc3] // vmwrite rax, rbx
}
