import { validityOf, type Credential } from '../model/credential.ts'
import { agoText, durationText, untilText } from './format.ts'

/** `Signs in with the proxy /tmp/x509up_u1000, good for 5 h.` Stands out when somebody has to do something. */
export function credentialText(credential: Credential, now: Date, emphasise: (text: string) => string): string {
  const { kind, file, from, until, problem } = credential
  const what = `Signs in with the ${kind} ${file}`
  switch (validityOf(credential, now)) {
    case 'good':
      return until === null ? `${what}.` : `${what}, good for ${durationText(until.getTime() - now.getTime())}.`
    case 'ends soon':
      return emphasise(`${what}, which EXPIRES ${untilText(until!, now)}: renew it.`)
    case 'expired':
      return emphasise(`${what}, which EXPIRED ${agoText(until!, now)}: renew it.`)
    case 'not yet good':
      return emphasise(`${what}, which is not valid before ${from!.toISOString()}: compare the clock of this machine.`)
    case 'unusable':
      return `${emphasise(problem!.message)}\n  ${problem!.hint}`
  }
}
