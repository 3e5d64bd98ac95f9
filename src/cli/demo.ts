import { readdirSync, statSync } from 'node:fs'
import { join, relative } from 'node:path'
import { openPromise } from 'yauzl'
import { archiveOnce, openReader } from '../app.ts'
import { formatDid, parseDid } from '../model/did.ts'
import { makeDemoSite, tagOf, type DemoSite } from '../testing/demo-site.ts'
import type { GlobalOptions, Run, Terminal } from './command.ts'
import { loadedConfig } from './config.ts'
import { bytesText, plural, table } from './format.ts'

/** `demo`: the main job on a sandbox, told as a story. What it made stays, so that the other commands can be tried on it. */
export const demo: Run<GlobalOptions> = async (_, terminal, signal) => {
  const { print } = terminal
  const site = await makeDemoSite(terminal.now)
  try {
    print('A sandbox Rucio, with five datasets that scientists tagged arcBackup=DEMO_TAPE:need:\n')
    print(
      table(
        [{ title: 'DATASET' }, { title: 'WHAT IS SPECIAL' }],
        site.datasets.map(({ did, story }) => [did, story]),
      ),
    )
    print(`\nThe agent runs once (its log follows): tape-rse --config ${site.configFile} run --once\n`)
    const { config } = await loadedConfig({ config: site.configFile }, { env: {}, cwd: '/' })
    await archiveOnce(config, terminal, signal)
    print('\nWhat became of them:\n')
    await tellOutcome(site, terminal)
    print('\nThe vault, as it would stand on the mount of HPSS:\n')
    print(tree(site.vault))
    const zips = filesBelow(site.vault).filter((path) => path.endsWith('.zip'))
    print(`\n${relative(site.vault, zips[0]!)} holds:\n`)
    print(await contentOf(zips[0]!))
    tellNext(site, terminal, zips[0]!)
    return 0
  } finally {
    await site.rucio.close()
  }
}

async function tellOutcome(site: DemoSite, terminal: Terminal): Promise<void> {
  const catalog = await openReader((await loadedConfig({ config: site.configFile }, { env: {}, cwd: '/' })).config)
  try {
    const rows: string[][] = []
    for (const { did } of site.datasets) {
      const [found] = await catalog.find(parseDid(did)!)
      const { row, bundles } = found!
      const why =
        row.problems[0]?.message ??
        (row.waiting === null
          ? `${plural(bundles.length, 'zip')}, ${bytesText(row.bytes ?? 0)}`
          : `it is ${row.waiting}`)
      rows.push([formatDid(row.did), tagOf(site, did), why.replaceAll(`${site.directory}/`, '')])
    }
    terminal.print(table([{ title: 'DATASET' }, { title: 'TAG IN RUCIO' }, { title: 'WHY' }], rows))
  } finally {
    await catalog.close()
  }
}

const filesBelow = (directory: string): string[] =>
  readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()

/** Each file with its size, each directory once. */
function tree(root: string): string {
  const lines = [root]
  const walk = (directory: string, indent: string): void => {
    const entries = readdirSync(directory, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))
    for (const [index, entry] of entries.entries()) {
      const last = index === entries.length - 1
      const size = entry.isFile() ? `  ${bytesText(statSync(join(directory, entry.name)).size)}` : ''
      lines.push(`${indent}${last ? '└── ' : '├── '}${entry.name}${size}`)
      if (entry.isDirectory()) walk(join(directory, entry.name), `${indent}${last ? '    ' : '│   '}`)
    }
  }
  walk(root, '')
  return lines.join('\n')
}

/** The members of a zip, read by a library that knows nothing of us. */
async function contentOf(path: string): Promise<string> {
  const zip = await openPromise(path, { lazyEntries: true })
  const rows: string[][] = []
  for await (const entry of zip.eachEntry()) {
    rows.push([bytesText(entry.uncompressedSize), entry.crc32.toString(16).padStart(8, '0'), entry.fileName])
  }
  return table([{ title: 'SIZE', align: 'right' }, { title: 'CRC-32' }, { title: 'MEMBER' }], rows)
}

function tellNext(site: DemoSite, { print }: Terminal, zip: string): void {
  const command = `bin/tape-rse --config ${site.configFile}`
  print(`
Try next (the sandbox Rucio has ended; what it said is in the catalog):

  ${command} status
  ${command} list --state held
  ${command} explain raw:lost_a_file
  ${command} config show
  unzip -l ${zip}
  unzip -p ${zip} .tape-rse/manifest.json

Everything is in ${site.directory}; remove it when you are done.`)
}
