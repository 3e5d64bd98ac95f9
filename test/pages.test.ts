import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { datasets, signIn, type RucioRest } from '../src/testing/rucio-rest.ts'
import { seedDataset } from './rucio/testbed.ts'
import { makeSite, type Site } from './site.ts'
import { describeWithRucio } from './with-rucio.ts'

/** The commands of the pages, as somebody types them who reads from the top; and their configs. */

const page = (name: string) => readFileSync(new URL(`../${name}`, import.meta.url), 'utf8')
const blocks = (text: string, kind: string) =>
  [...text.matchAll(new RegExp(`^\`\`\`${kind}\\n(.*?)^\`\`\``, 'gmsu'))].map((match) => match[1]!)
const commandsOf = (text: string) =>
  blocks(text, 'console')
    .flatMap((block) => block.split('\n').filter((line) => line.startsWith('$ ')))
    .map((line) => line.slice(2))

const bin = join(import.meta.dirname, '..', 'bin')

describeWithRucio('the commands of the pages', (bed) => {
  let root: RucioRest
  let site: Site
  let work: string
  /** The scope `raw` of the pages, as this test has it. */
  let scope: string
  beforeEach(async () => {
    root = await signIn(bed.url, bed.root)
    scope = `p${randomBytes(5).toString('hex')}`
    await root.ok('POST', `/accounts/root/scopes/${scope}`)
    site = makeSite({ url: bed.url, agent: bed.agent, disk: bed.disk }, [scope])
    work = mkdtempSync(join(tmpdir(), 'pages-'))
    const files = [{ name: 'night_42/a.fits', content: 'the stars' }]
    await seedDataset(bed, { scope, name: 'night_42', files, closed: false, tag: null })
  })
  afterEach(() => {
    site.dispose()
    rmSync(work, { recursive: true })
  })

  /** Runs a line of a page in a shell; throws if it fails. */
  async function type(line: string): Promise<string> {
    const here = line
      .replaceAll('raw:', `${scope}:`)
      .replaceAll('/hpss/raw/', `${site.vault}/${scope}/`)
      .replace(/^tape-rse remove .*/u, '$& --yes')
    const env = {
      ...process.env,
      PATH: `${bin}:${bed.bin}:${process.env['PATH']!}`,
      TAPE_RSE_CONFIG: site.configFile,
      RUCIO_CONFIG: bed.client_cfg['root'],
    }
    const { stdout } = await promisify(execFile)('bash', ['-c', here], { env, cwd: work })
    return stdout
  }
  const once = () => site.run('run', '--once')
  const need = () => datasets(root).tag({ scope, name: 'night_42' }, { arcBackup: 'TAPE:need' })

  test('docs/scientists.md', async () => {
    const outputs: string[] = []
    for (const line of commandsOf(page('docs/scientists.md'))) {
      // The agent has been there in the meantime.
      if (line.startsWith('tape-rse explain')) expect(await once()).toMatchObject({ code: 0 })
      outputs.push(await type(line))
    }
    expect(outputs.join('\n')).toMatch(/Would write 1 object.*is archived.*"files"/su)
    expect(readFileSync(join(work, 'my_copy/night_42/a.fits'), 'utf8')).toBe('the stars')
  }, 120_000)

  test('docs/operations.md', async () => {
    await datasets(root).close({ scope, name: 'night_42' })
    await need()
    expect(await once()).toMatchObject({ code: 0 })
    for (const line of commandsOf(page('docs/operations.md'))) {
      if (line.startsWith('tape-rse remove')) await need()
      await type(line)
    }
    expect(existsSync(join(site.vault, scope, 'night_42'))).toBe(false)
    expect(await once()).toMatchObject({ code: 0 })
    expect(existsSync(join(site.vault, scope, 'night_42', 'night_42.g2.1-1.zip'))).toBe(true)
  }, 120_000)

  test('the configs of the pages are valid', async () => {
    const configs = ['README.md', 'docs/operations.md'].flatMap((name) => blocks(page(name), 'yaml'))
    expect(configs.length).toBeGreaterThan(0)
    for (const [index, config] of configs.entries()) {
      const file = join(work, `${index}.yaml`)
      writeFileSync(file, config.replaceAll('/run/secrets/rucio-password', site.passwordFile))
      await type(`tape-rse --config ${file} config check`)
    }
  }, 180_000)
})

describe('the pages', () => {
  test('have commands', () => {
    expect(commandsOf(page('docs/scientists.md')).length).toBeGreaterThan(8)
    expect(commandsOf(page('docs/operations.md')).length).toBeGreaterThan(10)
  })
})
