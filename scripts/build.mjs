// Compiles src/ to dist/.
import { execFileSync } from 'node:child_process'

execFileSync('node', ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json'], { stdio: 'inherit' })
