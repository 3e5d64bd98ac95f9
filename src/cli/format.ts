/** How people and programs are shown what the commands found. */

export interface Column {
  readonly title: string
  /** Default: left. */
  readonly align?: 'left' | 'right'
}

/** A table as Rucio's own commands draw it (tabulate's "psql"). Every line is equally wide, whatever is in the cells. */
export function table(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  const cells = [columns.map(({ title }) => title), ...rows].map((row) =>
    columns.map((_, index) => printable(row[index] ?? '')),
  )
  const widths = columns.map((_, index) => cells.reduce((most, row) => Math.max(most, width(row[index]!)), 0))
  const line = (row: readonly string[]) =>
    `| ${row.map((cell, index) => pad(cell, widths[index]!, columns[index]!.align ?? 'left')).join(' | ')} |`
  const rule = (end: string) => `${end}${widths.map((each) => '-'.repeat(each + 2)).join('+')}${end}`
  const [titles, ...body] = cells.map(line)
  return [rule('+'), titles, rule('|'), ...body, rule('+')].join('\n')
}

function pad(text: string, to: number, align: 'left' | 'right'): string {
  const fill = ' '.repeat(to - width(text))
  return align === 'left' ? text + fill : fill + text
}

/** Without what would break a line, or speak to the terminal: names and messages come from elsewhere. */
export const printable = (text: string): string =>
  text
    .replace(/[\t\n\r\u2028\u2029]/gu, ' ')
    .replace(/[\p{Cc}\p{Cf}\p{Cs}]/gu, (invisible) => `\\u{${invisible.codePointAt(0)!.toString(16)}}`)

const attached = /\p{M}|[\u1160-\u11ff\p{Cf}]/u
const wide =
  /\p{Emoji_Presentation}|[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97c\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}]/u

/** Columns that a terminal gives a text: two for the wide characters of East Asia and for emoji, none for accents. */
export function width(text: string): number {
  if (/^[\u0020-\u007e]*$/u.test(text)) return text.length
  return Array.from(text).reduce((columns, point) => columns + (attached.test(point) ? 0 : wide.test(point) ? 2 : 1), 0)
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
  if (unit === 0) return `${Math.round(bytes)} B`
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

/** Clocks of two machines are seldom the same. */
const skewMs = 60_000

/** `2 min ago`. What was written down by a clock that was set back since may be to come. */
export function agoText(then: Date, now: Date): string {
  const ms = now.getTime() - then.getTime()
  if (ms < -skewMs) return `at ${then.toISOString()}, ${durationText(-ms)} ahead of this clock`
  return ms < 1000 ? 'just now' : `${durationText(ms)} ago`
}

/** `in 2 min` */
export function untilText(then: Date, now: Date): string {
  const ms = then.getTime() - now.getTime()
  return ms < 1000 ? 'now' : `in ${durationText(ms)}`
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
