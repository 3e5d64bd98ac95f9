import { createPrivateKey } from 'node:crypto'
import { beforeAll, describe, expect, test } from '@jest/globals'
import { makeAuthority, makeProxy, makeUser, type Certificate } from '../testing/certificates.ts'
import { fault, ours, secretFiles } from '../testing/secret-files.ts'
import { readCertificate, readProxy } from './client-certificate.ts'

const { write } = secretFiles()
let authority: Certificate
let user: Certificate
beforeAll(async () => {
  authority = await makeAuthority('Authority')
  user = await makeUser(authority, 'Tape Agent')
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
