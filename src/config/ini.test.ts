import { spawn, spawnSync, type ChildProcessByStdio } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { afterAll, describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { readIniSection } from './ini.ts'

const textOf = (text: string, section = 'client') => {
  const read = readIniSection(text, section)
  return 'faults' in read ? read.faults : Object.fromEntries(read.options)
}

describe('readIniSection()', () => {
  test('reads a rucio.cfg as its clients do', () => {
    const text = `# of the site
[common]
logdir = /var/log

[client]
rucio_host = https://rucio.example.org:443
AUTH_HOST: https://%(domain)s:443
  ; a comment in between
account = tapeagent ; not a comment
scopes = raw,
    u_test

    # nor the last
    sim
percent = 100%%

[DEFAULT]
domain = auth.example.org
`
    expect(textOf(text)).toEqual({
      domain: { line: 18, value: 'auth.example.org' },
      rucio_host: { line: 6, value: 'https://rucio.example.org:443' },
      auth_host: { line: 7, value: 'https://auth.example.org:443' },
      account: { line: 9, value: 'tapeagent ; not a comment' },
      scopes: { line: 10, value: 'raw,\nu_test\n\nsim' },
      percent: { line: 15, value: '100%' },
    })
  })

  test('says what is wrong, and where', () => {
    expect(textOf('a = 1\n[client]')).toEqual([{ line: 1, what: 'stands above the first [section]' }])
    expect(textOf('[client]\na = 1\nA = 2')).toEqual([{ line: 3, what: 'option a is there twice' }])
    expect(textOf('[client]\n[client]')).toEqual([{ line: 2, what: 'section [client] is there twice' }])
    const neither = 'is neither a [section], an option = value, nor a comment'
    expect(textOf('[client]\nhello\n= 1')).toEqual([
      { line: 2, what: neither },
      { line: 3, what: neither },
    ])
    expect(textOf('[client]\na = %(b)s\nc = %d')).toEqual({
      a: { line: 2, what: 'refers to %(b)s, which is not there' },
      c: { line: 3, what: 'has a "%" that is neither "%%" nor "%(option)s"' },
    })
    expect(textOf('[client]\na = %(a)s')).toEqual({
      a: { line: 2, what: 'has %(option)s references nested more than 10 deep' },
    })
  })
})

/** Python reads texts, a line of JSON each, and answers with what `configparser` makes of the section `client`. */
const program = `
import configparser, json, sys
for line in sys.stdin:
    parser = configparser.ConfigParser()
    try:
        parser.read_file(__import__('io').StringIO(json.loads(line), newline=None))
    except configparser.Error:
        print('null', flush=True)
        continue
    section = 'client' if parser.has_section('client') else 'DEFAULT'
    values = {}
    for key in parser[section]:
        try:
            values[key] = parser.get(section, key)
        except configparser.InterpolationError:
            values[key] = None
    print(json.dumps(values), flush=True)
`

const hasPython = spawnSync('python3', ['--version']).status === 0
if (!hasPython) console.warn('skipped: reading rucio.cfg like Python: there is no python3')
const describeWithPython = hasPython || process.env['CI'] === 'true' ? describe : describe.skip

describeWithPython('readIniSection() and Python’s configparser', () => {
  let python: ChildProcessByStdio<Writable, Readable, null> | null = null
  let answers: AsyncIterator<string> | null = null
  afterAll(() => {
    python?.kill()
  })

  async function asPython(text: string): Promise<unknown> {
    python ??= spawn('python3', ['-X', 'utf8', '-c', program], { stdio: ['pipe', 'pipe', 'inherit'] })
    answers ??= createInterface({ input: python.stdout })[Symbol.asyncIterator]()
    python.stdin.write(`${JSON.stringify(text)}\n`)
    return JSON.parse((await answers.next()).value as string)
  }

  function asWe(text: string): unknown {
    const read = readIniSection(text, 'client')
    if ('faults' in read) return null
    const values = [...read.options]
    return Object.fromEntries(values.map(([key, value]) => [key, 'what' in value ? null : value.value]))
  }

  const pieces = fc.constantFrom(
    ...[
      '[client]',
      '[DEFAULT]',
      '[other]',
      '[client',
      ']',
      '[]',
      '[a]]',
      'a',
      'B',
      'account',
      'É',
      'İ',
      '=',
      ':',
      ' ',
      '  ',
    ],
    ...[
      '\t',
      '\n',
      '\n',
      '\n',
      '\r\n',
      '\r',
      '#',
      ';',
      '%',
      '%%',
      '%(a)s',
      '%(B)s',
      '%(account)s',
      '%(nope)s',
      '%(',
      '\u00a0',
    ],
    ...['\u001c', '\u0085', '\u2028', '\ufeff', '\u000b', 'x = 1\n', 'y : %(x)s\n', '  more\n', '\n# no\n', 'ß', '😀'],
  )
  const texts = fc.array(fc.oneof({ weight: 9, arbitrary: pieces }, fc.string({ unit: 'binary', maxLength: 3 })), {
    maxLength: 40,
  })
  const likely = fc.array(fc.oneof(pieces, fc.constantFrom('a = b\n', 'B=%(a)s\n', 'account: %%\n', '\n', '   c\n')), {
    maxLength: 25,
  })

  test('agree on every text', async () => {
    const text = fc.oneof(
      texts.map((parts) => parts.join('')),
      likely.map((parts) => `[client]\n${parts.join('')}`),
    )
    await fc.assert(
      fc.asyncProperty(text, async (given) => {
        expect(asWe(given)).toEqual(await asPython(given))
      }),
      { numRuns: 3000 },
    )
  })
})
