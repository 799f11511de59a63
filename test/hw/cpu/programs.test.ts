/**
 * Whole programs through every mode, against what QEMU's serial port printed for the same bytes. `modes.qemu.txt` was made so:
 *
 *     nasm -f bin -o modes.bin modes.asm
 *     qemu-system-x86_64 -kernel modes.bin -display none -serial stdio -device isa-debug-exit,iobase=0xf4,iosize=4 -cpu max
 *
 * The full run makes it anew where nasm and QEMU are installed. RF in pushed EFLAGS is not printed: QEMU never sets it, the SDM says
 * "Resume Flag: … set in the image" of a fault.
 */

import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { isFull } from '../../slice.ts'
import type { BareRun } from '../bare.ts'
import { runImage } from './legacy.ts'

const PROGRAMS = join(import.meta.dirname, 'programs')
const text = (name: string): string => readFileSync(join(PROGRAMS, name), 'utf8')

const MULTIBOOT_RIGHTS = { code: 0xc09b, data: 0xc093, limit: 0xffff_ffff }

/** The state that multiboot prescribes: flat 32-bit segments, protection on, paging off. */
const runMultiboot = (source: string): BareRun =>
  runImage(source, 'start', ({ cpus, registers }) => {
    registers[0]!.cr[0] = registers[0]!.cr[0]! | 1n
    for (const index of [0, 1, 2, 3, 4, 5]) {
      const { code, data, limit } = MULTIBOOT_RIGHTS
      cpus[0]!.segments[index] = { selector: index === 1 ? 8 : 16, limit, accessRights: index === 1 ? code : data }
    }
    registers[0]!.segmentBase[1] = 0n
  })

const runBootSector = (source: string): BareRun =>
  runImage(source, 'start', ({ cpus, registers }) => {
    cpus[0]!.segments[1]!.selector = 0
    registers[0]!.segmentBase[1] = 0n
  })

test('protected, virtual-8086, compatibility and 64-bit mode do what QEMU does', () => {
  const run = runMultiboot(text('modes.asm'))
  expect(run.machine.ended).toMatchObject({ reason: 'exit-port', status: 0 })
  expect(run.console).toBe(text('modes.qemu.txt'))
})

test('a boot sector goes from real-address mode to 64-bit mode and back', () => {
  const run = runBootSector(text('boot-sector.asm'))
  expect(run.machine.ended).toMatchObject({ reason: 'exit-port', status: 0 })
  expect(run.console).toBe('RIPCLprI')
})

/** What QEMU prints; null, with a notice, where it or NASM is not installed. */
function printedByQemu(name: string, boot: (file: string) => string[]): string | null {
  const directory = mkdtempSync(join(tmpdir(), 'vtick-modes-'))
  const file = join(directory, 'program.bin')
  try {
    const nasm = spawnSync('nasm', ['-f', 'bin', '-o', file, join(PROGRAMS, name)])
    // into a file: what a pipe cannot take at once, QEMU drops when the guest ends it
    const printed = join(directory, 'printed')
    const options = [
      '-display',
      'none',
      '-serial',
      `file:${printed}`,
      '-device',
      'isa-debug-exit,iobase=0xf4,iosize=4',
      '-cpu',
      'max',
      '-no-reboot',
    ]
    const qemu = spawnSync('qemu-system-x86_64', [...boot(file), ...options], { timeout: 60_000 })
    if (nasm.error !== undefined || qemu.error !== undefined) {
      console.warn(`notice: not compared with QEMU: ${(nasm.error ?? qemu.error)!.message}`)
      return null
    }
    return readFileSync(printed, 'latin1')
  } finally {
    rmSync(directory, { recursive: true })
  }
}

test.runIf(isFull)('QEMU prints the same today', () => {
  const kernel = printedByQemu('modes.asm', file => ['-kernel', file])
  if (kernel !== null) expect(kernel).toBe(text('modes.qemu.txt'))
  const sector = printedByQemu('boot-sector.asm', file => ['-drive', `format=raw,file=${file}`])
  if (sector !== null) expect(sector).toContain('RIPCLprI')
})
