import { execFileSync } from 'node:child_process'

export const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** Seconds of wall time that `work` takes. */
export async function timed(work: () => unknown): Promise<number> {
  const began = performance.now()
  await work()
  return (performance.now() - began) / 1000
}

export const command = (file: string, args: readonly string[], cwd?: string): void =>
  void execFileSync(file, args, { stdio: 'ignore', ...(cwd !== undefined && { cwd }) })

/** A figure that is compared with an aim: at most that. */
export interface Result {
  readonly what: string
  readonly value: number
  readonly unit: string
  readonly aim: number | null
}

export function resultTable(results: readonly Result[]): string {
  const rows = results.map(({ what, value, unit, aim }) => [
    what,
    `${value.toFixed(unit === 'MiB' ? 0 : 2)} ${unit}`,
    aim === null ? '' : `≤ ${aim} ${unit}`,
    aim === null ? '' : value <= aim ? 'ok' : 'MISSED',
  ])
  const widths = [0, 1, 2, 3].map((column) => Math.max(...rows.map((row) => row[column]!.length)))
  return rows
    .map((row) =>
      row
        .map((cell, column) =>
          column === 1 || column === 2 ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!),
        )
        .join('  '),
    )
    .join('\n')
}
