import { execFileSync } from 'node:child_process'
import { createPrivateKey } from 'node:crypto'
import { chmodSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { makeAuthority, makeProxy, makeUser, type Certificate } from '../testing/certificates.ts'
import { authoritiesStamp, readAuthorities } from './authorities.ts'
import { readCertificate, readProxy } from './client-certificate.ts'
import { readPassword, UnusableFile } from './secret-file.ts'
import { readToken } from './token-file.ts'

const ours = { groupMayRead: false }
const directory = mkdtempSync(join(tmpdir(), 'credentials-'))
afterAll(() => rmSync(directory, { recursive: true }))

let count = 0
function write(text: string, mode = 0o600): string {
  const file = join(directory, `file-${count++}`)
  writeFileSync(file, text)
  chmodSync(file, mode)
  return file
}

const fault = (reading: Promise<unknown>): Promise<UnusableFile> =>
  reading.then(
    () => {
      throw new Error('it was read')
    },
    (error: unknown) => {
      expect(error).toBeInstanceOf(UnusableFile)
      return error as UnusableFile
    },
  )

let authority: Certificate
let user: Certificate
beforeAll(async () => {
  authority = await makeAuthority('Authority')
  user = await makeUser(authority, 'Tape Agent')
})

describe('a secret', () => {
  test.each([
    [0o400, null, null],
    [0o600, null, null],
    [0o700, null, null],
    [0o640, 'readable by its group (mode 0640)', null],
    [0o440, 'readable by its group (mode 0440)', null],
    [0o620, 'open to its group (mode 0620)', 'open to its group (mode 0620)'],
    [0o660, 'readable by its group (mode 0660)', 'open to its group (mode 0660)'],
    [0o644, 'readable by others (mode 0644)', 'readable by others (mode 0644)'],
    [0o602, 'open to others (mode 0602)', 'open to others (mode 0602)'],
  ])('of mode %o is refused for us: %s, for our group: %s', async (mode, alone, withGroup) => {
    const file = write('secret', mode)
    for (const [groupMayRead, what] of [
      [false, alone],
      [true, withGroup],
    ] as const) {
      if (what === null) expect(await readPassword(file, { groupMayRead })).toBe('secret')
      else {
        const { message, hint } = await fault(readPassword(file, { groupMayRead }))
        expect(message).toBe(`${file} is ${what}`)
        expect(hint).toContain(`chmod 600 ${file}`)
      }
    }
  })

  test('of a group says how Kubernetes’ are allowed', async () => {
    expect((await fault(readPassword(write('x', 0o440), ours))).hint).toContain('rucio.secretsReadableByGroup')
  })

  test('is looked at where its link leads', async () => {
    const link = join(directory, 'link')
    symlinkSync(write('x', 0o644), link)
    expect((await fault(readPassword(link, ours))).message).toBe(`${link} is readable by others (mode 0644)`)
  })

  test('that is no file, not there, empty or too long is refused', async () => {
    expect((await fault(readPassword(directory, ours))).message).toBe(`${directory} is a directory`)
    expect((await fault(readPassword(`${directory}/no`, ours))).message).toBe(`${directory}/no does not exist`)
    expect((await fault(readPassword('/dev/null', ours))).message).toBe('/dev/null is not a regular file')
    const empty = write('\n')
    expect((await fault(readPassword(empty, ours))).message).toBe(`${empty} is empty`)
    const long = write('x'.repeat(4 * 2 ** 20 + 1))
    expect((await fault(readPassword(long, ours))).message).toContain('is too long')
  })
})

describe('readPassword()', () => {
  test('drops white space at its end alone', async () => {
    expect(await readPassword(write(' pass word é\r\n\n'), ours)).toBe(' pass word é')
  })
})

describe('readToken()', () => {
  const jwt = (claims: unknown) =>
    ['{"alg":"RS256"}', JSON.stringify(claims), 'signature']
      .map((part) => Buffer.from(part).toString('base64url'))
      .join('.')

  test('reads what a JWT says of its life', async () => {
    const value = jwt({ sub: 'x', nbf: 1_700_000_000, iat: 1_600_000_000, exp: 1_700_003_600.5 })
    const file = write(`${value}\n`)
    expect(await readToken(file, ours)).toEqual({
      file,
      value,
      life: {
        from: new Date(1_700_000_000_000),
        until: new Date(1_700_003_600_500),
        issued: new Date(1_600_000_000_000),
      },
    })
  })

  test.each([['tapeagent-tapeagent-x-0123'], ['a.b.c'], [jwt('x')], [jwt({ exp: 'soon', nbf: 1e18 })], ['a.b']])(
    'takes %s, which says nothing of it',
    async (value) => {
      expect(await readToken(write(value), ours)).toMatchObject({
        value,
        life: { from: null, until: null, issued: null },
      })
    },
  )
})

describe('readCertificate() and readProxy()', () => {
  const life = (from: number, until: number) => ({ from: new Date(from * 1000), until: new Date(until * 1000) })
  const inThePast = life(1_700_000_000, 1_700_003_600)

  test('read certificate and key from two files; only the key is secret', async () => {
    const [cert, key] = [write(user.cert, 0o644), write(user.key)]
    expect(await readCertificate(cert, key, ours)).toMatchObject({
      kind: 'certificate',
      file: cert,
      cert: user.cert,
      key: user.key,
      subject: '/DC=org/DC=example/CN=Tape Agent',
    })
    expect((await fault(readCertificate(cert, write(user.key, 0o640), ours))).message).toContain('by its group')
  })

  test('read a proxy with its chain: whose it is, and the shortest of the lives', async () => {
    const file = write(await makeProxy(user, inThePast))
    const proxy = await readProxy(file, ours)
    expect(proxy).toMatchObject({ kind: 'proxy', file, subject: '/DC=org/DC=example/CN=Tape Agent' })
    expect(proxy.life.until).toEqual(inThePast.until)
    expect(proxy.life.from!.getTime()).toBeGreaterThan(inThePast.until.getTime())
    expect(proxy.cert.match(/BEGIN CERTIFICATE/g)).toHaveLength(2)
    const old = await makeUser(authority, 'Old', inThePast)
    expect((await readProxy(write(await makeProxy(old)), ours)).life.until).toEqual(inThePast.until)
  })

  test('refuse a file that was cut, wherever', async () => {
    const whole = await makeProxy(user)
    const says = async (text: string) => (await fault(readProxy(write(text), ours))).message.replace(/^\S+ /, '')
    for (const missing of [3, 30, 300, user.cert.length - 20, user.cert.length + 40])
      expect(await says(whole.slice(0, -missing))).toBe('holds a certificate that cannot be read')
    const cutKey = whole.slice(0, whole.indexOf('-----END PRIVATE KEY') - 10)
    expect(await says(cutKey)).toBe('holds a certificate that cannot be read')
  })

  test('take keys as the grid’s tools write them', async () => {
    const traditional = createPrivateKey(user.key).export({ type: 'sec1', format: 'pem' }).toString()
    const file = write(`${user.cert}\n${traditional}`)
    expect((await readProxy(file, ours)).key).toBe(traditional.trim())
  })

  test('say what is wrong with the files', async () => {
    const other = await makeUser(authority, 'Other')
    const cert = write(user.cert)
    const says = async (key: string) =>
      (await fault(readCertificate(cert, write(key), ours))).message.replace(/^\S+ /, '')
    expect(await says(other.key)).toBe(`is not the key of the certificate ${cert}`)
    expect(await says('nothing')).toBe('holds no PEM private key')
    expect(await says(user.key.replace(/\n.{10}/, '\n??????????'))).toBe('holds a key that cannot be read')
    const locked = createPrivateKey(user.key).export({
      type: 'pkcs8',
      format: 'pem',
      cipher: 'aes-256-cbc',
      passphrase: 'x',
    })
    expect(await says(locked.toString())).toBe('is encrypted, and there is nobody to type its pass phrase')
    const proxyFault = async (text: string) => (await fault(readProxy(write(text), ours))).message.replace(/^\S+ /, '')
    expect(await proxyFault(user.key)).toBe('holds no PEM certificate')
    expect(await proxyFault(`${other.cert}\n${user.key}`)).toBe('holds a key that is not that of its certificate')
    const cut = user.cert.replace(/\n[^-]{60}/, '\n')
    expect(await proxyFault(`${cut}\n${user.key}`)).toBe('holds a certificate that cannot be read')
  })
})

describe('readAuthorities()', () => {
  test('reads a file with several', async () => {
    const other = await makeAuthority('Other')
    const file = write(`# ours\n${authority.cert}\n${other.cert}\n${authority.cert}\n`, 0o644)
    expect(await readAuthorities(file)).toEqual([authority.cert, other.cert])
    const broken = write(`${authority.cert}\n${other.cert.replace(/\n[^-]{60}/, '\n')}`)
    expect((await fault(readAuthorities(broken))).message).toBe(`${broken} holds a certificate that cannot be read`)
    const empty = write('no certificate')
    expect((await fault(readAuthorities(empty))).message).toBe(`${empty} holds no PEM certificate`)
  })

  test('reads a directory as the grid has it, and notices what changes in it', async () => {
    const grid = join(directory, 'certificates')
    mkdirSync(grid)
    expect((await fault(readAuthorities(grid))).message).toContain('has no certificate authority in it')
    const stamps = [await authoritiesStamp(grid)]
    const step = async (change: () => void) => {
      change()
      stamps.push(await authoritiesStamp(grid))
      return readAuthorities(grid)
    }
    const pem = join(grid, 'Authority.pem')
    expect(await step(() => writeFileSync(pem, authority.cert))).toEqual([authority.cert])
    expect(await step(() => symlinkSync('Authority.pem', join(grid, '5ab1c2d3.0')))).toEqual([authority.cert])
    const other = (await makeAuthority('Other')).cert
    expect(await step(() => writeFileSync(join(grid, '00aa11bb.12'), other))).toEqual([other, authority.cert])
    const noise = () => {
      for (const name of ['5ab1c2d3.r0', '5ab1c2d3.signing_policy', 'README', '.hidden.pem'])
        writeFileSync(join(grid, name), other.replace('C', 'D'))
      writeFileSync(join(grid, 'broken.pem'), other.replace(/\n[^-]{60}/, '\n'))
      symlinkSync('nowhere', join(grid, '99999999.0'))
    }
    expect(await step(noise)).toEqual([other, authority.cert])
    // As fetch-crl, cron and Kubernetes do: a new directory is renamed into place.
    const next = () => {
      mkdirSync(`${grid}.new`)
      writeFileSync(join(`${grid}.new`, 'Authority.pem'), other)
      renameSync(grid, `${grid}.old`)
      renameSync(`${grid}.new`, grid)
    }
    expect(await step(next)).toEqual([other])
    expect(new Set(stamps).size).toBe(stamps.length)
    expect(await authoritiesStamp(grid)).toBe(stamps.at(-1))
    expect((await fault(authoritiesStamp(`${grid}.new`))).message).toBe(`${grid}.new does not exist`)
  })

  test('takes what openssl rehash makes', async () => {
    const grid = join(directory, 'rehashed')
    mkdirSync(grid)
    writeFileSync(join(grid, 'authority.pem'), authority.cert)
    execFileSync('openssl', ['rehash', grid])
    expect(await readAuthorities(grid)).toEqual([authority.cert])
  })
})
