import { failure } from '../model/errors.ts'
import type { GlobalOptions, Run } from './command.ts'

export const demo: Run<GlobalOptions> = () => Promise.reject(failure('USAGE', 'not yet', ''))
