/** Where a value of the config came from. null stands for a default. */
export type Origin =
  | { readonly kind: 'line'; readonly line: number }
  | { readonly kind: 'variable'; readonly name: string }
  /** An option of the site's client file. */
  | { readonly kind: 'option'; readonly file: string; readonly line: number; readonly option: string }
  /** A file that is there, at its usual place. */
  | { readonly kind: 'usual file' }

/** `line 12`, `$RUCIO_ACCOUNT`, `/opt/rucio/etc/rucio.cfg:7`, `usual file`, `default` */
export function originText(origin: Origin | null): string {
  if (origin === null) return 'default'
  switch (origin.kind) {
    case 'line':
      return `line ${origin.line}`
    case 'variable':
      return `$${origin.name}`
    case 'option':
      return `${origin.file}:${origin.line}`
    case 'usual file':
      return 'usual file'
  }
}
