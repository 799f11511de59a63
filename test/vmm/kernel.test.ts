/**
 * A kernel built by gcc (`test/programs/kernel`) on the bare CPU and under KVM, with several numbers of CPUs: it brings up paging, IDT, 8259s, PIT,
 * local APIC, I/O APIC and the other CPUs. What it prints is what QEMU (TCG) printed for the same file; where QEMU is installed, it is asked again.
 */

import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { binaryImage } from '../../src/cli/boot-options.ts'
import { resolveRunConfig } from '../../src/session/config.ts'
import { record } from '../../src/session/record.ts'
import { replay } from '../../src/session/replay.ts'
import type { TraceEvent } from '../../src/spec/trace-events.ts'
import { memorySink, openTrace } from '../../src/trace/file.ts'

const FILE = join(import.meta.dirname, '../programs/kernel/kernel.elf')
const image = binaryImage(readFileSync(FILE), 0x10_0000)
const MODULE = 'A=1\nB=two\n'

/** Of QEMU, without what depends on the number of CPUs. */
const printed = (cpus: number): string => {
  const all = readFileSync(join(import.meta.dirname, '../programs/kernel/qemu.txt'), 'utf8')
  return all
    .split('=== ')
    .find(part => part.startsWith(`${cpus}\n`))!
    .replace(/^\d\n/, '')
}

function run(cpus: number, bare: boolean) {
  const boot = { kind: 'protected', commandLine: 'kernel.elf one two', modules: [{ name: 'env', bytes: Buffer.from(MODULE) }] } as const
  const sink = memorySink()
  const bytes: number[] = []
  const observe = (event: TraceEvent) => {
    if (event.kind === 'console') bytes.push(event.byte)
  }
  const config = resolveRunConfig({ bare, cpus, boot, guestMemoryMiB: 16 })
  const recording = record(config, image, { sink, observe, maxInstructions: 5_000_000 })
  return { recording, console: Buffer.from(bytes).toString('latin1'), reader: openTrace(sink.bytes()) }
}

describe.each([1, 2, 4])('%s CPUs', cpus => {
  test.each([
    ['on the bare CPU', true],
    ['under KVM', false],
  ])('%s the kernel prints what QEMU prints, and its recording replays', (_, bare) => {
    const { recording, console, reader } = run(cpus, bare)
    expect(console).toBe(printed(cpus))
    expect(recording.end).toMatchObject({ reason: 'exit-port', status: 0 })
    expect(replay(reader)).toMatchObject({ kind: 'same', hash: recording.hash })
  })
})

const isInstalled = (program: string): boolean => spawnSync(program, ['--version']).status === 0

test.skipIf(!isInstalled('qemu-system-x86_64'))('QEMU prints the same today', () => {
  const options = ['-display', 'none', '-serial', 'stdio', '-no-reboot', '-smp', '2', '-m', '16', '-device', 'isa-debug-exit,iobase=0xf4']
  const env = join(tmpdir(), `vtick-env-${process.pid}`)
  spawnSync('sh', ['-c', `printf '${MODULE.replaceAll('\n', '\\n')}' > ${env}`])
  const { stdout } = spawnSync('qemu-system-x86_64', [...options, '-kernel', FILE, '-append', 'one two', '-initrd', env], {
    timeout: 60_000,
  })
  expect(stdout.toString('latin1').replaceAll('\r', '')).toBe(printed(2))
})

const canBuild = isInstalled('gcc') && existsSync(join(import.meta.dirname, '../programs/kernel/kernel.c'))

test.skipIf(!canBuild)("the kernel's sources build a multiboot kernel", () => {
  const out = join(tmpdir(), `vtick-kernel-${process.pid}.elf`)
  const folder = join(import.meta.dirname, '../programs/kernel')
  const build = spawnSync('sh', [join(folder, 'build.sh'), out], { encoding: 'utf8' })
  expect(build.stderr).toBe('')
  // Another gcc makes other code: what must hold is that it builds, and begins as a multiboot kernel.
  expect(readFileSync(out).includes(Buffer.from([0x02, 0xb0, 0xad, 0x1b]))).toBe(true)
})
