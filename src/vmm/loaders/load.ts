/** Choosing the loader, and from the program itself the way to boot it where nobody says. */

import { type BootEnvironment, longModeBoot } from '../boot.ts'
import { acpiTables } from './acpi.ts'
import { isElf, loadElf } from './elf.ts'
import { isBzImage, linuxBoot } from './linux.ts'
import { requireOf } from './load-error.ts'
import { multibootBoot, multibootHeader } from './multiboot.ts'
import type { BootKind, BootRequest } from './program.ts'
import { bootSectorBoot, isBootSector, romBoot } from './real-mode.ts'

/** How a file boots by what it holds; flat bytes of 64-bit code when nothing else is recognised. */
export function bootKindOf(bytes: Uint8Array): BootKind {
  if (multibootHeader(bytes) >= 0) return 'protected'
  if (isBootSector(bytes)) return 'real'
  return isBzImage(bytes) ? 'linux' : 'long'
}

/** An image made of a flat file or source, or an ELF file of 64-bit code. */
function longBoot(request: BootRequest): BootEnvironment {
  const { image, memoryMiB } = request
  if (!isElf(image.bytes)) {
    const environment = longModeBoot(image)
    return { ...environment, pieces: [...acpiTables(request.cpus), ...environment.pieces] }
  }
  const { bits, entry, pieces, end } = loadElf(image.bytes)
  requireOf(bits === 64, 'the ELF file is of 32 bits and has no multiboot header', 'give it one, or link it for 64 bits')
  requireOf(
    end <= memoryMiB * 2 ** 20,
    `it reaches up to 0x${end.toString(16)}`,
    `give it more memory with -m ${Math.ceil(end / 2 ** 20) + 1}`,
  )
  const environment = longModeBoot({ ...image, bytes: new Uint8Array(), entry })
  return { ...environment, pieces: [...acpiTables(request.cpus), ...environment.pieces, ...pieces] }
}

const LOADERS: Readonly<Record<BootKind, (request: BootRequest) => BootEnvironment>> = {
  long: longBoot,
  protected: multibootBoot,
  real: bootSectorBoot,
  rom: romBoot,
  linux: linuxBoot,
}

/** The guest's memory and registers at its start; a `LoadError` where the program cannot be booted so. */
export const bootEnvironmentOf = (request: BootRequest): BootEnvironment => LOADERS[request.boot.kind](request)
