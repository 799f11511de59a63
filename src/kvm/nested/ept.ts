/**
 * The EPT that L2 runs on: vmcs12's EPT and the memory slots in one, filled one page at a time (Linux "shadow EPT12 on EPT02"). What
 * it holds is as stale as a TLB may be: L1 executes INVEPT when it takes rights away.
 */

import { PAGE_SIZE } from '../../base/units.ts'
import { type Context, trace } from '../context.ts'
import { blockNmiAgain } from '../interrupts.ts'
import { allocateHostPage, EPT_ADDRESS, EPT_WRITE_BACK, hostAddress, mapPage } from '../mmu.ts'
import { EPT_WRITE, walkEpt12 } from './ept-walk.ts'
import type { ShadowEpt } from './nested-state.ts'
import { readVmcs12 } from './vmcs12.ts'

/** So many tables, then all are dropped: L2 cannot make the host use more. */
const MAX_TABLES = 512
const WRITE_BACK_FOUR_LEVELS = 0x1en

/** Forgets every translation; the tables are kept for reuse. */
export function zapShadowEpt({ cpu, vcpu }: Context): void {
  const shadow = vcpu.nested.shadowEpt
  for (const page of [shadow.root, ...shadow.tables]) for (let at = 0; at < PAGE_SIZE; at += 8) cpu.memory.write64(page + at, 0n)
  shadow.spare.push(...shadow.tables)
  shadow.tables = []
}

/** The EPT pointer for vmcs02; what was derived from another EPT pointer of L1's is dropped. */
export function shadowEptPointer(c: Context): bigint {
  const shadow = c.vcpu.nested.shadowEpt
  const eptp = readVmcs12(c, 'EPT_POINTER')
  if (shadow.eptp !== eptp) zapShadowEpt(c)
  shadow.eptp = eptp
  return BigInt(shadow.root) | WRITE_BACK_FOUR_LEVELS
}

function newTable(c: Context, shadow: ShadowEpt): number {
  const page = shadow.spare.pop() ?? allocateHostPage(c.machine)
  shadow.tables.push(page)
  return page
}

/** Paging-structure accesses: the linear address was valid, and this was not its translation. */
const GVA_VALID = 1n << 7n
const GVA_TRANSLATED = 1n << 8n
const EPTP_ACCESSED_DIRTY = 0x40n

/**
 * An EPT violation of L2: mapped, an exit that L1 is to get, or `no-memory` where L1's own physical memory ends.
 */
export type NestedFault =
  | { readonly kind: 'mapped' | 'no-memory' | 'misconfiguration' }
  | { readonly kind: 'violation'; readonly qualification: bigint }

export function handleNestedEptViolation(c: Context, guestPhysical: number, qualification: bigint): NestedFault {
  const isWalk = (qualification & (GVA_VALID | GVA_TRANSLATED)) === GVA_VALID
  const flags = (readVmcs12(c, 'EPT_POINTER') & EPTP_ACCESSED_DIRTY) !== 0n
  // With accessed and dirty flags every access to a paging structure counts as a write.
  const tried = (qualification & 7n) | (isWalk && flags ? EPT_WRITE : 0n)
  const found = walkEpt12(c, guestPhysical, tried)
  if (found.kind === 'misconfiguration') return { kind: 'misconfiguration' }
  if (found.kind === 'violation')
    return { kind: 'violation', qualification: (qualification & ~0x3fn) | (tried & 7n) | (found.rights << 3n) }
  blockNmiAgain(c, qualification)
  const host = hostAddress(c.vm, found.physical)
  if (host < 0) return { kind: 'no-memory' }
  const shadow = c.vcpu.nested.shadowEpt
  if (shadow.tables.length >= MAX_TABLES) zapShadowEpt(c)
  const leaf = (BigInt(host) & EPT_ADDRESS) | (found.rights & 7n) | EPT_WRITE_BACK
  mapPage(c.cpu.memory, shadow.root, guestPhysical, leaf, () => newTable(c, shadow))
  trace(c, 'kvm_page_fault', { rip: c.cpu.vmread('GUEST_RIP'), gpa: BigInt(guestPhysical), error_code: qualification }, 'guest')
  return { kind: 'mapped' }
}
