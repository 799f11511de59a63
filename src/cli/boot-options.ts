/** How `vtick run` boots a program: the options that say it, and what the program itself says where they do not. */

import { basename } from 'node:path'
import { flatImage, type Image } from '../assembler/image.ts'
import { elfNames, isElf } from '../vmm/loaders/elf.ts'
import { bootKindOf } from '../vmm/loaders/load.ts'
import type { BootConfig, BootKind, BootModule } from '../vmm/loaders/program.ts'
import { usageError } from './exit-codes.ts'
import { readFileNamed } from './files.ts'
import type { Io } from './io.ts'

export interface BootOptions {
  readonly boot?: BootKind
  readonly append?: string
  readonly initrd?: readonly string[]
  readonly env?: readonly string[]
  /** Seconds since 1970. */
  readonly date?: number
}

/** A file that is no source: ELF with the names in its symbol table, or bytes for `origin`. */
export function binaryImage(bytes: Uint8Array, origin: number): Image {
  if (!isElf(bytes)) return flatImage(bytes, origin, 64)
  const symbols = elfNames(bytes).map(({ name, value }) => ({ name, value, kind: 'label' as const, source: 0, line: 0 }))
  return { ...flatImage(bytes, 0, bytes[4] === 2 ? 64 : 32), symbols }
}

/** Kinds that hand over a command line, and modules. */
const WITH_COMMAND_LINE: ReadonlySet<BootKind> = new Set(['protected', 'linux'])

/** The configuration of the boot, from the options and the program. */
export function bootConfigOf(io: Io, file: string, image: Image, options: BootOptions): BootConfig {
  const kind = options.boot ?? bootKindOf(image.bytes)
  const { append, initrd = [], env = [] } = options
  if (!WITH_COMMAND_LINE.has(kind)) {
    const given = append !== undefined ? '--append' : initrd.length > 0 ? '--initrd' : env.length > 0 ? '--env' : undefined
    if (given !== undefined)
      throw usageError(
        `${given} is for multiboot kernels and Linux, and ${file} boots as \`${kind}\``,
        'leave it out, or say --boot protected or linux',
      )
  }
  if (kind === 'linux' && env.length > 0) throw usageError('--env is a multiboot module, and Linux has none', 'use --append')
  const modules = [
    ...initrd.map((name): BootModule => ({ name: basename(name), bytes: readFileNamed(io, name) })),
    ...environmentModule(env),
  ]
  // A multiboot kernel finds its own name first, as GRUB and QEMU put it; Linux finds its parameters alone.
  const words = [...(kind === 'protected' ? [basename(file)] : []), ...(append === undefined ? [] : [append])]
  return { kind, commandLine: WITH_COMMAND_LINE.has(kind) ? words.join(' ') : '', modules }
}

/** All `--env` together are one module of lines, as tests of KVM read their environment. */
function environmentModule(env: readonly string[]): readonly BootModule[] {
  return env.length === 0 ? [] : [{ name: 'env', bytes: new TextEncoder().encode(env.map(line => `${line}\n`).join('')) }]
}
