/** How people and programs are shown what the commands found. */

export interface Column {
  readonly title: string
  /** Default: left. */
  readonly align?: 'left' | 'right'
}

/** A table as Rucio's own commands draw it (tabulate's "psql"). */
export function table(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  const widths = columns.map(({ title }, index) =>
    Math.max(width(title), ...rows.map((row) => width(row[index] ?? ''))),
  )
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, index) => pad(cell, widths[index]!, columns[index]!.align ?? 'left')).join(' | ')} |`
  const rule = (left: string, middle: string) =>
    `${left}${widths.map((each) => '-'.repeat(each + 2)).join(middle)}${left}`
  return [
    rule('+', '+'),
    line(columns.map(({ title }) => title)),
    rule('|', '+'),
    ...rows.map((row) => line(columns.map((_, index) => row[index] ?? ''))),
    rule('+', '+'),
  ].join('\n')
}

function pad(text: string, to: number, align: 'left' | 'right'): string {
  const fill = ' '.repeat(Math.max(0, to - width(text)))
  return align === 'left' ? text + fill : fill + text
}

const segmenter = new Intl.Segmenter()

/** Columns that a terminal gives a text: two for the wide characters of East Asia and for emoji. */
export function width(text: string): number {
  if (/^[\u0020-\u007e]*$/u.test(text)) return text.length
  let columns = 0
  for (const { segment } of segmenter.segment(text))
    columns +=
      /\p{Emoji_Presentation}|[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]/u.test(
        segment,
      )
        ? 2
        : 1
  return columns
}

const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB', 'EB'] as const

/** `1.68 GB`: three digits, powers of ten, as Rucio counts. */
export function bytesText(bytes: number): string {
  let value = bytes
  let unit = 0
  while (unit < units.length - 1 && value >= (unit === 0 ? 1000 : 999.5)) {
    value /= 1000
    unit++
  }
  if (unit === 0) return `${bytes} B`
  return `${value.toFixed(value < 9.995 ? 2 : value < 99.95 ? 1 : 0)} ${units[unit]!}`
}

/** `3 min`: the largest unit that there is one of. */
export function durationText(ms: number): string {
  const seconds = Math.round(ms / 1000)
  if (seconds < 60) return `${seconds} s`
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`
  if (seconds < 2 * 86_400) return `${Math.floor(seconds / 3600)} h`
  return `${Math.floor(seconds / 86_400)} days`
}

/** `2 min ago` */
export function agoText(then: Date, now: Date): string {
  const ms = now.getTime() - then.getTime()
  return ms < 1000 ? 'just now' : `${durationText(ms)} ago`
}

/** `1 dataset`, `2 datasets` */
export const plural = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`

/** JSON for programs: times are RFC 3339, sizes bytes, Maps objects. */
export const jsonText = (value: unknown): string =>
  JSON.stringify(
    value,
    (_, inner: unknown): unknown => (inner instanceof Map ? Object.fromEntries<unknown>(inner) : inner),
    2,
  )
