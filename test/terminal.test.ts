import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { datasets, signIn } from '../src/testing/rucio-rest.ts'
import { seedDataset } from './rucio/testbed.ts'
import { makeSite, type Site } from './site.ts'
import { describeWithRucio } from './with-rucio.ts'

/** What is different where a person sits at a terminal: Python gives the command one. */

const onTerminal = `import json, os, pty, sys
keys, args = sys.argv[1], sys.argv[2:]
pid, fd = pty.fork()
if pid == 0: os.execvp(args[0], args)
out = b''
sent = False
while True:
    try: chunk = os.read(fd, 4096)
    except OSError: break
    if not chunk: break
    out += chunk
    if not sent and (b'[y/N]' in out or out.count(b'Pipeline main') == 2):
        os.write(fd, keys.encode().decode('unicode_escape').encode()); sent = True
code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
print(json.dumps({'code': code, 'out': out.decode()}))`

describeWithRucio('on a terminal', (bed) => {
  const scope = `t${randomBytes(5).toString('hex')}`
  let site: Site
  beforeAll(async () => {
    const root = await signIn(bed.url, bed.root)
    await root.ok('POST', `/accounts/root/scopes/${scope}`)
    site = makeSite({ url: bed.url, agent: bed.agent, disk: bed.disk }, [scope])
    await seedDataset(bed, { scope, name: 'a', files: [{ name: 'a/x', content: 'x' }], closed: true, tag: 'TAPE:need' })
    await site.run('run', '--once')
    await datasets(root).tag({ scope, name: 'a' }, { arcBackup: 'TAPE:need' })
    await site.run('drain', '--why', 'the test')
  }, 180_000)
  afterAll(() => site.dispose())

  function type(keys: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): { code: number; out: string } {
    const command = [join(import.meta.dirname, '..', 'bin', 'tape-rse'), '--config', site.configFile, ...args]
    const own = { ...process.env, NO_COLOR: undefined, FORCE_COLOR: undefined, CI: undefined, TERM: 'xterm', ...env }
    const out = execFileSync('python3', ['-c', onTerminal, keys, ...command], { encoding: 'utf8', env: own })
    return JSON.parse(out) as { code: number; out: string }
  }

  test('status --watch draws again and again, until Ctrl-C', () => {
    const { code, out } = type('\\x03', ['status', '--watch'])
    expect(code).toBe(0)
    expect(out.split('\u001b[H\u001b[J').length).toBeGreaterThanOrEqual(3)
  }, 30_000)

  test('what matters stands out, but not with NO_COLOR', () => {
    expect(type('', ['status']).out).toMatch(/\u001b\[31mDRAINED|\u001b\[1m\u001b\[31mDRAINED/u)
    expect(type('', ['status'], { NO_COLOR: '1' }).out).not.toContain('\u001b')
  }, 30_000)

  test('remove asks, and takes no answer for no', () => {
    const object = join(site.vault, scope, 'a', 'a.g1.1-1.zip')
    expect(type('\\n', ['remove', `${scope}:a`])).toMatchObject({
      code: 1,
      out: expect.stringContaining('Nothing was removed'),
    })
    expect(existsSync(object)).toBe(true)
    expect(type('y\\n', ['remove', `${scope}:a`])).toMatchObject({ code: 0 })
    expect(existsSync(object)).toBe(false)
  }, 30_000)
})
