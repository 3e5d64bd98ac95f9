/** A value of an INI file, and the line in which its option stands (counted from 1). */
export interface IniValue {
  readonly value: string
  readonly line: number
}

export interface IniFault {
  readonly line: number
  readonly what: string
}

/** Options of one section by name, in lower case. A fault is that of one value: it refers to something that is not there. */
export type IniOptions = ReadonlyMap<string, IniValue | IniFault>

type Lines = Map<string, { readonly line: number; readonly parts: string[] }>
type Raw = ReadonlyMap<string, IniValue>

/** What Python's `str.isspace` and `\s` take for white space; JavaScript's differ. */
const space = '\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000'
const atEnds = new RegExp(`^[${space}]+|[${space}]+$`, 'gu')
const atEnd = new RegExp(`[${space}]+$`, 'u')
const leading = new RegExp(`^[${space}]*`, 'u')
const sectionHeader = /^\[([^\n]+)\]/u
const option = new RegExp(`^([^\\n]*?)[${space}]*[=:][${space}]*([^\\n]*)$`, 'u')

/** Options of this section are those of every other one, unless it has its own. */
const defaults = 'DEFAULT'
const maxDepth = 10

/**
 * One section of an INI file as Python's `configparser.ConfigParser` reads it, which is how Rucio's own clients read `rucio.cfg`:
 * options in any case, `=` or `:`, values that go on in deeper lines, whole lines of comment (`#`, `;`), `%(option)s` and `%%`.
 * An absent section has the defaults alone. `faults`: why the file as a whole cannot be read.
 */
export function readIniSection(
  text: string,
  section: string,
): { readonly options: IniOptions } | { readonly faults: readonly IniFault[] } {
  const sections = new Map<string, Lines>()
  const faults: IniFault[] = []
  let current: Lines | null = null
  let open: { readonly parts: string[] } | null = null
  let indent = 0

  // Python stops at the first of the faults that return at once.
  for (const [index, whole] of text.replace(/\r\n?/gu, '\n').split('\n').entries()) {
    const line = index + 1
    const stripped = strip(whole)
    if (/^[#;]/u.test(stripped)) continue
    if (stripped === '') {
      open?.parts.push('')
      continue
    }
    const indentHere = leading.exec(whole)![0].length
    if (open !== null && indentHere > indent) {
      open.parts.push(stripped)
      continue
    }
    indent = indentHere
    const header = sectionHeader.exec(stripped)?.[1]
    if (header !== undefined) {
      if (header !== defaults && sections.has(header))
        return { faults: [{ line, what: `section [${header}] is there twice` }] }
      current = sections.get(header) ?? new Map()
      sections.set(header, current)
      open = null
      continue
    }
    if (current === null) return { faults: [{ line, what: 'stands above the first [section]' }] }
    const [, name, value] = option.exec(stripped) ?? []
    // As Python has it: what is read goes on, so that all such lines are told of at once, and `= x` is an option without a name.
    if (name === undefined || value === undefined || name === '')
      faults.push({ line, what: 'is neither a [section], an option = value, nor a comment' })
    if (name === undefined || value === undefined) continue
    const key = strip(name).toLowerCase()
    if (current.has(key)) return { faults: [{ line, what: `option ${key} is there twice` }] }
    open = { parts: [strip(value)] }
    current.set(key, { line, parts: open.parts })
  }
  if (faults.length > 0) return { faults }
  const raw: Raw = new Map([...joined(sections.get(defaults)), ...joined(sections.get(section))])
  return { options: new Map([...raw].map(([key, value]) => [key, interpolated(value, raw)])) }
}

const strip = (text: string): string => text.replace(atEnds, '')

function* joined(lines: Lines | undefined): Iterable<[string, IniValue]> {
  for (const [key, { line, parts }] of lines ?? []) {
    yield [key, { line, value: parts.join('\n').replace(atEnd, '') }]
  }
}

function interpolated({ value, line }: IniValue, raw: Raw): IniValue | IniFault {
  const result = interpolate(value, raw, 1)
  return 'what' in result ? { line, what: result.what } : { line, value: result.value }
}

function interpolate(text: string, raw: Raw, depth: number): { readonly value: string } | { readonly what: string } {
  if (depth > maxDepth) return { what: `has %(option)s references nested more than ${maxDepth} deep` }
  let value = ''
  let rest = text
  for (;;) {
    const at = rest.indexOf('%')
    if (at < 0) return { value: value + rest }
    value += rest.slice(0, at)
    rest = rest.slice(at)
    if (rest.startsWith('%%')) {
      value += '%'
      rest = rest.slice(2)
      continue
    }
    const [reference, name] = /^%\(([^)]+)\)s/u.exec(rest) ?? []
    if (reference === undefined || name === undefined)
      return { what: 'has a "%" that is neither "%%" nor "%(option)s"' }
    const other = raw.get(name.toLowerCase())
    if (other === undefined) return { what: `refers to %(${name})s, which is not there` }
    const inner = other.value.includes('%') ? interpolate(other.value, raw, depth + 1) : { value: other.value }
    if ('what' in inner) return inner
    value += inner.value
    rest = rest.slice(reference.length)
  }
}
