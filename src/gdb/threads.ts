/** gdb's threads are the CPUs, numbered from 1 (the gdb manual, "Packets", thread-id), and what each is told to do by `vCont`. */

export const threadText = (cpu: number): string => (cpu + 1).toString(16).padStart(2, '0')

/** A thread's number; 0: any. -1, all of them, is any too. Undefined: no number. */
export function parseThread(text: string): number | undefined {
  if (text === '-1') return 0
  return /^[0-9a-f]{1,8}$/.test(text) ? Number.parseInt(text, 16) : undefined
}

export function isThread(text: string, cpus: number): boolean {
  const thread = parseThread(text)
  return thread !== undefined && thread >= 1 && thread <= cpus
}

/** The whole machine goes on; or one CPU steps, -1 for the one that stopped, and the others go on meanwhile. */
export type Resume =
  | { readonly kind: 'continue' }
  | { readonly kind: 'step'; readonly cpu: number; readonly within?: readonly [from: bigint, to: bigint] }

/** `vCont;s:2;c`, `vCont;r100000,100010:1`: the first step, if one is asked for. Undefined: it is none of these. */
export function parseResume(data: string, cpus: number): Resume | undefined {
  let resume: Resume = { kind: 'continue' }
  for (const action of data.split(';').slice(1).reverse()) {
    const [, word, from, to, id = '0'] =
      /^(?:([cs]|[CS][0-9a-f]{2})|r([0-9a-f]{1,16}),([0-9a-f]{1,16}))(?::(-1|[0-9a-f]{1,8}))?$/.exec(action) ?? []
    const thread = parseThread(id)
    if ((word === undefined && from === undefined) || thread === undefined || thread > cpus) return undefined
    const cpu = thread - 1
    if (from !== undefined) resume = { kind: 'step', cpu, within: [BigInt(`0x${from}`), BigInt(`0x${to}`)] }
    else if (/^[sS]/.test(word!)) resume = { kind: 'step', cpu }
  }
  return resume
}
