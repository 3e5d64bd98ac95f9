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

  test('changes its form on the fly', () => {
    const { log, configure, lines } = logged('text')
    configure({ format: 'json', level: 'info' })
    log.info('x')
    expect(JSON.parse(lines[0]!)).toMatchObject({ message: 'x' })
  })

  test('gives journald the priority of each line', () => {
    const { log, configure, lines } = logged('text', { journal: true })
    configure({ format: 'json', level: 'debug' })
    for (const each of ['error', 'warn', 'info', 'debug']) log.log(each, each)
    expect(lines.map((line) => line.slice(0, 4))).toEqual(['<3>{', '<4>{', '<6>{', '<7>{'])
  })

  test.each(['text', 'json'] as const)('masks what looks like a secret (%s)', (format) => {
    const { log, lines } = logged(format)
    log.error('sent X-Rucio-Auth-Token: canary-1', { url: 'https://me:canary-2@host/x' })
    log.error('{"X-Rucio-Password":"canary-3"}')
    log.error('-----BEGIN RSA PRIVATE KEY-----\ncanary-4\n-----END RSA PRIVATE KEY----- and so on')
    expect(lines.join('')).not.toContain('canary')
    expect(lines.join('')).toContain('and so on')
  })
})

test('isJournal() compares device and inode', () => {
  expect(isJournal({ JOURNAL_STREAM: '9:1234' }, { dev: 9, ino: 1234 })).toBe(true)
  expect(isJournal({ JOURNAL_STREAM: '9:1234' }, { dev: 8, ino: 1234 })).toBe(false)
  expect(isJournal({}, { dev: 9, ino: 1234 })).toBe(false)
})
