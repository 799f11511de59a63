/** What KVM gives a guest of the CPU's features: CPUID, CR4, XCR0 and the MSRs of SYSCALL (Linux `kvm_set_cpu_caps`, `__kvm_set_xcr`). */

import { expect, test } from 'vitest'
import { resolveRunConfig } from '../../src/session/config.ts'
import { record } from '../../src/session/record.ts'
import { memorySink } from '../../src/trace/file.ts'
import { assembled, guestSource } from '../hw/bare.ts'

/** RBX at the end of a guest under KVM. */
function finalRbx(body: string): bigint {
  const { guest } = record(resolveRunConfig({}), assembled(guestSource(body)), { sink: memorySink() })
  return guest.machine.registers[0]!.gpr[3]!
}

const ENABLE = 'mov rax, cr4\nor eax, 1 << 18 | 1 << 9\nmov cr4, rax\n'

test('OSXSAVE in CPUID follows the CR4 of the guest', () => {
  const ask = 'mov eax, 1\ncpuid\nxor ebx, ebx\nbt ecx, 27\nsetc bl'
  expect([finalRbx(ask), finalRbx(`${ENABLE}${ask}`)]).toEqual([0n, 1n])
})

test('XSETBV exits, and its value reaches XCR0 and the size in CPUID leaf 0DH', () => {
  const set = `${ENABLE}xor ecx, ecx\nxor edx, edx\nmov eax, 3\nxsetbv\n`
  expect(finalRbx(`${set}xgetbv\nmov ebx, eax`)).toBe(3n)
  expect(finalRbx(`${set}mov eax, 13\ncpuid`)).toBe(576n)
})

test('SYSCALL runs with the MSRs that the guest wrote', () => {
  const body = `
        lea     rbx, [entry]
        write_msr64 MSR_LSTAR, rbx
        write_msr MSR_SYSCALL_MASK, 0x400
        mov     ecx, MSR_STAR
        xor     eax, eax
        mov     edx, 0x00100008
        wrmsr
        read_msr MSR_EFER
        or      eax, 1
        wrmsr
        std
        xor     ebx, ebx
        syscall
        jmp     done
entry:  pushfq
        pop     rbx
        and     ebx, 0x400
        inc     ebx
done:`
  expect(finalRbx(body)).toBe(1n)
})

test('PCID, 5-level paging and XSAVES are not for guests', () => {
  expect(finalRbx('mov eax, 1\ncpuid\nmov ebx, ecx\nand ebx, 1 << 17')).toBe(0n)
  expect(finalRbx('mov eax, 7\nxor ecx, ecx\ncpuid\nmov ebx, ecx\nand ebx, 1 << 16')).toBe(0n)
  expect(finalRbx('mov eax, 13\nmov ecx, 1\ncpuid\nmov ebx, eax\nand ebx, 8')).toBe(0n)
})

test('APIC in CPUID follows the IA32_APIC_BASE of the guest', () => {
  const disable = 'mov ecx, MSR_IA32_APICBASE\nrdmsr\nand eax, ~(3 << 10)\nwrmsr\n'
  const enable = 'mov ecx, MSR_IA32_APICBASE\nrdmsr\nor eax, 1 << 11\nwrmsr\n'
  const ask = 'mov eax, 1\ncpuid\nxor ebx, ebx\nbt edx, 9\nsetc bl'
  expect([finalRbx(ask), finalRbx(`${disable}${ask}`), finalRbx(`${disable}${enable}${ask}`)]).toEqual([1n, 0n, 1n])
})
