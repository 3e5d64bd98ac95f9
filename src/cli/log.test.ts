import { describe, expect, test } from '@jest/globals'
import { isJournal, startLog, type LogSettings } from './log.ts'

const at = new Date('2026-11-21T21:49:10.254Z')
const did = { scope: 'raw', name: 'night' }

function logged(format: LogSettings['format'], more: { level?: string; journal?: boolean } = {}) {
  const lines: string[] = []
  const { log, configure } = startLog({
    settings: { format, level: 'info' },
    level: more.level,
    now: () => at,
    journal: more.journal ?? false,
    write: (line) => void lines.push(line),
  })
  return { log, configure, lines }
}

describe('startLog()', () => {
  test('writes the text form of Rucio’s daemons', () => {
    const { log, lines } = logged('text')
    log.info('raw:night done', { did, bytes: 7, direct: false, attempt: null })
    log.warn('careful', { hint: 'Look.', code: 'VAULT_IO' })
    log.error('two\nlines\tand \u001b[31mred')
    const prefix = `2026-11-21 21:49:10,254\ttape-rse\t${process.pid}\t`
    expect(lines).toEqual([
      `${prefix}INFO\traw:night done bytes=7 direct=false\n`,
      `${prefix}WARNING\tcareful - Look. code=VAULT_IO\n`,
      `${prefix}ERROR\ttwo lines and \\u{1b}[31mred\n`,
    ])
  })

  test('writes Rucio’s JSON form', () => {
    const { log, lines } = logged('json')
    log.info('raw:night done', { did, bytes: 7 })
    log.error('Cannot write: no', { code: 'VAULT_IO', hint: 'Wait.' })
    expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual([
      {
        '@timestamp': '2026-11-21T21:49:10.254Z',
        log: { logger: 'tape-rse', level: 'INFO' },
        message: 'raw:night done',
        error: { type: null, message: null, stack_trace: null },
        process: { pid: process.pid },
        rucio: did,
        labels: { bytes: 7 },
      },
      expect.objectContaining({
        error: { type: 'VAULT_IO', message: 'Cannot write: no', stack_trace: null },
        labels: { hint: 'Wait.' },
      }),
    ])
  })

  test.each([
    [undefined, 'warn', ['warn', 'error']],
    ['DEBUG', 'error', ['debug', 'info', 'warn', 'error']],
    ['Warning', 'debug', ['warn', 'error']],
    ['nonsense', 'info', ['info', 'warn', 'error']],
  ] as const)('obeys $LOG_LEVEL %s, else the config: %s', (level, configured, expected) => {
    const { log, configure, lines } = logged('text', level === undefined ? {} : { level })
    configure({ format: 'text', level: configured })
    for (const each of ['debug', 'info', 'warn', 'error']) log.log(each, each)
    expect(lines.map((line) => line.trimEnd().split('\t').at(-1))).toEqual(expected)
  })

  test('adds nothing to Rucio’s JSON form that was not given', () => {
    const { log, lines } = logged('json')
    log.info('one\ntwo\u2028three\u009b', { did: null, attempt: undefined, hint: '' })
    expect(lines).toEqual([
      '{"@timestamp":"2026-11-21T21:49:10.254Z","log":{"logger":"tape-rse","level":"INFO"},' +
        '"message":"one\\ntwo\\u2028three\\u009b","error":{"type":null,"message":null,"stack_trace":null},' +
        `"process":{"pid":${process.pid}}}\n`,
    ])
  })

  test('labels are scalars', () => {
    const { log, lines } = logged('json')
    log.info('x', { bytes: 7n, keys: ['a', 'b'], direct: true, cause: { inner: new Error('no') } })
    expect(labelsOf(lines[0]!)).toEqual({ bytes: '7', keys: '["a","b"]', direct: true, cause: '{"inner":"no"}' })
  })

  test.each(['text', 'json'] as const)('writes what cannot be shown, too (%s)', (format) => {
    const { log, lines } = logged(format)
    const ring: Record<string, unknown> = {}
    ring['ring'] = ring
    log.info('first', { ring, did: null })
    log.info(undefined as unknown as string)
    log.info('last')
    expect(lines).toHaveLength(3)
  })

  test.each(['text', 'json'] as const)('shows a stack to those who debug only (%s)', (format) => {
    const { log, configure, lines } = logged(format)
    configure({ format, level: 'debug' })
    const cause = Object.assign(new Error('boom'), { toJSON: () => ({ stack: 'log.test.ts' }) })
    log.error('x', { cause, causes: [cause] })
    log.error('x', cause)
    expect(lines.map((line) => [line.includes('boom'), line.includes('log.test.ts')])).toEqual([
      [true, false],
      [true, false],
    ])
    log.debug('x', { cause })
    expect(lines[2]).toContain('log.test.ts')
    expect(lines[2]).toMatch(/^[^\n]*\n$/u)
  })

  test('changes its form and level on the fly, for its children too', () => {
    const { log, configure, lines } = logged('text')
    const child = log.child({ pipeline: 'p' })
    child.debug('hidden')
    child.info('x')
    configure({ format: 'json', level: 'debug' })
    log.info('y')
    child.debug('z')
    expect(lines).toHaveLength(3)
    expect(lines[0]).toMatch(/\tINFO\tx pipeline=p\n$/u)
    expect(JSON.parse(lines[1]!)).toMatchObject({ message: 'y' })
    expect(JSON.parse(lines[2]!)).toMatchObject({ message: 'z', labels: { pipeline: 'p' } })
  })

  test('gives journald the priority of each line', () => {
    const { log, configure, lines } = logged('text', { journal: true })
    configure({ format: 'json', level: 'debug' })
    for (const each of ['error', 'warn', 'info', 'debug']) log.log(each, each)
    expect(lines.map((line) => line.slice(0, 4))).toEqual(['<3>{', '<4>{', '<6>{', '<7>{'])
  })

  const secrets: readonly (readonly [string, string, object])[] = [
    ['a header', 'sent X-Rucio-Auth-Token: canary', {}],
    ['a token of a certificate', 'x-rucio-auth-token=me-/DC=org/CN=Tape Agent, one-unknown-canary', {}],
    ['a header in JSON', '{"X-Rucio-Password":"a\\"canary"}', {}],
    ['a header in JSON in JSON', JSON.stringify(JSON.stringify({ 'X-Rucio-Auth-Token': 'a b canary' })), {}],
    ['a field', 'x', { 'X-Rucio-Auth-Token': 'canary' }],
    ['an inner field', 'x', { config: { headers: { 'X-Rucio-Auth-Token': 'a canary' } } }],
    ['raw headers', 'x', { headers: ['X-Rucio-Auth-Token', 'canary'] }],
    ['a hint', 'x', { hint: 'Use X-Rucio-Password: canary' }],
    ['a code', 'x', { code: 'https://me:canary@host' }],
    ['an error', 'x', { error: new Error('X-Rucio-Password: canary') }],
    ['a URL', 'GET https://me:p@canary@host/x', {}],
    ['a URL in a field', 'x', { url: 'root://canary@host//x', urls: ['https://me:canary@host'] }],
    ['a key', '-----BEGIN RSA PRIVATE KEY-----\ncanary\n-----END RSA PRIVATE KEY-----', {}],
    ['half a key', '-----BEGIN PRIVATE KEY-----\ncanary', {}],
    ['a key in a field', 'x', { pem: ['-----BEGIN EC PRIVATE KEY-----\ncanary\n-----END EC PRIVATE KEY-----'] }],
  ]
  test.each(secrets)('masks %s', (_, message, fields) => {
    for (const format of ['text', 'json'] as const) {
      const { log, lines } = logged(format)
      log.error(message, { ...fields, last: 'kept' })
      expect(lines[0]).not.toContain('canary')
      expect(lines[0]).toContain('***')
      expect(lines[0]).toContain('kept')
    }
  })

  test.each([
    ['{"X-Rucio-Auth-Token":"a","next":1}', '{"X-Rucio-Auth-Token":"***","next":1}'],
    ['X-Rucio-Auth-Token: a b\nnext', 'X-Rucio-Auth-Token: ***\nnext'],
    ['https://me:pw@host:8443/a@b', 'https://***@host:8443/a@b'],
    ['a -----BEGIN PRIVATE KEY-----\nb\n-----END PRIVATE KEY----- c', 'a *** c'],
    ['X-Rucio-Auth-Token-Expires: soon', 'X-Rucio-Auth-Token-Expires: soon'],
    ['mail me@host of https://host/a', 'mail me@host of https://host/a'],
  ])('masks no more than it has to of %j', (message, expected) => {
    const { log, lines } = logged('json')
    log.info(message)
    expect((JSON.parse(lines[0]!) as { message: string }).message).toBe(expected)
  })
})

const labelsOf = (line: string): unknown => (JSON.parse(line) as { labels: unknown }).labels

test('isJournal() compares device and inode', () => {
  expect(isJournal({ JOURNAL_STREAM: '9:1234' }, { dev: 9, ino: 1234 })).toBe(true)
  expect(isJournal({ JOURNAL_STREAM: '9:1234' }, { dev: 8, ino: 1234 })).toBe(false)
  expect(isJournal({ JOURNAL_STREAM: '9:1234' }, { dev: 9n, ino: 1234n })).toBe(true)
  expect(isJournal({}, { dev: 9, ino: 1234 })).toBe(false)
})
