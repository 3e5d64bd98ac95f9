const sizeUnits: Readonly<Record<string, number>> = {
  B: 1,
  kB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
}
const durationUnits: Readonly<Record<string, number>> = { ms: 1, s: 1e3, m: 60e3, h: 3600e3, d: 86_400e3 }

/** `100GB` → bytes; a plain number is bytes. null if it is neither. GB = 10^9, GiB = 2^30. */
export const parseSize = (text: string | number): number | null => parse(text, sizeUnits)

/** `15m` → milliseconds. null if it has no unit: nobody should have to guess whether 15 are seconds. */
export const parseDuration = (text: string | number): number | null =>
  typeof text === 'number' ? null : parse(text, durationUnits)

function parse(text: string | number, units: Readonly<Record<string, number>>): number | null {
  if (typeof text === 'number') return Number.isSafeInteger(text) && text >= 0 ? text : null
  const match = /^(\d+(?:\.\d+)?)\s*([A-Za-z]*)$/u.exec(text.trim())
  if (match === null) return null
  const unit = match[2] === '' ? units['B'] : units[match[2]!]
  const value = unit === undefined ? Number.NaN : Math.round(Number(match[1]) * unit)
  return Number.isSafeInteger(value) ? value : null
}
