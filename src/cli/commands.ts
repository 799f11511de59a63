/**
 * The commands of the program, in the order of its help. `commands/` holds their options and help, a file for each group; what a
 * command does, and with it the emulator, is loaded only when it runs, so that `--help` and `--version` answer at once.
 */

import { addAnswerCommands } from './commands/answer.ts'
import { addBenchCommands } from './commands/bench.ts'
import { addFileCommands } from './commands/file.ts'
import type { CommandHost } from './commands/host.ts'
import { addRunCommands } from './commands/run.ts'
import { addSourceCommands } from './commands/source.ts'
import { addTestCommands } from './commands/test.ts'
import { addTravelCommands } from './commands/travel.ts'

export function addCommands(host: CommandHost): void {
  addSourceCommands(host)
  addRunCommands(host)
  addTravelCommands(host)
  addAnswerCommands(host)
  addFileCommands(host)
  addTestCommands(host)
  addBenchCommands(host)
  for (const command of host.program.commands)
    command.option('--color', 'colour, also where the output is not a terminal').option('--no-color', 'no colour')
}
