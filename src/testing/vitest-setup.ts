/** `vtick/vitest/setup`, for vitest's `setupFiles`: every test file has the matchers and the serializer. */

import { expect } from 'vitest'
import { matchers } from './matchers.ts'
import { serializer } from './serializer.ts'

expect.extend(matchers)
expect.addSnapshotSerializer(serializer)
