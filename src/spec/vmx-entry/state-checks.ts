/** All checks on host and guest state at VM entry, in the SDM's order ("VM Entries"). Host: VMfailValid 8. Guest: an exit with reason 33. */

import type { EntryCheck } from './entry-check.ts'
import { GUEST_NON_REGISTER_CHECKS } from './guest-activity-checks.ts'
import { GUEST_CONTROL_REGISTER_CHECKS, GUEST_RIP_AND_RFLAGS_CHECKS, GUEST_TABLE_CHECKS } from './guest-register-checks.ts'
import { GUEST_SEGMENT_CHECKS } from './guest-segment-checks.ts'
import { HOST_CHECKS } from './host-checks.ts'

export { HOST_CHECKS }

export const GUEST_CHECKS: readonly EntryCheck[] = [
  ...GUEST_CONTROL_REGISTER_CHECKS,
  ...GUEST_SEGMENT_CHECKS,
  ...GUEST_TABLE_CHECKS,
  ...GUEST_RIP_AND_RFLAGS_CHECKS,
  ...GUEST_NON_REGISTER_CHECKS,
]
