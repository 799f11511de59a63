/**
 * Firmware and kernels as Debian packages them, bare and under KVM. What is looked for is what QEMU 7.2 (TCG) prints for the same file, without the
 * lines about devices that only one of the two machines has. A file that is not installed is skipped, with a notice.
 */

import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { binaryImage } from '../../src/cli/boot-options.ts'
import { resolveRunConfig } from '../../src/session/config.ts'
import { deliverInput, drive, instructionsOf, startRun } from '../../src/session/guest-run.ts'
import { isFull } from '../slice.ts'

const isThere = (file: string, debianPackage: string): boolean => {
  const found = existsSync(file)
  if (!found) console.warn(`${file} is not installed: its boot is skipped (Debian package \`${debianPackage}\`)`)
  return found
}

interface Boot {
  readonly kind: 'rom' | 'linux'
  readonly bare: boolean
  readonly cpus?: number
  readonly commandLine?: string
  /** What a person types before the start. */
  readonly typed?: string
  readonly until: string
  readonly maxInstructions: number
}

/** The console up to the text that ends the run, and after how many instructions that came. */
function bootOf(bytes: Uint8Array, { kind, bare, cpus = 1, commandLine = '', typed = '', until, maxInstructions }: Boot) {
  const boot = { kind, commandLine, modules: [] }
  const romBytes = kind === 'rom' ? bytes.length : 0
  const guest = startRun(resolveRunConfig({ bare, cpus, boot, romBytes, guestMemoryMiB: 256 }), binaryImage(bytes, 0x10_0000))
  let printed = ''
  guest.machine.observe = event => {
    if (event.kind === 'console') printed += String.fromCharCode(event.byte)
  }
  if (typed !== '') deliverInput(guest, 'uart', Buffer.from(typed))
  const isDone = (): boolean => printed.includes(until)
  let end = null
  for (let limit = SLICE; end === null && !isDone() && limit <= maxInstructions; limit += SLICE) {
    end = drive(guest, limit, isDone)
    if (end?.reason === 'budget') end = null
  }
  return { lines: printed.split('\n').map(line => line.trim()), end, instructions: instructionsOf(guest) }
}

/** Ten million instructions take some seconds, on a machine with other work more. */
const LONG_MS = 240_000

/** So many instructions lie between two looks at the console. */
const SLICE = 10_000

/** The lines that are among those wanted, in the order in which they were printed. */
const among = (lines: readonly string[], wanted: readonly string[]): readonly string[] => lines.filter(line => wanted.includes(line))

const MODES = [
  ['on the bare CPU', true],
  ['under KVM', false],
] as const

const U_BOOT = '/usr/lib/u-boot/qemu-x86_64/u-boot.rom'
const U_BOOT_LINES = [
  'Trying to boot from SPI',
  'Jumping to 64-bit U-Boot: Note many features are missing',
  'DRAM:  256 MiB',
  'Core:  15 devices, 12 uclasses, devicetree: separate',
  'Loading Environment from nowhere... OK',
  'Model: QEMU x86 (I440FX)',
  'Net:   No ethernet found.',
]

describe.skipIf(!isThere(U_BOOT, 'u-boot-qemu'))('U-Boot for x86-64', () => {
  // QEMU needs 10.13 million up to the last of these lines (it has PCI devices), counted by a TCG plugin.
  test.each(MODES.filter(([, bare]) => bare || isFull))(
    '%s it reaches its prompt within 10 million instructions',
    (_, bare) => {
      const boot = { kind: 'rom', bare, typed: '\n', until: '\n=> ', maxInstructions: 10_000_000 } as const
      const { lines, end } = bootOf(readFileSync(U_BOOT), boot)
      expect(among(lines, U_BOOT_LINES)).toEqual(U_BOOT_LINES)
      expect([end, lines.at(-1)]).toEqual([null, '=>'])
    },
    LONG_MS,
  )
})

const SEABIOS = '/usr/share/seabios'
/** Of `qemu-system-x86_64 -M isapc -vga none`, which has neither PCI nor a display; with no disk at all. */
const SEABIOS_LINES = [
  'Unable to unlock ram - bridge not found',
  'Found QEMU fw_cfg',
  '=== PCI bus & bridge init ===',
  'Scan for VGA option rom',
  'No VGA found, scan for other display',
  'Turning on vga text mode console',
  'Found 1 serial ports',
  'Scan for option roms',
  'Unable to lock ram - bridge not found',
  'enter handle_19:',
  'Booting from Floppy...',
  'Boot failed: could not read the boot disk',
  'enter handle_18:',
  'Booting from Hard Disk...',
  'Boot failed: could not read the boot disk',
  'enter handle_18:',
]

const SEABIOS_BUILDS = ['bios.bin', 'bios-256k.bin', 'bios-microvm.bin']

describe.skipIf(!isFull).each(SEABIOS_BUILDS)('SeaBIOS, %s (in the full run)', build => {
  test.skipIf(!isThere(`${SEABIOS}/${build}`, 'seabios')).each(MODES)(
    '%s it comes to know that there is nothing to boot from',
    (_, bare) => {
      const boot = { kind: 'rom', bare, until: 'No bootable device.', maxInstructions: 8_000_000 } as const
      const { lines, end } = bootOf(readFileSync(`${SEABIOS}/${build}`), boot)
      expect(lines[0]).toMatch(/^SeaBIOS \(version /)
      expect(among(lines, SEABIOS_LINES)).toEqual(SEABIOS_LINES)
      expect(end).toBe(null)
    },
  )
})

const kernelOf = (): string => {
  const name = existsSync('/boot') ? readdirSync('/boot').find(file => /^vmlinuz-.*-amd64$/.test(file)) : undefined
  return `/boot/${name ?? 'vmlinuz-amd64'}`
}

/** The vmlinux in a bzImage (boot.rst, "payload_offset"), which it would take 4.5 billion instructions to unpack itself (QEMU's count too). */
function unpacked(bytes: Uint8Array): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  const start = (bytes[0x1f1]! + 1) * 512 + view.getUint32(0x248, true)
  const { stdout, stderr } = spawnSync('xz', ['-dc', '--single-stream'], {
    input: bytes.subarray(start, start + view.getUint32(0x24c, true)),
    maxBuffer: 2 ** 28,
  })
  expect(stderr.toString()).toBe('')
  return stdout
}

describe.skipIf(!isFull || !isThere(kernelOf(), 'linux-image-amd64'))("Debian's Linux (in the full run)", () => {
  test.each([
    ['on the bare CPU', true, 1],
    ['on two bare CPUs', true, 2],
    ['under KVM', false, 1],
  ])('%s it finds its memory, its ACPI tables and its timers', (_, bare, cpus) => {
    const boot = {
      kind: 'linux',
      bare,
      cpus,
      commandLine: 'earlyprintk=ttyS0 nokaslr',
      until: 'Memory: ',
      maxInstructions: 100_000_000,
    } as const
    const { lines, end } = bootOf(unpacked(readFileSync(kernelOf())), boot)
    const printed = lines.map(line => line.replace(/^\[ *\d+\.\d+\] /, ''))
    expect(printed[0]).toMatch(/^Linux version \d/)
    expect(printed).toContain('BIOS-e820: [mem 0x0000000000100000-0x000000000fffffff] usable')
    expect(printed).toContain('tsc: Detected 2000.000 MHz processor')
    expect(printed).toContain('ACPI: Using ACPI (MADT) for SMP configuration information')
    expect(printed).toContain(`smpboot: Allowing ${cpus} CPUs, 0 hotplug CPUs`)
    expect(end).toBe(null)
  })
})
