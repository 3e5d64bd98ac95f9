import { constants } from 'node:fs'
import { access, readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { failure } from '../model/errors.ts'

/** Where a config is looked for when none is named. */
const usualFiles = ['tape-rse.yaml', '/etc/tape-rse/tape-rse.yaml']

/**
 * The config file, absolute.
 * @param named what `--config` says
 * @throws TapeRseError CONFIG_INVALID: there is none
 */
export async function findConfig(
  named: string | undefined,
  { env, cwd }: { readonly env: Readonly<Record<string, string | undefined>>; readonly cwd: string },
): Promise<string> {
  const wanted = named ?? env['TAPE_RSE_CONFIG']
  if (wanted !== undefined && wanted !== '') return resolve(cwd, wanted)
  const candidates = usualFiles.map((place) => resolve(cwd, place))
  for (const place of candidates) if (await exists(place)) return place
  throw failure(
    'CONFIG_INVALID',
    `Cannot find a config: there is none at ${candidates.join(' and ')}`,
    'Name one by --config or $TAPE_RSE_CONFIG. config/ has examples.',
  )
}

export const exists = (file: string): Promise<boolean> =>
  access(file).then(
    () => true,
    () => false,
  )

/** UTF-8, or an error. A pipe is as good as empty: to open one would wait for its other end. */
export async function readConfigText(file: string): Promise<string> {
  const bytes = await readFile(file, { flag: constants.O_RDONLY | constants.O_NONBLOCK })
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch (cause) {
    throw Object.assign(new Error('it is not UTF-8', { cause }), { code: 'ENOTUTF8' })
  }
}
