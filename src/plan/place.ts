import { Buffer } from 'node:buffer'
import { formatDid, type Did } from '../model/did.ts'
import type { ErrorCode, Problem } from '../model/errors.ts'
import { markerName } from '../model/marker.ts'

/** Bytes that a file system takes in one component of a path. */
const maxComponentBytes = 255
/** Bytes of an absolute path: HPSS takes about 1023 (docs/hpss.md). */
const maxPathBytes = 1000
/** What is put around an object's name while it is not published: a dot, an attempt of up to 10 digits, `.mismatch`. */
const affixBytes = 1 + 1 + 10 + '.mismatch'.length

/** What an object is named beside its place while it is not proven, or must not be trusted; null: the path is none of these. */
export function attemptOf(path: string): { readonly location: string; readonly attempt: number } | null {
  const [, directory, name, attempt] = /^(.*\/)\.([^/]+)\.(\d{1,10})\.(?:part|mismatch|damaged)$/u.exec(path) ?? []
  return attempt === undefined ? null : { location: `${directory!}${name!}`, attempt: Number(attempt) }
}

/** What the vault keeps in its root beside the directories of scopes. */
const reservedScopes: readonly string[] = [markerName]

/** The directory of a dataset's objects, relative to the root of the vault: `<scope>/<dataset name>`, with its own slashes. */
export const directoryOf = (did: Did): string => `${did.scope}/${did.name}`

/**
 * Where part `part` of `parts` of a dataset's generation belongs, relative to the root of the vault. Injective for all that
 * `placeProblems` lets through, and never out of the root.
 */
export function locationOf(did: Did, generation: number, part: number, parts: number): string {
  const last = did.name.slice(did.name.lastIndexOf('/') + 1)
  return `${directoryOf(did)}/${last}.g${generation}.${part}-${parts}.zip`
}

/**
 * Why a dataset cannot have a directory in the vault: names that could leave the root, or that no file system takes. Rucio lets
 * through what we refuse: `a/../../b` is a DID (docs/rucio.md, "Names").
 */
export function placeProblems(did: Did, generation: number, parts: number, root: string): readonly Problem[] {
  const problems: Problem[] = []
  const refuse = (code: ErrorCode, what: string) =>
    problems.push({
      code,
      message: `Cannot give ${printable(formatDid(did))} a directory: ${what}`,
      hint: 'Attach its files to a dataset with another name, and tag that one.',
    })

  if (did.scope.includes('/')) refuse('NAME_UNSAFE', `its scope has a "/"`)
  for (const component of [did.scope, ...did.name.split('/')]) {
    const why = componentFault(component)
    if (why !== null) refuse(why.code, why.what)
  }
  if (reservedScopes.includes(did.scope))
    refuse('NAME_CLASH', `the vault keeps a file named "${did.scope}" in its root`)
  for (const component of did.name.split('/')) {
    if (/^\..*\.(part|mismatch|damaged)$/u.test(component)) {
      refuse('NAME_CLASH', `"${printable(component)}" is how an object is named while it is not proven`)
    }
  }
  if (problems.length > 0) return problems

  const location = locationOf(did, generation, parts, parts)
  const objectBytes = Buffer.byteLength(location.slice(location.lastIndexOf('/') + 1))
  if (objectBytes + affixBytes > maxComponentBytes) {
    refuse(
      'NAME_TOO_LONG',
      `its objects would have names of ${objectBytes} bytes, at most ${maxComponentBytes - affixBytes} fit`,
    )
  }
  const pathBytes = Buffer.byteLength(`${root}/${location}`) + affixBytes
  if (pathBytes > maxPathBytes)
    refuse('NAME_TOO_LONG', `its objects would have paths of ${pathBytes} bytes, at most ${maxPathBytes} fit`)
  return problems
}

/** Why a '/'-separated part of a path is refused; null if it is fit for one. */
export function componentFault(component: string): { readonly code: ErrorCode; readonly what: string } | null {
  const shown = `"${printable(component)}"`
  if (component === '') return { code: 'NAME_UNSAFE', what: 'it begins or ends with "/", or has two in a row' }
  if (component === '.' || component === '..')
    return { code: 'NAME_UNSAFE', what: `it has the component "${component}"` }
  if (/[\u0000-\u001f\u007f-\u009f]/u.test(component))
    return { code: 'NAME_UNSAFE', what: `${shown} has a control character` }
  if (!component.isWellFormed()) return { code: 'NAME_UNSAFE', what: `${shown} is not valid Unicode` }
  const bytes = Buffer.byteLength(component)
  if (bytes > maxComponentBytes) {
    return {
      code: 'NAME_TOO_LONG',
      what: `a component of ${bytes} bytes is longer than the ${maxComponentBytes} that fit`,
    }
  }
  return null
}

/** A name for people: what could confuse a terminal is escaped, what is very long is cut. */
export function printable(name: string): string {
  const escaped = name.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\ud800-\udfff]/gu, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
  })
  return escaped.length > 160 ? `${escaped.slice(0, 150)}…` : escaped
}
