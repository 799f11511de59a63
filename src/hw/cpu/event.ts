/** An interrupt or exception on its way to a handler (Intel SDM, "Information for VM Exits Due to Vectored Events"). */

import type { OperatingMode } from './mode.ts'

/** Types of interruption information. */
export const EVENT = { external: 0, nmi: 2, hardware: 3, software: 4, privileged: 5, softwareException: 6 } as const
export type EventType = (typeof EVENT)[keyof typeof EVENT]

export interface DeliveredEvent {
  readonly vector: number
  readonly type: EventType
  readonly errorCode: number | null
  /** Bytes that RIP moves on before it is pushed: the instruction of a software interrupt. */
  readonly length: number
}

/** Interruption-information word: vector, type, "error code valid", "valid". In real-address mode no exception has an error code. */
export const interruptionInfo = ({ vector, type, errorCode }: Omit<DeliveredEvent, 'length'>, mode: OperatingMode): number =>
  (vector | (type << 8) | (errorCode === null || mode === 'real' ? 0 : 1 << 11) | (1 << 31)) >>> 0

/** INT n, INT3, INTO and INT1: the program asked for it. */
export const isSoftware = (type: EventType): boolean =>
  type === EVENT.software || type === EVENT.privileged || type === EVENT.softwareException
