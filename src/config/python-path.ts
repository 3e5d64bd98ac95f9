import { resolve } from 'node:path'

/** What paths of the site may refer to. */
export interface PathWorld {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd: string
  readonly home: string
}

/** As Python's os.path does: expandvars, expanduser (of oneself alone), abspath. */
export const expandPath = (path: string, { env, home, cwd }: PathWorld): string =>
  resolve(cwd, expandVariables(path, env).replace(/^~(?=\/|$)/u, home))

/** A variable that is not set stays as it is written. */
export const expandVariables = (text: string, env: PathWorld['env']): string =>
  text.replace(
    /\$(?:(\w+)|\{([^}]*)\})/g,
    (whole, plain?: string, braced?: string) => env[plain ?? braced ?? ''] ?? whole,
  )
