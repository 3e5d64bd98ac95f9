import { loadConfig } from '../config/load.ts'
import type { Config } from '../config/schema.ts'
import { configText, schemaText, shownConfig } from '../config/show.ts'
import type { GlobalOptions, Run, Terminal } from './command.ts'
import { jsonText } from './format.ts'

interface ConfigOptions extends GlobalOptions {
  readonly json?: boolean
}

export const configOf = ({ config }: GlobalOptions, { env, cwd }: Terminal): Config =>
  loadConfig(config, env, cwd).config

/** `config check`: reads credential files, never a mount or the network. What is wrong is an error with all problems. */
export const configCheck: Run<ConfigOptions> = (options, terminal) => {
  const { file, config } = loadConfig(options.config, terminal.env, terminal.cwd)
  const pipelines = config.pipelines.map(({ name }) => name)
  terminal.print(
    options.json === true ? jsonText({ file, pipelines, problems: [] }) : `${file} is valid: ${pipelines.join(', ')}.`,
  )
  return Promise.resolve(0)
}

/** `config show`: what is in force, and where each value came from. */
export const configShow: Run<ConfigOptions> = (options, terminal) => {
  const loaded = loadConfig(options.config, terminal.env, terminal.cwd)
  terminal.print(options.json === true ? jsonText(shownConfig(loaded)) : configText(loaded))
  return Promise.resolve(0)
}

/** `config schema` */
export const configSchema: Run<GlobalOptions> = (_, terminal) => {
  terminal.print(schemaText())
  return Promise.resolve(0)
}
