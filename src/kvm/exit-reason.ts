/** What KVM_RUN returns with (uapi `linux/kvm.h`), as a union over `KVM_EXIT_*`. */

import type { MsrExitReason } from './msr-filter.ts'

export type KvmExit =
  | { readonly reason: 'KVM_EXIT_IO'; readonly write: boolean; readonly port: number; readonly size: number; data: number }
  | { readonly reason: 'KVM_EXIT_MMIO'; readonly write: boolean; readonly physAddr: number; readonly size: number; readonly data: bigint }
  /** An MSR that the guest could not reach by KVM alone; RDMSR wants its value. */
  | {
      readonly reason: 'KVM_EXIT_X86_RDMSR' | 'KVM_EXIT_X86_WRMSR'
      readonly why: MsrExitReason
      readonly index: number
      readonly data: bigint
    }
  | { readonly reason: 'KVM_EXIT_HLT' }
  | { readonly reason: 'KVM_EXIT_SHUTDOWN' }
  | { readonly reason: 'KVM_EXIT_FAIL_ENTRY'; readonly hardwareReason: number }
  | { readonly reason: 'KVM_EXIT_INTERNAL_ERROR'; readonly why: string }

/** How an exit's handler ends. resume: enter the guest again. block: it halted. user: KVM_RUN returns, `vcpu.exit` says why. */
export type ExitOutcome = 'resume' | 'block' | 'user'
