import { closeSync, constants, openSync, readSync } from 'node:fs'
import { join } from 'node:path'
import type { ReadingSettings } from '../model/order.ts'
import { vaultCall } from './failures.ts'
import { deviceOfRoot, fileAt } from './hpssfs.ts'
import type { ReadingVault } from './vault.ts'

/** A POSIX mount of HPSS, read by somebody who may not write there. */
export function hpssfsReading(settings: ReadingSettings): ReadingVault {
  return {
    open(location) {
      deviceOfRoot(settings)
      const path = join(settings.root, location)
      const bytes = fileAt(path)?.bytes
      if (bytes === undefined) return null
      const fd = vaultCall('open', path, () => openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW))
      return {
        bytes,
        readAt: (buffer, at) => vaultCall('read', path, () => readSync(fd, buffer, 0, buffer.length, at)),
        close: () => vaultCall('close', path, () => closeSync(fd)),
      }
    },
  }
}
