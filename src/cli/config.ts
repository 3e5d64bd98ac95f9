import { loadConfig, type LoadedConfig, type Loading } from '../config/load.ts'
import type { Config } from '../config/schema.ts'
import { configText, schemaText, shownConfig } from '../config/show.ts'
import type { GlobalOptions, Run, Terminal } from './command.ts'
import { jsonText } from './format.ts'
import { credentialText } from './credential.ts'

interface ConfigOptions extends GlobalOptions {
  readonly json?: boolean
}

/**
 * A config, and where each value of it came from. Files with credentials are not looked at: `status` has to answer when one of them is
 * what is wrong, and an agent waits for one that is being renewed. Who signs in finds out.
 */
export const loadedConfig = (
  { config }: GlobalOptions,
  { env, cwd }: Pick<Terminal, 'env' | 'cwd'>,
  onRead: NonNullable<Loading['onRead']> = () => undefined,
): Promise<LoadedConfig> => loadConfig(config, { env, cwd, checkCredentials: () => Promise.resolve([]), onRead })

export const configOf = async (options: GlobalOptions, terminal: Pick<Terminal, 'env' | 'cwd'>): Promise<Config> =>
  (await loadedConfig(options, terminal)).config

/** `config check`: reads credential files, never a mount or the network. What is wrong is an error with all problems. */
export const configCheck: Run<ConfigOptions> = async (options, terminal, signal) => {
  const { checkCredentials, credentialReader } = await import('../sign-in.ts')
  const { env, cwd } = terminal
  const { file, config } = await loadConfig(options.config, { env, cwd, checkCredentials: checkCredentials(env) })
  const pipelines = config.pipelines.map(({ name }) => name)
  const credential = await credentialReader(config.rucio)(signal)
  if (options.json === true) {
    terminal.print(jsonText({ file, pipelines, credential, problems: [] }))
    return 0
  }
  terminal.print(`${file} is valid: ${pipelines.join(', ')}.`)
  if (credential !== null) terminal.print(credentialText(credential, terminal.now(), terminal.emphasise))
  return 0
}

/** `config show`: what is in force, and where each value came from. */
export const configShow: Run<ConfigOptions> = async (options, terminal) => {
  const loaded = await loadedConfig(options, terminal)
  terminal.print(options.json === true ? jsonText(shownConfig(loaded)) : configText(loaded))
  return 0
}

/** `config schema` */
export const configSchema: Run<GlobalOptions> = (_, terminal) => {
  terminal.print(schemaText())
  return Promise.resolve(0)
}
