import { mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from '@jest/globals'
import { makeAuthority, type Certificate } from '../testing/certificates.ts'
import { fault, secretFiles } from '../testing/secret-files.ts'
import { authoritiesStamp, readAuthorities } from './authorities.ts'

const { directory, write } = secretFiles()
let authority: Certificate
beforeAll(async () => {
  authority = await makeAuthority('Authority')
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
})
