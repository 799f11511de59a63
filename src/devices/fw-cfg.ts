/**
 * QEMU's firmware configuration device on its I/O ports (QEMU, "QEMU Firmware Configuration (fw_cfg) Device"): software selects an item
 * by writing its 16-bit key to port 0x510 and reads its bytes from port 0x511. The DMA interface is absent, and the feature item says so.
 */

export const FW_CFG = {
  SIGNATURE: 0x00,
  ID: 0x01,
  UUID: 0x02,
  RAM_SIZE: 0x03,
  NB_CPUS: 0x05,
  KERNEL_ADDR: 0x07,
  KERNEL_SIZE: 0x08,
  KERNEL_CMDLINE: 0x09,
  INITRD_ADDR: 0x0a,
  INITRD_SIZE: 0x0b,
  NUMA: 0x0d,
  BOOT_MENU: 0x0e,
  MAX_CPUS: 0x0f,
  KERNEL_ENTRY: 0x10,
  KERNEL_DATA: 0x11,
  INITRD_DATA: 0x12,
  CMDLINE_ADDR: 0x13,
  CMDLINE_SIZE: 0x14,
  CMDLINE_DATA: 0x15,
  FILE_DIR: 0x19,
  FILE_FIRST: 0x20,
} as const

export interface FwCfgItem {
  readonly key: number
  readonly bytes: Uint8Array
}

export interface FwCfgState {
  items: FwCfgItem[]
  selected: number
  offset: number
}

/** What the machine is, as far as firmware asks. */
export interface FwCfgFacts {
  readonly cpus: number
  readonly memoryBytes: number
  readonly commandLine: string
  readonly files: readonly { readonly name: string; readonly bytes: Uint8Array }[]
}

/** Bit 15 asks for writing, bit 14 for the items of an architecture. */
const KEY_MASK = 0xbfff
const FILE_NAME_BYTES = 56

const little = (value: number, size: number): Uint8Array =>
  Uint8Array.from({ length: size }, (_, byte) => Math.floor(value / 2 ** (8 * byte)) & 0xff)

const big = (value: number, size: number): Uint8Array => little(value, size).reverse()

const text = (value: string): Uint8Array => new TextEncoder().encode(value)

export function newFwCfg({ cpus, memoryBytes, commandLine, files }: FwCfgFacts): FwCfgState {
  const line = text(`${commandLine}\0`)
  const rows: readonly (readonly [number, Uint8Array])[] = [
    [FW_CFG.SIGNATURE, text('QEMU')],
    [FW_CFG.ID, little(1, 4)], // the traditional interface alone
    [FW_CFG.UUID, new Uint8Array(16)],
    [FW_CFG.RAM_SIZE, little(memoryBytes, 8)],
    [FW_CFG.NB_CPUS, little(cpus, 2)],
    [FW_CFG.NUMA, new Uint8Array(16)],
    [FW_CFG.BOOT_MENU, little(0, 2)],
    [FW_CFG.MAX_CPUS, little(cpus, 2)],
    [FW_CFG.CMDLINE_SIZE, little(line.length, 4)],
    [FW_CFG.CMDLINE_DATA, line],
    [FW_CFG.FILE_DIR, directory(files)],
    ...files.map(({ bytes }, index) => [FW_CFG.FILE_FIRST + index, bytes] as const),
  ]
  return { items: rows.map(([key, bytes]) => ({ key, bytes })), selected: FW_CFG.SIGNATURE, offset: 0 }
}

/** A big-endian count, then for each file its size, its key, two reserved bytes and its name. */
function directory(files: FwCfgFacts['files']): Uint8Array {
  const entries = files.flatMap(({ name, bytes }, index) => {
    const padded = new Uint8Array(FILE_NAME_BYTES)
    padded.set(text(name))
    return [...big(bytes.length, 4), ...big(FW_CFG.FILE_FIRST + index, 2), 0, 0, ...padded]
  })
  return Uint8Array.from([...big(files.length, 4), ...entries])
}

export function selectFwCfg(state: FwCfgState, key: number): void {
  state.selected = key & KEY_MASK
  state.offset = 0
}

/** The next byte of the selected item; zero behind its end, and for a key that has no item. */
export function readFwCfg(state: FwCfgState): number {
  const item = state.items.find(({ key }) => key === state.selected)
  return item?.bytes[state.offset++] ?? 0
}
