/** Who asks for an MSR: user space may do what the guest may not (Linux `msr_data.host_initiated`). */

export type MsrAccess = 'guest' | 'host'
