import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Why this user may not mount a tmpfs: root may, mostly. */
export const mayNotMount = (() => {
  const directory = mkdtempSync(join(tmpdir(), 'may-mount-'))
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', directory]).status === 0
  if (mounted) execFileSync('umount', [directory])
  rmSync(directory, { recursive: true })
  return mounted ? null : 'this user may not mount a tmpfs'
})()
