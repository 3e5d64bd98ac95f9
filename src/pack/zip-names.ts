import { Buffer } from 'node:buffer'
import { memberText, type Refuse } from './zip-refusal.ts'

const maxComponentBytes = 255
const maxNameBytes = 4095
const maxComponents = 100
/** Of all names together: more are held in memory by nobody who means well. */
const maxDirectories = 2_000_000

/**
 * Refuses names of members that could lead out of a directory, that no file can have, or that two of them share. `refuse` makes the
 * error.
 * @throws TapeRseError ZIP_NAME, ZIP_DUPLICATE
 */
export function checkMemberNames(names: readonly string[], refuse: Refuse): void {
  const files = new Set<string>()
  const directories = new Set<string>()
  for (const name of names) {
    const what = whyUnsafe(name)
    if (what !== null) throw refuse('ZIP_NAME', `the name of ${memberText(name)} is not one to use: ${what}`)
    if (files.has(name)) throw refuse('ZIP_DUPLICATE', `two members have one name: ${memberText(name)}`)
    files.add(name)
    for (let slash = name.lastIndexOf('/'); slash > 0; slash = name.lastIndexOf('/', slash - 1)) {
      const directory = name.slice(0, slash)
      if (directories.has(directory)) break
      directories.add(directory)
      if (directories.size > maxDirectories) throw refuse('ZIP_UNSUPPORTED', 'it has too many directories')
    }
  }
  for (const name of files)
    if (directories.has(name)) throw refuse('ZIP_DUPLICATE', `${memberText(name)} is a file, and a directory of others`)
}

/** What is wrong with the name of a file; null: nothing. Windows' own ways out of a directory are refused, too: tools differ. */
function whyUnsafe(name: string): string | null {
  if (name === '') return 'it is empty'
  if (name.startsWith('/')) return 'it is absolute'
  if (/^[A-Za-z]:/u.test(name)) return 'it begins with a drive'
  if (name.includes('\\')) return 'it has a backslash'
  if (/[\u0000-\u001f\u007f]/u.test(name)) return 'it has a control character'
  if (Buffer.byteLength(name) > maxNameBytes) return 'it is too long'
  const components = name.split('/')
  if (components.length > maxComponents) return 'it has too many components'
  for (const component of components) {
    if (component === '..' || component === '.') return 'it has a component that leads elsewhere'
    if (component === '') return 'it has an empty component'
    if (Buffer.byteLength(component) > maxComponentBytes) return 'one of its components is too long'
  }
  return null
}
