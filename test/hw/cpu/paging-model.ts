/**
 * A slow model of address translation for the tests, written from the tables of the Intel SDM ("32-Bit Paging", "PAE Paging",
 * "4-Level Paging and 5-Level Paging", "Access Rights", "Page-Fault Exceptions", "EPT Translation Mechanism", "EPT-Induced VM Exits").
 * It shares nothing with the CPU: bits are looked up by number in words written as `bigint`, rules stand as the manual lists them.
 */

export type ModelMode = 'none' | '32-bit' | 'PAE' | '4-level' | '5-level'

export interface ModelState {
  readonly mode: ModelMode
  readonly cr3: bigint
  readonly pdptes: readonly bigint[]
  readonly wp: boolean
  readonly pse: boolean
  readonly nxe: boolean
  readonly smep: boolean
  readonly smap: boolean
  /** The EPT pointer, or null. */
  readonly eptp: bigint | null
}

export interface ModelAccess {
  readonly kind: 'read' | 'write' | 'execute'
  /** CPL 3, explicit. */
  readonly user: boolean
  /** EFLAGS.AC of an explicit supervisor access. */
  readonly ac: boolean
}

export type ModelOutcome =
  | { readonly is: 'address'; readonly physical: bigint }
  | { readonly is: '#PF'; readonly code: number }
  | { readonly is: 'violation'; readonly qualification: bigint; readonly physical: bigint }
  | { readonly is: 'misconfiguration'; readonly physical: bigint }

/** Little-endian words of physical memory. */
export interface ModelMemory {
  read(address: bigint, bytes: number): bigint
  write(address: bigint, bytes: number, value: bigint): void
}

/** What the tables call a paging-structure entry: the address bits that index it, where it may map a page, and its reserved bits. */
interface Entry {
  readonly index: readonly [high: number, low: number]
  /** Reserved when it references a table, or is the last level. */
  readonly reserved: string
  /** Reserved when PS makes it map a page; absent where PS cannot. */
  readonly large?: string
}

const PTE = { index: [20, 12], reserved: '51:46' } as const
const PDE = { index: [29, 21], reserved: '51:46', large: '51:46 20:13' } as const
const PDPTE = { index: [38, 30], reserved: '51:46', large: '51:46 29:13' } as const
const PML4E = { index: [47, 39], reserved: '51:46 7' } as const
const PML5E = { index: [56, 48], reserved: '51:46 7' } as const

const STRUCTURES: Readonly<Record<Exclude<ModelMode, 'none'>, readonly Entry[]>> = {
  '32-bit': [
    { index: [31, 22], reserved: '', large: '21' },
    { index: [21, 12], reserved: '' },
  ],
  PAE: [
    { index: [29, 21], reserved: '62:46', large: '62:46 20:13' },
    { index: [20, 12], reserved: '62:46' },
  ],
  '4-level': [PML4E, PDPTE, PDE, PTE],
  '5-level': [PML5E, PML4E, PDPTE, PDE, PTE],
}

const bit = (word: bigint, position: number): boolean => (word / 2n ** BigInt(position)) % 2n === 1n
const field = (word: bigint, high: number, low: number): bigint => (word / 2n ** BigInt(low)) % 2n ** BigInt(high - low + 1)

/** Whether a bit of a list such as `51:46 7` is set. */
function anySet(word: bigint, list: string): boolean {
  return list
    .split(' ')
    .filter(range => range !== '')
    .some(range => {
      const [high, low = high] = range.split(':').map(Number)
      return field(word, high!, low!) !== 0n
    })
}

class Stop {
  readonly outcome: ModelOutcome
  constructor(outcome: ModelOutcome) {
    this.outcome = outcome
  }
}

const EPT_LEVELS = [
  { index: [47, 39], reserved: '51:46 7:3' },
  { index: [38, 30], reserved: '51:46 6:3', large: '51:46 29:12' },
  { index: [29, 21], reserved: '51:46 6:3', large: '51:46 20:12' },
  { index: [20, 12], reserved: '', large: '51:46' },
] as const

type Origin = 'entry' | 'page'

/** One guest-physical address through EPT. */
function throughEpt(memory: ModelMemory, eptp: bigint, guest: bigint, kind: ModelAccess['kind'], origin: Origin): bigint {
  const flags = bit(eptp, 6)
  const treatedAsWrite = flags && origin === 'entry'
  const wants = treatedAsWrite || kind === 'write' ? 1 : kind === 'read' ? 0 : 2
  let table = field(eptp, 51, 12) * 4096n
  const allowed = [true, true, true]
  for (const [depth, level] of EPT_LEVELS.entries()) {
    const at = table + 8n * field(guest, level.index[0], level.index[1])
    const entry = memory.read(at, 8)
    const rwx = [bit(entry, 0), bit(entry, 1), bit(entry, 2)]
    for (const position of [0, 1, 2]) allowed[position] &&= rwx[position]!
    const violation = (): Stop => {
      let qualification = 2n ** 7n + (origin === 'page' ? 2n ** 8n : 0n) + 2n ** BigInt(wants)
      if (treatedAsWrite) qualification += 1n
      for (const position of [0, 1, 2]) if (allowed[position]) qualification += 2n ** BigInt(3 + position)
      return new Stop({ is: 'violation', qualification, physical: guest })
    }
    if (!rwx[0] && !rwx[1] && !rwx[2]) throw violation()
    const isLast = depth === 3
    const mapsPage = isLast || ('large' in level && bit(entry, 7))
    const bad = mapsPage ? ('large' in level ? level.large : '') : level.reserved
    const type = Number(field(entry, 5, 3))
    if ((rwx[1] && !rwx[0]) || anySet(entry, bad) || (mapsPage && (type === 2 || type === 3 || type === 7)))
      throw new Stop({ is: 'misconfiguration', physical: guest })
    if (mapsPage) {
      if (!allowed[wants]) throw violation()
      if (flags) {
        const marked = setBits(entry, wants === 1 ? [8, 9] : [8])
        if (marked !== entry) memory.write(at, 8, marked)
      }
      const low = level.index[1]
      return field(entry, 51, low) * 2n ** BigInt(low) + field(guest, low - 1, 0)
    }
    if (flags && !bit(entry, 8)) memory.write(at, 8, setBits(entry, [8]))
    table = field(entry, 51, 12) * 4096n
  }
  throw new Error('unreachable')
}

