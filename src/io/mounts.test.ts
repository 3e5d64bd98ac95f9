import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { mountAbove, mountAt, parseMounts, readMounts } from './mounts.ts'

const escape = (text: string) => text.replace(/[ \t\n\\]/gu, (c) => `\\${c.charCodeAt(0).toString(8).padStart(3, '0')}`)

describe('parseMounts()', () => {
  test('reads points with blanks, and lines with any number of optional fields', () => {
    fc.assert(
      fc.property(
        fc.stringMatching(/^\/[ \t\\a-zé/]{0,20}$/u),
        fc.array(fc.constantFrom('shared:1', 'master:2')),
        (point, optional) => {
          const line = [
            '36',
            '35',
            '98:0',
            '/',
            escape(point),
            'rw,noatime',
            ...optional,
            '-',
            'fuse.hpssfs',
            escape('hpss core'),
            'rw',
          ].join(' ')
          expect(parseMounts(`${line}\n`)).toEqual([
            { point, device: '98:0', type: 'fuse.hpssfs', origin: 'hpss core' },
          ])
        },
      ),
    )
  })

  test('reads what this kernel writes', () => {
    expect(mountAt(readMounts(), '/proc')).toMatchObject({ type: 'proc' })
  })
})

test('mountAt() finds the mount that hides the others, and none where nothing is mounted', () => {
  const mount = (point: string, type: string) => ({ point, device: '0:1', type, origin: 'x' })
  const mounts = [mount('/a', 'ext4'), mount('/a', 'fuse'), mount('/a/b', 'tmpfs')]
  expect(mountAt(mounts, '/a')).toMatchObject({ type: 'fuse' })
  expect(mountAt(mounts, '/a/c')).toBeNull()
})

test('mountAbove() finds the mount that a path is on by its name', () => {
  const mounts = ['/', '/hpss', '/hpss/raw', '/hpss'].map((point, index) => ({
    ...{ point, device: `0:${index}`, type: 'fuse', origin: 'x' },
  }))
  const deviceOf = (path: string) => mountAbove(mounts, path)?.device
  expect(['/', '/hpss2/a', '/hpss', '/hpss/x', '/hpss/raw', '/hpss/raw/a/b'].map(deviceOf)).toEqual([
    ...['0:0', '0:0', '0:3', '0:3', '0:2', '0:2'],
  ])
  expect(mountAbove([], '/hpss')).toBeNull()
})
