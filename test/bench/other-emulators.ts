/** QEMU (TCG) and Bochs on a disk image, for `npm run bench:cpu`: wall time from start to end, or null where one is not installed. */

import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const TIMEOUT_MS = 120_000
const BLOCK = 512
/** Bochs wants a disk of whole cylinders: 16 heads, 63 sectors. */
const DISK_BYTES = 16 * 63 * BLOCK * 4

export interface Emulator {
  /** How many times the long run of our engine it repeats, to take a measurable time. */
  readonly longer: number
  readonly run: (image: Uint8Array, folder: string) => number | null
}

function timed(command: string, args: readonly string[], folder: string, isGood: (status: number | null) => boolean): number | null {
  const start = performance.now()
  const run = spawnSync(command, args, { cwd: folder, timeout: TIMEOUT_MS, stdio: 'ignore' })
  const milliseconds = performance.now() - start
  return run.error === undefined && isGood(run.status) ? milliseconds : null
}

function writeDisk(image: Uint8Array, folder: string): void {
  const bytes = new Uint8Array(DISK_BYTES)
  bytes.set(image)
  writeFileSync(join(folder, 'disk.img'), bytes)
}

const QEMU_OPTIONS = ['-accel', 'tcg', '-cpu', 'max', '-m', '64', '-display', 'none', '-serial', 'none', '-monitor', 'none', '-net', 'none']
const QEMU_DEVICES = ['-device', 'isa-debug-exit,iobase=0xf4', '-drive', 'format=raw,if=ide,file=disk.img']

/** isa-debug-exit ends QEMU with 2 * value + 1. */
function runQemu(image: Uint8Array, folder: string): number | null {
  writeDisk(image, folder)
  return timed('qemu-system-x86_64', [...QEMU_OPTIONS, ...QEMU_DEVICES, '-no-reboot'], folder, status => status === 1)
}

/** SeaBIOS boots Bochs too, and is there wherever Debian's QEMU is. Paths are relative: this Bochs has small buffers. */
const BOCHS_CONFIGURATION = `megs: 64
cpu: count=1, ips=20000000, reset_on_triple_fault=0
romimage: file=/usr/share/seabios/bios.bin
vgaromimage: file=/usr/share/seabios/vgabios-stdvga.bin
ata0-master: type=disk, path=disk.img, mode=flat, cylinders=4, heads=16, spt=63
boot: disk
display_library: rfb, options="timeout=0"
log: bochs.log
panic: action=fatal
speaker: enabled=0, mode=none
sound: waveoutdrv=dummy, waveindrv=dummy, midioutdrv=dummy
plugin_ctrl: speaker=0
`

/** The shutdown port ends Bochs with a panic of its own kind. */
function runBochs(image: Uint8Array, folder: string): number | null {
  writeDisk(image, folder)
  writeFileSync(join(folder, 'bochsrc'), BOCHS_CONFIGURATION)
  writeFileSync(join(folder, 'continue'), 'c\n') // Debian's is built with its debugger, which waits for a command
  writeFileSync(join(folder, 'bochs.log'), '')
  const isShutDown = () => readFileSync(join(folder, 'bochs.log'), 'latin1').includes('shutdown requested')
  return timed('bochs', ['-q', '-f', 'bochsrc', '-rc', 'continue'], folder, isShutDown)
}

export const OTHER_EMULATORS: Readonly<Record<string, Emulator>> = {
  QEMU: { longer: 100, run: runQemu },
  Bochs: { longer: 12, run: runBochs },
}
