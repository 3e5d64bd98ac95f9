import { readFileSync } from 'node:fs'

/** Preloaded into a process (`node --import`): its time of day is ahead by the milliseconds that $CLOCK_AHEAD, a file, holds just then. */

const file = process.env['CLOCK_AHEAD']!
const RealDate = Date
const now = () => RealDate.now() + Number(readFileSync(file, 'utf8'))

globalThis.Date = new Proxy(RealDate, {
  construct: (target, args: unknown[], made) =>
    Reflect.construct(target, args.length === 0 ? [now()] : args, made) as Date,
  apply: () => new RealDate(now()).toString(),
  get: (target, key) => (key === 'now' ? now : (Reflect.get(target, key) as unknown)),
})
