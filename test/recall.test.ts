import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals'
import { createHash, randomBytes } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { datasets, signIn, type RucioRest } from '../src/testing/rucio-rest.ts'
import { seedDataset } from './rucio/testbed.ts'
import { makeSite, type Ran, type Site } from './site.ts'
import { until } from './running.ts'
import { describeWithRucio } from './with-rucio.ts'

/** Objects that are on tape only, as far as two commands say: a probe, and one that asks for them. */

const scope = `t${randomBytes(5).toString('hex')}`
const content = (label: string, bytes: number) => createHash('shake256', { outputLength: bytes }).update(label).digest()
const files = [1, 2, 3].map((n) => ({ name: `night/${n}.fits`, content: content(`${n}`, 900_000) }))

describeWithRucio('objects on tape', (bed) => {
  let site: Site
  let root: RucioRest
  let dest: string
  const stateFile = () => join(site.directory, 'state')
  const askedFile = () => join(site.directory, 'asked')
  /** What the probe says of every object. */
  const say = (state: string) => writeFileSync(stateFile(), state)
  /** The calls of the command that asks, with the names of the objects. */
  const calls = (): readonly string[] =>
    existsSync(askedFile()) ? readFileSync(askedFile(), 'utf8').trimEnd().split('\n') : []
  const script = (name: string, text: string): string => {
    const path = join(site.directory, name)
    writeFileSync(path, `#!/bin/sh\n${text}\n`)
    chmodSync(path, 0o755)
    return path
  }

  beforeAll(async () => {
    root = await signIn(bed.url, bed.root)
    await root.ok('POST', `/accounts/root/scopes/${scope}`)
    site = makeSite({ url: bed.url, agent: bed.agent, disk: bed.disk }, [scope])
    const probe = script('probe', `for path; do cat "${stateFile()}"; echo; done`)
    const ask = script(
      'ask',
      `echo "$@" | sed "s|${site.vault}/||g" >> "${askedFile()}"; test ! -e "${site.directory}/broken"`,
    )
    site.configure((config) => {
      config.pipelines[0]!.format = { targetSize: '1MB', maxSize: '4MB' }
      Object.assign(config.pipelines[0]!.vault, {
        residency: { kind: 'command', command: [probe] },
        recall: { kind: 'command', command: [ask, 'stage'], cancel: [ask, 'cancel'] },
      })
      Object.assign(config.pipelines[0]!, { confirm: { onTape: 'required' } })
    })
    await seedDataset(bed, { scope, name: 'night', files, closed: true, tag: 'TAPE:need' })
  })
  afterAll(() => site.dispose())
  beforeEach(() => {
    dest = join(site.directory, 'dest')
    mkdirSync(dest)
    rmSync(askedFile(), { force: true })
  })
  afterEach(async () => {
    rmSync(dest, { recursive: true })
    await site.run('recall', 'cancel', `${scope}:*`) // or nothing is asked for
  })

  const tag = async () => (await datasets(root).meta({ scope, name: 'night' }))['arcBackup']
  const get = (...args: string[]): Promise<Ran> => site.run('get', `${scope}:night`, dest, ...args)
  const delivered = (): boolean => files.every(({ name }) => existsSync(join(dest, name)))

  test('confirm.onTape: required says done only when the probe says that all objects are on tape', async () => {
    say('disk')
    expect(await site.run('run', '--once')).toMatchObject({ code: 3 })
    expect(await tag()).toBe('TAPE:need')
    const { out } = await site.run('status')
    expect(out).toContain('NOT_ON_TAPE')
    say('both')
    expect(await site.run('run', '--once')).toMatchObject({ code: 0 })
    expect(await tag()).toBe('TAPE:done')
    expect((await site.run('status')).out).toMatch(/3 objects in the vault, 3 known to be on tape/u)
    for (const { name } of files) rmSync(join(bed.disk, scope, name))
  })

  test('what is on disk is delivered without asking', async () => {
    say('both')
    expect(await get()).toMatchObject({ code: 0, out: '3 files delivered.\n' })
    expect(calls()).toEqual([])
  })

  test('what is on tape only is asked for once, whoever asks, until it has arrived', async () => {
    say('tape')
    const { code, out } = await get()
    expect([code, out]).toEqual([3, expect.stringMatching(/0 files delivered, 3 not delivered[^]*on its way/u)])
    expect(calls()).toEqual([expect.stringMatching(/^stage \S*1-3\.zip \S*2-3\.zip \S*3-3\.zip$/u)])
    expect(await get()).toMatchObject({ code: 3 })
    expect(calls()).toHaveLength(1)
    expect((await site.run('recall', 'list')).out).toMatch(/(on tape\s+){1}/u)
    say('both')
    expect(await get()).toMatchObject({ code: 0 })
    expect((await site.run('recall', 'list')).out).toMatch(/here/u)
    expect((await site.run('recall', 'list')).out).toBe('Nothing is asked for from tape.\n')
    expect(delivered()).toBe(true)
  })

  test('--wait delivers as objects arrive', async () => {
    say('tape')
    const { ended } = site.start('get', `${scope}:night`, dest, '--wait')
    await until(() => calls().length === 1)
    expect(delivered()).toBe(false)
    say('disk')
    expect(await ended).toMatchObject({ code: 0, out: '3 files delivered.\n' })
    expect((await site.run('recall', 'list', '--json')).out).toBe('[]\n')
  })

  test('one who waits is stopped, and what was asked for stays so; a cancel is heard by one who waits', async () => {
    say('tape')
    const stopped = site.start('get', `${scope}:night`, dest, '--wait')
    await until(() => calls().length === 1)
    stopped.child.kill('SIGINT')
    expect(await stopped.ended).toMatchObject({ code: 130 })
    expect(JSON.parse((await site.run('recall', 'list', '--json')).out)).toHaveLength(3)
    const waiting = site.start('get', `${scope}:night`, dest, '--wait', '--json')
    await new Promise((resolve) => setTimeout(resolve, 500))
    expect(await site.run('recall', 'cancel', `${scope}:*`)).toMatchObject({ code: 0 })
    expect(calls().map((call) => call.split(' ')[0])).toEqual(['stage', 'cancel'])
    const { code, out } = await waiting.ended
    expect([code, out]).toEqual([3, expect.stringContaining('its recall was cancelled')])
    expect(await site.run('recall', 'cancel', `${scope}:*`)).toMatchObject({ code: 1 })
  })

  test('a command that fails has asked for nothing, and is called again the next time', async () => {
    say('tape')
    writeFileSync(join(site.directory, 'broken'), '')
    const { code, out } = await get()
    rmSync(join(site.directory, 'broken'))
    expect([code, out]).toEqual([3, expect.stringMatching(/not delivered: .*Cannot run .*ask for 3 objects/u)])
    expect((await site.run('recall', 'list')).out).toBe('Nothing is asked for from tape.\n')
    expect(await get()).toMatchObject({ code: 3 })
    expect(calls()).toHaveLength(2)
  })

  test('confirm.onTape: when-known does not wait for a probe that fails', async () => {
    site.configure((config) => Object.assign(config.pipelines[0]!, { confirm: { onTape: 'when-known' } }))
    const small = [{ name: 'other/1.fits', content: content('other', 1000) }]
    await seedDataset(bed, { scope, name: 'other', files: small, closed: true, tag: 'TAPE:need' })
    say('drawer')
    const { code, err } = await site.run('run', '--once')
    expect([code, err]).toEqual([0, expect.stringContaining('whether objects are on tape is not known')])
    expect((await datasets(root).meta({ scope, name: 'other' }))['arcBackup']).toBe('TAPE:done')
  })

  test('verify writes down whether an object had to come from tape', async () => {
    say('tape')
    const verified = JSON.parse((await site.run('verify', `${scope}:night`, '--json')).out) as {
      source: string
      outcome: string
    }[]
    expect(verified.map(({ source, outcome }) => [source, outcome])).toEqual(Array(3).fill(['tape', 'good']))
  })
})
