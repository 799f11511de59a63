/** Mnemonics of the SDM that the instruction table does not have yet: a source that uses one is told "not supported yet". */

export const UNSUPPORTED_MNEMONICS: readonly string[] = []
