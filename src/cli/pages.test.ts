import { expect, test } from '@jest/globals'
import { readdirSync, readFileSync } from 'node:fs'
import { parse } from './program.ts'

/** Every command that a page names, in running text or in a block, is one that the program understands. */

const root = new URL('../../', import.meta.url)
const pages = ['README.md', 'CHANGELOG.md', ...readdirSync(new URL('docs', root)).map((name) => `docs/${name}`)].filter(
  (name) => name.endsWith('.md'),
)

/** Splits as a shell does, as far as these pages need it. */
const words = (line: string): readonly string[] =>
  [...line.matchAll(/'([^']*)'|"([^"]*)"|(\S+)/gu)].map((match) => match[1] ?? match[2] ?? match[3]!)

function commandsIn(text: string): readonly string[] {
  const inline = [...text.matchAll(/`(?:\S*\/)?tape-rse ([a-z-][^`]*)`/gu)].map((match) => match[1]!)
  const blocks = [...text.matchAll(/^(?:(?:\$ |ExecStart=)(?:\S*\/)?|bin\/)tape-rse ([a-z-].*)$/gmu)].map(
    (match) => match[1]!,
  )
  // What a manifest and a marker begin with are no commands.
  return [
    ...inline.filter((line) => line !== 'manifest' && line !== 'vault'),
    ...blocks.map((line) => line.replace(/\s+[#>].*$/u, '')),
  ]
}

/** What stands for a value. */
const filled = (word: string): string =>
  ({ DID: 'raw:night', FILE: 'x.yaml', CODE: 'VAULT_IO', N: '1' })[word.replaceAll(/[.…,]+$/gu, '')] ?? word

const commands = pages.flatMap((page) =>
  commandsIn(readFileSync(new URL(page, root), 'utf8')).map((command) => [page, command] as const),
)

test('there are some', () => expect(commands.length).toBeGreaterThan(50))

test.each(commands)('%s: tape-rse %s', (_, command) => {
  expect(() => parse(words(command).map(filled), '0.0.0')).not.toThrow()
})
