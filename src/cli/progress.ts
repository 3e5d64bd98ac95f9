import { bytesText, durationText } from './format.ts'
import type { QuietTerminal } from './command.ts'

/** How far a command is that moves many bytes: one line on a terminal, with pace and time left. */
export interface Progress {
  /** A part begins; `moved` is told how many of its bytes have been moved so far. */
  begin(): { readonly moved: (bytes: number) => void }
  /** The part has ended, and had so many bytes. */
  done(bytes: number): void
  /** Takes the line away. */
  end(): void
}

const everyMs = 500

export function progressOf(total: number, { clock, showLine }: Pick<QuietTerminal, 'clock' | 'showLine'>): Progress {
  const began = clock()
  let ended = 0
  let shownAt = -Infinity
  function show(bytes: number): void {
    const now = clock()
    if (showLine === null || now - shownAt < everyMs) return
    shownAt = now
    const seconds = (now - began) / 1000
    const pace = seconds > 0 ? bytes / seconds : 0
    const left = pace > 0 ? `, ${durationText((1000 * Math.max(0, total - bytes)) / pace)} left` : ''
    showLine(`${bytesText(Math.min(bytes, total))} of ${bytesText(total)}, ${bytesText(pace)}/s${left}`)
  }
  return {
    begin: () => ({ moved: (bytes) => show(ended + bytes) }),
    done(bytes) {
      ended += bytes
      show(ended)
    },
    end: () => showLine?.(null),
  }
}
