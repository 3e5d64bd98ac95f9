/** A value of Python, as `ast.literal_eval` reads one: of JSON it knows neither `true`, `false` nor `null`. */
export type PythonValue =
  string | number | boolean | null | readonly PythonValue[] | { readonly [key: string]: PythonValue }

/** The text is not a literal. */
export class LiteralError extends Error {}

const TOKEN =
  /\s*(?:([[\]{},:()])|("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)|([A-Za-z_]\w*))/y

/** @throws LiteralError, with the words of Python */
export function pythonLiteral(text: string): PythonValue {
  const tokens = tokenize(text)
  let at = 0
  const peek = (): string | undefined => tokens[at]
  const take = (expected?: string): string => {
    const token = tokens[at++]
    if (token === undefined || (expected !== undefined && token !== expected)) throw new LiteralError(SYNTAX)
    return token
  }
  /** Values until `close`, with commas between and maybe one more at the end. */
  function list<T>(close: string, item: () => T): T[] {
    const items: T[] = []
    while (peek() !== close) {
      items.push(item())
      if (peek() !== close) take(',')
    }
    take(close)
    return items
  }
  function value(): PythonValue {
    const token = take()
    if (token === '[') return list(']', value)
    if (token === '(') return list(')', value)
    if (token === '{') {
      return Object.fromEntries(
        list('}', () => {
          const key = value()
          if (typeof key === 'object') throw new LiteralError('unhashable type')
          take(':')
          return [String(key), value()] as const
        }),
      )
    }
    return scalar(token)
  }
  const result = value()
  if (at < tokens.length) throw new LiteralError(SYNTAX)
  return result
}

const SYNTAX = 'invalid syntax (<unknown>, line 1)'

function tokenize(text: string): readonly string[] {
  const tokens: string[] = []
  TOKEN.lastIndex = 0
  const end = text.trimEnd().length
  while (TOKEN.lastIndex < end) {
    const match = TOKEN.exec(text)
    if (match === null) throw new LiteralError(SYNTAX)
    tokens.push(match[0].trimStart())
  }
  return tokens
}

function scalar(token: string): PythonValue {
  if (token === 'True') return true
  if (token === 'False') return false
  if (token === 'None') return null
  const quote = token[0]!
  if (quote === '"' || quote === "'") return unescape(token.slice(1, -1))
  if (/^[A-Za-z_]/.test(token)) throw new LiteralError('malformed node or string on line 1: <ast.Name object>')
  const number = Number(token)
  if (Number.isNaN(number)) throw new LiteralError(SYNTAX)
  return number
}

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', b: '\b', f: '\f' }

const unescape = (text: string): string =>
  text.replace(/\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|(.))/gs, (_, u?: string, x?: string, plain?: string) => {
    if (u !== undefined || x !== undefined) return String.fromCharCode(Number.parseInt((u ?? x)!, 16))
    return ESCAPES[plain!] ?? (/["'\\]/.test(plain!) ? plain! : `\\${plain}`)
  })
