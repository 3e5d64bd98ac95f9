import { Buffer } from 'node:buffer'
import { formatDid } from '../model/did.ts'
import type { ErrorCode, Problem } from '../model/errors.ts'
import type { Entry } from '../model/target.ts'
import { componentFault, printable } from './place.ts'

/** What a zip's directory has room for. */
const maxNameBytes = 65_535
/** More of one kind than this are counted, not listed. */
const maxListed = 50

/**
 * Why files cannot be members of one archive under their own names: clashes, and names that would be unpacked elsewhere than
 * below the directory where somebody unpacks.
 * @param manifest the member name that the manifest has
 */
export function memberProblems(entries: readonly Entry[], manifest: string): readonly Problem[] {
  const problems: Problem[] = []
  const owners = new Map<string, Entry>()
  const refuse = (code: ErrorCode, message: string, hint: string) => problems.push({ code, message, hint })

  for (const entry of entries) {
    const { name } = entry.did
    const fault = nameFault(name)
    if (fault !== null) {
      refuse(
        fault.code,
        `Cannot archive ${printable(formatDid(entry.did))}: ${fault.what}`,
        'Detach the file, register it under another name, attach that, and close the dataset again.',
      )
    }
    const other = owners.get(name)
    if (other === undefined) owners.set(name, entry)
    else {
      refuse(
        'NAME_CLASH',
        `Cannot archive both ${formatDid(other.did)} and ${formatDid(entry.did)}: their members would have one name`,
        'Put the files of each scope into a dataset of their own.',
      )
    }
  }
  for (const entry of entries) {
    const directory = ancestors(entry.did.name).find((above) => owners.has(above))
    if (directory !== undefined) {
      refuse(
        'NAME_CLASH',
        `Cannot archive both ${formatDid(owners.get(directory)!.did)} and ${formatDid(entry.did)}: one would be a directory of the other`,
        'Put them into two datasets.',
      )
    }
  }
  for (const taken of [manifest, ...ancestors(manifest)]) {
    const owner =
      owners.get(taken) ?? (taken === manifest ? entries.find((e) => e.did.name.startsWith(`${manifest}/`)) : undefined)
    if (owner !== undefined) {
      refuse(
        'NAME_CLASH',
        `Cannot archive ${formatDid(owner.did)}: "${manifest}" is where every archive keeps its manifest`,
        'Detach the file, or register it under another name.',
      )
    }
  }
  if (problems.length <= maxListed) return problems
  const first = problems[0]!
  const rest = { ...first, message: `… and ${problems.length - maxListed} more problems with names` }
  return [...problems.slice(0, maxListed), rest]
}

function nameFault(name: string): { readonly code: ErrorCode; readonly what: string } | null {
  if (name.includes('\\'))
    return { code: 'NAME_UNSAFE', what: 'its name has a backslash, which some programs unpack as "/"' }
  if (/^[A-Za-z]:/u.test(name)) return { code: 'NAME_UNSAFE', what: 'its name begins like that of a drive' }
  if (Buffer.byteLength(name) > maxNameBytes)
    return { code: 'NAME_TOO_LONG', what: `its name is longer than ${maxNameBytes} bytes` }
  for (const component of name.split('/')) {
    const fault = componentFault(component)
    if (fault !== null) return fault
  }
  return null
}

/** `a/b/c` → `a/b`, `a`. */
export function ancestors(path: string): readonly string[] {
  const above: string[] = []
  for (let slash = path.lastIndexOf('/'); slash > 0; slash = path.lastIndexOf('/', slash - 1))
    above.push(path.slice(0, slash))
  return above
}
