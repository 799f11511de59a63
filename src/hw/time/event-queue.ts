/**
 * What will happen by itself: rows of data, ordered by tick, then by priority, then by the order in which they were made. The
 * loop compares one number, the first row's tick.
 */

/** The order of the kinds is their priority at the same tick. */
export const PENDING_KINDS = ['apic-timer', 'guest-timer', 'preemption-timer', 'devices', 'host-poll'] as const

export type PendingKind = (typeof PENDING_KINDS)[number]

export interface PendingEvent {
  readonly when: number
  readonly priority: number
  readonly seq: number
  readonly kind: PendingKind
  readonly cpu: number
}

export interface EventQueue {
  /** Sorted: the first is the next. */
  rows: PendingEvent[]
  nextSeq: number
}

export const NEVER = Number.MAX_SAFE_INTEGER

export const emptyQueue = (): EventQueue => ({ rows: [], nextSeq: 0 })

export const nextTick = (queue: EventQueue): number => (queue.rows.length === 0 ? NEVER : queue.rows[0]!.when)

function comesBefore(a: PendingEvent, b: PendingEvent): boolean {
  if (a.when !== b.when) return a.when < b.when
  if (a.priority !== b.priority) return a.priority < b.priority
  return a.seq < b.seq
}

/** Queues the one event of this kind for this CPU, in place of an earlier one. A tick of `NEVER` or beyond is not queued. */
export function schedule(queue: EventQueue, when: number, kind: PendingKind, cpu: number): void {
  cancel(queue, kind, cpu)
  if (when >= NEVER) return
  const event: PendingEvent = { when, priority: PENDING_KINDS.indexOf(kind), seq: queue.nextSeq++, kind, cpu }
  let position = queue.rows.length
  while (position > 0 && comesBefore(event, queue.rows[position - 1]!)) position--
  queue.rows.splice(position, 0, event)
}

export function cancel(queue: EventQueue, kind: PendingKind, cpu: number): void {
  const position = queue.rows.findIndex(row => row.kind === kind && row.cpu === cpu)
  if (position >= 0) queue.rows.splice(position, 1)
}
