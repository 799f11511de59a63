/** What a loader works from and what it makes of it. */

import type { Image } from '../../assembler/image.ts'
import type { Gpa } from '../../base/units.ts'

/** long: 64-bit mode at the image's entry. protected: by multiboot 1. real: a boot sector. rom: from the reset vector. */
export const BOOT_KINDS = ['long', 'protected', 'real', 'rom', 'linux'] as const

export type BootKind = (typeof BOOT_KINDS)[number]

export interface BootModule {
  readonly name: string
  readonly bytes: Uint8Array
}

/** How a program is booted; part of the configuration that a trace holds. */
export interface BootConfig {
  readonly kind: BootKind
  /** The program's name, then what `--append` says. */
  readonly commandLine: string
  readonly modules: readonly BootModule[]
}

export interface BootRequest {
  readonly image: Image
  readonly boot: BootConfig
  readonly memoryMiB: number
  readonly cpus: number
  /** CPUID signature, which EDX holds after reset. */
  readonly signature: number
}

export interface Piece {
  readonly address: Gpa
  readonly bytes: Uint8Array
}

/** Little-endian fields of a structure in memory. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** Text with the zero that ends it. */
export const zeroTerminated = (text: string): Uint8Array => new TextEncoder().encode(`${text}\0`)
