/**
 * The explorer in a process: signals, crashes and Ctrl-Z. Whatever happens, the terminal is given back before a word is printed.
 */

import type { Explorer } from './explorer.tsx'

const DEADLY = ['SIGTERM', 'SIGHUP', 'SIGINT', 'SIGQUIT'] as const

export interface Guard {
  /** Rejects when something crashes outside of a frame. */
  readonly crashed: Promise<never>
  release(): void
}

/** `onKilled` is called with the terminal given back, before the signal does its work. */
export function guardProcess(explorer: Explorer, onKilled: () => void): Guard {
  let fail: (error: unknown) => void = () => {}
  const crashed = new Promise<never>((_, reject) => {
    fail = reject
  })
  crashed.catch(() => {}) // somebody waits for it only while the explorer runs
  let isLeaving = false
  // A terminal that closes sends its signal more than once: none may do its work before the last word is out.
  const onSignal = (signal: NodeJS.Signals): void => {
    if (isLeaving) return
    isLeaving = true
    explorer.stop()
    onKilled()
    release()
    process.kill(process.pid, signal)
  }
  // A terminal that is closed need not send a signal, and Node dies of putting the modes of one back that is gone.
  const onHangup = (): void => onSignal('SIGHUP')
  const onCrash = (error: unknown): void => {
    explorer.stop()
    fail(error)
  }
  const onExit = (): void => explorer.stop()
  const onContinue = (): void => explorer.resume()
  const release = (): void => {
    for (const signal of DEADLY) process.off(signal, onSignal)
    process.off('uncaughtException', onCrash)
    process.off('unhandledRejection', onCrash)
    process.off('exit', onExit)
    process.off('SIGCONT', onContinue)
    process.stdin.off('end', onHangup)
    process.stdin.off('error', onHangup)
  }
  for (const signal of DEADLY) process.on(signal, onSignal)
  process.on('uncaughtException', onCrash)
  process.on('unhandledRejection', onCrash)
  process.on('exit', onExit)
  process.on('SIGCONT', onContinue)
  process.stdin.on('end', onHangup)
  process.stdin.on('error', onHangup)
  return { crashed, release }
}

/**
 * Ctrl-Z: stops this process with all that the shell started with it, as the terminal would. Where no shell could go on with it (POSIX:
 * an orphaned process group), the kernel does not stop it.
 */
export function suspendProcess(explorer: Explorer): void {
  explorer.suspend()
  process.kill(0, 'SIGTSTP')
  explorer.resume()
}
