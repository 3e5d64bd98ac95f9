import { describe, expect, test } from '@jest/globals'
import type { RucioError } from './errors.ts'
import { errorOfRefusal } from './errors.ts'

const now = new Date('2026-11-27T12:00:00Z')

function refusal(
  status: number,
  text: string,
  headers: Record<string, string> = {},
  secrets: string[] = [],
): RucioError {
  return errorOfRefusal('do it', { status, text, header: (name) => headers[name] ?? null }, secrets, now)
}

const said = (exceptionClass: string, message = 'because'): string =>
  JSON.stringify({ ExceptionClass: exceptionClass, ExceptionMessage: message })

describe('errorOfRefusal()', () => {
  test.each([
    [401, said('CannotAuthenticate'), 'SIGN_IN_REFUSED', false],
    [500, said('CannotAuthenticate'), 'SIGN_IN_REFUSED', false],
    [401, said('AccessDenied'), 'NOT_ALLOWED', false],
    [500, said('AccessDenied'), 'NOT_ALLOWED', false],
    [404, said('DataIdentifierNotFound'), 'DID_GONE', false],
    [404, said('RSENotFound'), 'RUCIO_REFUSED', false],
    [404, said('ScopeNotFound'), 'SCOPE_UNKNOWN', false],
    [400, said('InvalidObject'), 'RUCIO_REFUSED', false],
    [400, said('ValueError', 'Token must be set.'), 'RUCIO_REFUSED', false],
    [500, said('InvalidMetadata'), 'RUCIO_REFUSED', false],
    [500, said('InvalidRSEExpression'), 'RUCIO_REFUSED', false],
    [500, said('FilterEngineGenericError'), 'RUCIO_REFUSED', false],
    [500, said('DatabaseException'), 'RUCIO_FAILED', true],
    [503, said('DatabaseException'), 'RUCIO_OVERLOADED', true],
    [503, said('ResourceTemporaryUnavailable'), 'RUCIO_OVERLOADED', true],
    [429, 'slow down', 'RUCIO_OVERLOADED', true],
    [500, 'malformed node or string', 'RUCIO_FAILED', true],
    [502, '<html>Bad Gateway</html>', 'RUCIO_UNREACHABLE', true],
    [503, '<html>Service Unavailable</html>', 'RUCIO_UNREACHABLE', true],
    [504, '<html>Gateway Timeout</html>', 'RUCIO_UNREACHABLE', true],
    [404, '<html>Not Found</html>', 'RUCIO_UNREACHABLE', false],
    [403, '<html>Forbidden</html>', 'RUCIO_UNREACHABLE', false],
    [407, '<html>Proxy Authentication Required</html>', 'RUCIO_UNREACHABLE', false],
    [302, '', 'RUCIO_UNREACHABLE', false],
    [401, '<html>Unauthorized</html>', 'SIGN_IN_REFUSED', false],
    [413, '<html>Too Large</html>', 'RUCIO_REFUSED', false],
  ] as const)('reads %i %s as %s, again: %s', (status, text, code, again) => {
    expect(refusal(status, text)).toMatchObject({ code, again, status })
  })

  test('takes the class from the headers when the body was cut', () => {
    const headers = { exceptionclass: 'InvalidObject', exceptionmessage: 'too many' }
    const error = refusal(400, said('InvalidObject', 'x'.repeat(1000)).slice(0, 500), headers)
    expect(error).toMatchObject({ code: 'RUCIO_REFUSED', exceptionClass: 'InvalidObject' })
    expect(error.message).toBe('Cannot do it: Rucio says 400 InvalidObject: too many')
  })

  test('keeps the message short when Rucio repeats the whole request', () => {
    expect(refusal(400, said('InvalidObject', 'problem '.repeat(20_000))).message.length).toBeLessThan(400)
  })

  test('shows a page of a proxy as plain text on one line', () => {
    const error = refusal(502, '<html>\n<h1>Bad Gateway</h1>\n</html>')
    expect(error.message).toBe('Cannot do it: the answer is 502: Bad Gateway')
  })

  test('hides secrets that a database error quotes', () => {
    const text = said('DatabaseException', "[parameters: {'token': 'root-ddmlab-x-0123'}]")
    const error = refusal(500, text, {}, ['root-ddmlab-x-0123', ''])
    expect(error.message).toContain("'token': '***'")
  })

  test.each(['hunt<er>2-secret', 'a"b\\c-secret', "a&b'-secret", 'a b/c-secret'])(
    'hides %s, however it is written',
    (secret) => {
      const html = secret
        .replaceAll('&', '&amp;')
        .replaceAll('<', '&lt;')
        .replaceAll('>', '&gt;')
        .replaceAll("'", '&#39;')
      for (const text of [secret, `<p>${html}</p>`, JSON.stringify({ password: secret }), encodeURIComponent(secret)])
        expect(refusal(400, `<b>you sent</b> ${text}`, {}, [secret]).message).not.toMatch(/secret/u)
    },
  )

  test.each([
    ['120', 120_000],
    ['Fri, 27 Nov 2026 12:00:30 GMT', 30_000],
    ['Fri, 27 Nov 2026 11:00:00 GMT', 0],
    ['soon', null],
  ])('reads Retry-After: %s as %s ms', (header, afterMs) => {
    expect(refusal(503, '', { 'retry-after': header }).afterMs).toBe(afterMs)
  })

  test('reads a date in Retry-After by the clock of the server, where it tells that', () => {
    const tomorrow = { date: 'Sat, 28 Nov 2026 12:00:00 GMT', 'retry-after': 'Sat, 28 Nov 2026 12:00:09 GMT' }
    expect(refusal(503, '', tomorrow).afterMs).toBe(9000)
  })
})
