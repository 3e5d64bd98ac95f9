import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { execFileSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { datasets, signIn, type RucioRest } from '../../src/testing/rucio-rest.ts'
import { makeSite, type Site } from '../site.ts'
import { describeWithRucio } from '../with-rucio.ts'
import { audit, type AuditedWorld } from './audit.ts'
import { people, type People } from './people.ts'
import { watcher } from './watcher.ts'

/** A zip that is right in itself, but for the bytes of one member. */
const forge = `import sys,zipfile
read=zipfile.ZipFile(sys.argv[1]); members=[(i.filename,read.read(i)) for i in read.infolist()]; read.close()
with zipfile.ZipFile(sys.argv[1],'w') as made:
    for name,data in members: made.writestr(name, b'x'+data[1:] if name.endswith('.fits') else data)`

describeWithRucio('audit and watcher', (bed) => {
  const scope = `a${randomBytes(5).toString('hex')}`
  let root: RucioRest
  let world: People
  let site: Site

  beforeAll(async () => {
    root = await signIn(bed.url, bed.root)
    await root.ok('POST', `/accounts/root/scopes/${scope}`)
    world = people(bed, root)
    site = makeSite({ url: bed.url, agent: bed.agent, disk: bed.disk }, [scope])
    site.configure((config) => (config.pipelines[0]!.format = { targetSize: '6kB', maxSize: '9kB' }))
  })
  afterAll(() => site.dispose())

  test('find nothing wrong with what is right, and each damage for what it is', async () => {
    for (const name of [
      'flipped',
      'gone',
      'part/gone',
      'cut',
      'changed',
      'moved',
      'source',
      'spoilt',
      'forged',
      'whole',
    ])
      await world.make(scope, { name, sizes: [4000, 4000, 10], closed: true, asked: true })
    expect(await site.run('run', '--once')).toMatchObject({ code: 0 })
    const path = (name: string, part: number) => join(scope, name, `${name.split('/').at(-1)!}.g1.${part}-2.zip`)
    const at = (name: string, part = 1) => join(site.vault, path(name, part))
    const kept = Object.fromEntries(
      site.objects().map((object) => [
        object,
        createHash('sha256')
          .update(readFileSync(join(site.vault, object)))
          .digest('hex'),
      ]),
    )
    const audited: AuditedWorld = {
      ...bed.root,
      ...{ url: bed.url, root: site.vault, disk: bed.disk, scopes: [scope], done: 'TAPE:done', kept },
    }
    expect(await audit(audited)).toEqual([])
    const watch = watcher(site.vault, [scope], world, root)
    expect(await watch.look()).toHaveLength(world.datasets.length)
    expect([[...watch.lies], [...watch.tooLate], Object.fromEntries(watch.kept)]).toEqual([[], [], kept])

    const member = (name: string, index: number) =>
      [...world.datasets.find(({ did }) => did.name === name)!.files.keys()][index]!
    const bytes = readFileSync(at('flipped'))
    bytes[bytes.indexOf('.fits') + 2500]! ^= 4
    writeFileSync(at('flipped'), bytes)
    for (const part of [1, 2]) rmSync(at('gone', part))
    rmSync(at('part/gone', 2))
    writeFileSync(at('cut'), readFileSync(at('cut')).subarray(0, -20))
    const [detached, lost, spoilt] = [member('changed', 0), member('source', 0), member('spoilt', 0)]
    await datasets(root).detach({ scope, name: 'changed' }, [{ scope, name: detached }])
    execFileSync('python3', ['-c', forge, at('forged')])
    renameSync(at('moved'), at('moved').replace('.g1.', '.g0.'))
    rmSync(join(bed.disk, scope, lost))
    writeFileSync(join(bed.disk, scope, spoilt), 'abd')
    const never = await world.make(scope, { name: 'never', sizes: [1], closed: true, asked: false })
    await datasets(root).tag(never.did, { arcBackup: 'TAPE:done' })
    const left = [`${scope}/whole/.whole.g1.1-2.zip.1.part`, `${scope}/whole/.whole.g1.1-2.zip.2.mismatch`]
    for (const file of [...left, `${scope}/whole/notes.txt`, 'stray']) writeFileSync(join(site.vault, file), '')

    const missing = (name: string, part: number) =>
      `${path(name, part)} was done once, nobody deleted it, and it cannot be read: [Errno 2]`
    const expected = [
      `${scope}:changed is done, and in generation 1 ${detached} does not belong to it`,
      `${scope}:cut is done, and ${path('cut', 1)} cannot be read: BadZipFile: File is not a zip file`,
      `${scope}:cut is done, and in generation 1 ${member('cut', 0)} is missing`,
      `${scope}:flipped is done, and ${path('flipped', 1)} cannot be read: BadZipFile: Bad CRC-32`,
      `${scope}:flipped is done, and in generation 1 ${member('flipped', 0)} is missing`,
      `${scope}:forged is done, and in generation 1 ${member('forged', 0)} has (4000, `,
      `${scope}:gone is done, and there is no object of it`,
      `${scope}:moved is done, and in generation 1 ${member('moved', 0)} is missing`,
      `${scope}:moved is done, and of its objects there are only ['${path('moved', 2)}']`,
      `${scope}:never is done, and there is no object of it`,
      `${scope}:part/gone is done, and in generation 1 ${member('part/gone', 1)} is missing`,
      `${scope}:part/gone is done, and in generation 1 ${member('part/gone', 2)} is missing`,
      `${scope}:part/gone is done, and of its objects there are only ['${path('part/gone', 1)}']`,
      `${scope}:source: the source ${lost} cannot be read: [Errno 2]`,
      `${scope}:spoilt: the source ${spoilt} has (3, '024e0128'), Rucio says (4000, `,
      `${path('cut', 1)} was done once, and has changed since`,
      `${path('flipped', 1)} was done once, and has changed since`,
      `${path('forged', 1)} was done once, and has changed since`,
      ...[missing('gone', 1), missing('gone', 2), missing('moved', 1), missing('part/gone', 2)],
      ...left.map((file) => `${file} was left behind`),
      `${scope}/whole/notes.txt belongs to no dataset`,
      `stray belongs to no dataset`,
    ].sort()
    const found = [...(await audit(audited))].sort()
    expect(found.map((line, index) => line.slice(0, expected[index]?.length))).toEqual(expected)

    await watch.look()
    const lied = [...watch.lies].map((lie) => /^\S+:(\S+) is done, and/u.exec(lie)?.[1]).sort()
    expect(lied).toEqual(['cut', 'flipped', 'forged', 'gone', 'moved', 'never', 'part/gone'])
  }, 60_000)
})
