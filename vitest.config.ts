/** `unit` tests vtick in TypeScript; `guest` runs the guest tests, assembly files that say themselves what must come out. */

import { defineConfig } from 'vitest/config'
import guestTests from './src/testing/plugin.ts'

/** The whole of a sweep takes minutes. */
const TIMEOUT = process.env.VTICK_FULL === '1' ? 1_800_000 : 60_000

export default defineConfig({
  test: {
    // Both of two cores: the default leaves one idle.
    maxWorkers: 2,
    projects: [
      {
        test: { name: 'unit', include: ['test/**/*.test.ts'], pool: 'threads', isolate: false, testTimeout: TIMEOUT, hookTimeout: TIMEOUT },
      },
      {
        plugins: [guestTests()],
        test: {
          name: 'guest',
          include: ['examples/**/*.guest.asm', 'asm/**/*.guest.asm', 'test/**/*.guest.asm'],
          pool: 'threads',
          isolate: false,
          testTimeout: TIMEOUT,
          hookTimeout: TIMEOUT,
        },
      },
    ],
  },
})
