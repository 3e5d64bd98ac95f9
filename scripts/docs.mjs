// Writes the pages of docs/ that are made from the code. A test compares them with what this would write.
import { writeFileSync } from 'node:fs'
import { configReference } from '../src/config/reference.ts'

writeFileSync(new URL('../docs/config.md', import.meta.url), configReference())
