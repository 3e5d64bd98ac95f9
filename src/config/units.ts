const sizeUnits = new Map([
  ['', 1],
  ['B', 1],
  ['kB', 1e3],
  ['MB', 1e6],
  ['GB', 1e9],
  ['TB', 1e12],
  ['KiB', 2 ** 10],
  ['MiB', 2 ** 20],
  ['GiB', 2 ** 30],
  ['TiB', 2 ** 40],
])
const durationUnits = new Map([
  ['ms', 1],
  ['s', 1e3],
  ['m', 60e3],
  ['h', 3600e3],
  ['d', 86_400e3],
])

/** `100GB` → bytes; a plain number is bytes. GB = 10^9, GiB = 2^30. null: it is not a size. */
export const parseSize = (given: string | number): number | null =>
  typeof given === 'string' ? parse(given, sizeUnits) : Number.isSafeInteger(given) && given >= 0 ? given : null

/** `15m` → milliseconds. null: it is not a duration, or has no unit: nobody should have to guess whether 15 are seconds. */
export const parseDuration = (given: string | number): number | null =>
  typeof given === 'string' ? parse(given, durationUnits) : null

/** `15m`: in the largest unit in which it is a whole number. */
export function durationWithUnit(ms: number): string {
  const [unit, size] = [...durationUnits].findLast((each) => ms % each[1] === 0) ?? ['ms', 1]
  return `${ms / size}${unit}`
}

function parse(text: string, units: ReadonlyMap<string, number>): number | null {
  const [, digits, unit] = /^(\d+(?:\.\d+)?) ?([A-Za-z]*)$/u.exec(text) ?? []
  const value = Math.round(Number(digits) * (units.get(unit ?? '') ?? Number.NaN))
  return Number.isSafeInteger(value) ? value : null
}
