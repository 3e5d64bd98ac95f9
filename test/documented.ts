import { expect } from '@jest/globals'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { format, resolveConfig } from 'prettier'

const file = join(import.meta.dirname, '..', 'docs', 'reliability.md')

/** Rows of cells, the first of them the heads. */
export type Table = readonly (readonly string[])[]

/**
 * Compares a table of docs/reliability.md with what tests have seen. With UPDATE_DOCS=1 it is written down instead.
 * @param name the table stands between `<!-- name: made by FILE -->` and `<!-- end -->`
 */
export async function expectDocumented(name: string, table: Table): Promise<void> {
  const text = readFileSync(file, 'utf8')
  const [, before, old, after] = new RegExp(`^(.*<!-- ${name}: [^>]*-->)(.*?)(<!-- end -->.*)$`, 'su').exec(text)!
  if (process.env['UPDATE_DOCS'] === '1') {
    const [heads, ...rows] = table.map((cells) => `| ${cells.join(' | ')} |`)
    const made = `${before!}\n\n${[heads, table[0]!.map(() => '| --- ').join('') + '|', ...rows].join('\n')}\n\n${after!}`
    writeFileSync(file, await format(made, { ...(await resolveConfig(file)), filepath: file }))
    return
  }
  const cells = old!
    .split('\n')
    .filter((line) => line.startsWith('|') && !/^\|[ :|-]+\|$/u.test(line))
    .map((line) => line.split('|').slice(1, -1).map((cell) => cell.trim())) // prettier-ignore
  expect(cells).toEqual(table)
}