const setBits = (word: bigint, positions: readonly number[]): bigint =>
  positions.reduce((value, position) => (bit(value, position) ? value : value + 2n ** BigInt(position)), word)

function translate(memory: ModelMemory, state: ModelState, linear: bigint, access: ModelAccess): bigint {
  const physical = (address: bigint, kind: ModelAccess['kind'], origin: Origin): bigint =>
    state.eptp === null ? address : throughEpt(memory, state.eptp, address, kind, origin)
  if (state.mode === 'none') return physical(linear % 2n ** 32n, access.kind, 'page')

  // "Page-Fault Exceptions": P, W/R, U/S, RSVD, I/D.
  const pageFault = (present: boolean, reserved: boolean): Stop => {
    const fetchBit = access.kind === 'execute' && (state.smep || (state.nxe && state.mode !== '32-bit'))
    const code =
      Number(present) + 2 * Number(access.kind === 'write') + 4 * Number(access.user) + 8 * Number(reserved) + 16 * Number(fetchBit)
    return new Stop({ is: '#PF', code })
  }
  const bytes = state.mode === '32-bit' ? 4 : 8
  let table = state.mode === '32-bit' ? field(state.cr3, 31, 12) * 4096n : field(state.cr3, 51, 12) * 4096n
  if (state.mode === 'PAE') {
    const pdpte = state.pdptes[Number(field(linear, 31, 30))]!
    if (!bit(pdpte, 0)) throw pageFault(false, false)
    table = field(pdpte, 51, 12) * 4096n
  }
  const used: bigint[] = []
  for (const [depth, row] of STRUCTURES[state.mode].entries()) {
    const guestAt = table + BigInt(bytes) * field(linear, row.index[0], row.index[1])
    const entry = memory.read(physical(guestAt, 'read', 'entry'), bytes)
    if (!bit(entry, 0)) throw pageFault(false, false)
    const isLast = depth === STRUCTURES[state.mode].length - 1
    const largeHere = row.large !== undefined && bit(entry, 7) && (state.mode !== '32-bit' || state.pse)
    const noExecuteReserved = bytes === 8 && bit(entry, 63) && !state.nxe
    if (anySet(entry, largeHere ? row.large! : row.reserved) || noExecuteReserved) throw pageFault(true, true)
    used.push(entry)
    if (!isLast && !largeHere) {
      if (!bit(entry, 5)) memory.write(physical(guestAt, 'write', 'entry'), bytes, setBits(entry, [5]))
      table = bytes === 4 ? field(entry, 31, 12) * 4096n : field(entry, 51, 12) * 4096n
      continue
    }
    if (!isAllowed(state, access, used)) throw pageFault(true, false)
    const marked = setBits(entry, access.kind === 'write' ? [5, 6] : [5])
    if (marked !== entry) memory.write(physical(guestAt, 'write', 'entry'), bytes, marked)
    const low = row.index[1]
    const high = bytes === 4 && largeHere ? field(entry, 20, 13) * 2n ** 32n : 0n
    const frame = bytes === 4 ? field(entry, 31, low) : field(entry, 51, low)
    return physical(high + frame * 2n ** BigInt(low) + field(linear, low - 1, 0), access.kind, 'page')
  }
  throw new Error('unreachable')
}

/** "Determination of Access Rights", sentence by sentence. */
function isAllowed(state: ModelState, access: ModelAccess, used: readonly bigint[]): boolean {
  const userAddress = used.every(entry => bit(entry, 2))
  const writable = used.every(entry => bit(entry, 1))
  const noExecute = state.mode !== '32-bit' && state.nxe && used.some(entry => bit(entry, 63))
  if (access.user) {
    if (!userAddress) return false
    return access.kind === 'read' || (access.kind === 'write' ? writable : !noExecute)
  }
  if (access.kind === 'execute') return !noExecute && !(userAddress && state.smep)
  if (userAddress && state.smap && !access.ac) return false
  return access.kind === 'read' || writable || !state.wp
}

/** What the access gives, and what it leaves in memory. */
export function modelTranslate(memory: ModelMemory, state: ModelState, linear: bigint, access: ModelAccess): ModelOutcome {
  try {
    return { is: 'address', physical: translate(memory, state, linear, access) }
  } catch (thrown) {
    if (thrown instanceof Stop) return thrown.outcome
    throw thrown
  }
}
