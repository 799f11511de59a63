/**
 * QEMU's pc-testdev, which tests of KVM use: a 32-bit register at port 0xE0, interrupt lines at 0x2000 and 64 KBytes of device memory
 * at 0xFF000000. Its page flush at port 0xE4 has no effect that a guest could see; its second register at 0xE8 is left out, because
 * port 0xE9 is a console.
 */

export const TESTDEV_REGISTER_PORT = 0xe0
export const TESTDEV_LINES_PORT = 0x2000
export const TESTDEV_LINES = 24
export const TESTDEV_MEMORY = 0xff00_0000
export const TESTDEV_MEMORY_BYTES = 0x1_0000

export interface PcTestdevState {
  register: number
  /** Interrupt lines that it holds high. */
  lines: number
  /** Bytes that were written, by offset; the others are zero. */
  memory: Record<number, number>
}

export const newPcTestdev = (): PcTestdevState => ({ register: 0, lines: 0, memory: {} })

export const readTestdevByte = ({ register }: PcTestdevState, offset: number): number => (register >>> (8 * offset)) & 0xff

export function writeTestdevByte(state: PcTestdevState, offset: number, value: number): void {
  const shift = 8 * offset
  state.register = ((state.register & ~(0xff << shift)) | (value << shift)) >>> 0
}

export function setTestdevLine(state: PcTestdevState, line: number, high: boolean): void {
  state.lines = high ? state.lines | (1 << line) : state.lines & ~(1 << line)
}
