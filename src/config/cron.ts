import { createRequire } from 'node:module'
import type * as NodeCron from 'node-cron'

const require = createRequire(import.meta.url)

/** Whether a text is a cron expression. What knows that is loaded where there is one to look at: most configs have none. */
export const isCron = (text: string): boolean => (require('node-cron') as typeof NodeCron).validate(text)
