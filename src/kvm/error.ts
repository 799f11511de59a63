/** Misuse of KVM by its caller: what the ioctl would give as errno. */

export type Errno = 'EINVAL' | 'EFAULT' | 'ENXIO' | 'EEXIST' | 'ENOMEM' | 'ENOENT'

export class KvmError extends Error {
  override name = 'KvmError'
  readonly errno: Errno
  constructor(errno: Errno, what: string) {
    super(`${errno}: ${what}`)
    this.errno = errno
  }
}
