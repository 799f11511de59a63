/**
 * A hypervisor in C (`test/programs/vmx`), built by gcc for 64-bit mode and multiboot as kvm-unit-tests builds its own, on the bare CPU and under
 * KVM. It derives from the SDM what each VMX instruction, VM entry and VM exit must give, and prints a FAIL line for each that does not.
 */

import { spawnSync } from 'node:child_process'
import { readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Image } from '../../src/assembler/image.ts'
import { binaryImage } from '../../src/cli/boot-options.ts'
import { resolveRunConfig } from '../../src/session/config.ts'
import { record } from '../../src/session/record.ts'
import type { TraceEvent } from '../../src/spec/trace-events.ts'
import { memorySink } from '../../src/trace/file.ts'

const FILE = join(tmpdir(), `vtick-vmx-${process.pid}.elf`)
const canBuild = ['gcc', 'objcopy'].every(program => spawnSync(program, ['--version']).status === 0)

describe.skipIf(!canBuild)('a VMX kernel built by gcc (skipped without gcc and objcopy)', () => {
  let image: Image
  beforeAll(() => {
    const build = spawnSync('sh', [join(import.meta.dirname, '../programs/vmx/build.sh'), FILE], { encoding: 'utf8' })
    expect(build.stderr).toBe('')
    image = binaryImage(readFileSync(FILE), 0x10_0000)
  })
  afterAll(() => rmSync(FILE, { force: true }))

  test.each([
    ['on the bare CPU', true],
    ['under KVM', false],
  ])('%s all that it examines holds', (_, bare) => {
    const bytes: number[] = []
    const observe = (event: TraceEvent) => {
      if (event.kind === 'console') bytes.push(event.byte)
    }
    const boot = { kind: 'protected', commandLine: '', modules: [] } as const
    const config = resolveRunConfig({ bare, boot, guestMemoryMiB: 32 })
    const { end } = record(config, image, { sink: memorySink(), observe, maxInstructions: 5_000_000 })
    expect(Buffer.from(bytes).toString('latin1')).toMatch(/^VMX: all held\nchecks 0x/)
    expect(end).toMatchObject({ reason: 'exit-port', status: 0 })
  })
})
