import { join } from 'node:path'
import { startSupervisor, type Supervisor, type SupervisorOptions } from '../mover/supervisor.ts'

/** Real movers with deadlines of a minute, which write no whereabouts. */
export const startMovers = (options: Partial<SupervisorOptions> = {}): Supervisor =>
  startSupervisor({
    script: join(import.meta.dirname, '..', 'mover', 'worker.ts'),
    ...{ movers: 1, deadlines: { move: 60_000, look: 60_000 }, killMs: 5000 },
    ...{ whereabouts: null, now: () => new Date(), onStuck: () => undefined },
    ...options,
  })
